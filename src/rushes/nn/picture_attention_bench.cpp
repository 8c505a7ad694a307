// The attentions of a talking head's renderer, at the sizes of the shipped and of the published model, against
// libtorch's operators in the same run. The result is checked first.
#include <benchmark/benchmark.h>

#include <functional>

#include "rushes/nn/matching_attention.h"
#include "rushes/nn/measure.h"
#include "rushes/nn/window_attention.h"

namespace rushes::nn {
namespace {

at::Tensor random(at::IntArrayRef sizes) { return at::randn(sizes, at::TensorOptions(at::kFloat)); }

/// Runs ours and stock in turns. Counters: what fraction of a large float32 product's speed ours has, ratio to stock.
void compare(benchmark::State& state, double flop, const std::function<at::Tensor()>& ours,
             const std::function<at::Tensor()>& stock) {
  const at::Tensor a = random({1024, 1024}), b = random({1024, 1024});
  at::Tensor product = at::mm(a, b), got, wanted;
  double gemm = 1e9, mine = 1e9, theirs = 1e9;
  for (auto _ : state) {
    gemm = std::min(gemm, seconds([&] { at::mm_out(product, a, b); }));
    theirs = std::min(theirs, seconds([&] { wanted = stock(); }));
    const double now = seconds([&] { got = ours(); });
    mine = std::min(mine, now);
    state.SetIterationTime(now);
  }
  if (!(relative_error(got, wanted) < 1e-5)) state.SkipWithError("wrong result");
  state.counters["GFLOP/s"] = flop / mine / 1e9;
  state.counters["of_f32_gemm"] = flop / mine / (2.0 * 1024 * 1024 * 1024 / gemm);
  state.counters["times_stock"] = theirs / mine;
}

/// Range 0: frames, 1: cells, 2: heads, 3: head size.
void matching_attention_of_imtalker(benchmark::State& state) {
  const c10::InferenceMode inference;
  const int64_t B = state.range(0), L = state.range(1), N = state.range(2), D = state.range(3);
  const at::Tensor q = random({B, L, N, D}), k = random({1, L, N, D}), v = random({1, L, N, D});
  compare(
      state, 4.0 * static_cast<double>(B * L * L * N * D), [&] { return matching_attention(q, k, v).out; },
      [&] { return stock_matching_attention(q, k, v).out; });
}
BENCHMARK(matching_attention_of_imtalker)
    ->Args({4, 1024, 2, 8})
    ->Args({1, 4096, 8, 16})
    ->UseManualTime()
    ->Iterations(10)
    ->Unit(benchmark::kMillisecond);

/// Range 0: frames, 1: side of the map, 2: heads, 3: head size, 4: shift.
void window_attention_of_imtalker(benchmark::State& state) {
  const c10::InferenceMode inference;
  const int64_t B = state.range(0), S = state.range(1), N = state.range(2), C = N * state.range(3);
  const at::Tensor q = random({B, S, S, C}), k = random({B, S, S, C}), v = random({B, S, S, C});
  const at::Tensor bias = random({N, 64, 64});
  const Windows windows{8, state.range(4)};
  compare(
      state, 4.0 * static_cast<double>(B * S * S * 64 * C), [&] { return window_attention(q, k, v, bias, windows); },
      [&] { return stock_window_attention(q, k, v, bias, windows); });
}
BENCHMARK(window_attention_of_imtalker)
    ->Args({4, 64, 2, 4, 4})
    ->Args({1, 128, 8, 8, 4})
    ->Args({1, 256, 8, 4, 0})
    ->UseManualTime()
    ->Iterations(10)
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace rushes::nn
