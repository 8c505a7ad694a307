// The attentions of a talking head's renderer, at the sizes of the shipped and of the published model, against
// libtorch's operators in the same run. The result is checked first.
#include <benchmark/benchmark.h>

#include "rushes/nn/beside_stock.h"
#include "rushes/nn/matching_attention.h"
#include "rushes/nn/window_attention.h"

namespace rushes::nn {
namespace {

at::Tensor random(at::IntArrayRef sizes) { return at::randn(sizes, at::TensorOptions(at::kFloat)); }

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
