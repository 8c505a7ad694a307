// Self-attention and cross-attention at the shapes of Wan 2.1 1.3B, against libtorch's operator and the machine's own
// matrix product, in turns in one run. The result is checked first.
#include "rushes/nn/attention.h"

#include <benchmark/benchmark.h>

#include <cstdio>
#include <functional>

#include "rushes/nn/measure.h"

namespace rushes::nn {
namespace {

struct Shape {
  int64_t L, M, N, D;
};

/// Range 0: queries, 1: keys, 2: 1 for bfloat16. Counters: GFLOP/s, share of a float32 product, ratio to stock.
void attention_of_wan(benchmark::State& state) {
  const c10::InferenceMode inference;
  const auto dtype = state.range(2) == 1 ? at::kBFloat16 : at::kFloat;
  const Shape s{state.range(0), state.range(1), 12, 128};
  const auto random = [&](int64_t tokens) {
    return at::randn({1, tokens, s.N, s.D}, at::TensorOptions(at::kFloat)).to(dtype);
  };
  const at::Tensor q = random(s.L), k = random(s.M), v = random(s.M);
  const at::Tensor a = at::randn({1024, 1536}), b = at::randn({1536, 4096});
  at::Tensor product = at::mm(a, b), out, stock;
  double gemm = 1e9, theirs = 1e9, ours = 1e9;
  for (auto _ : state) {
    gemm = std::min(gemm, seconds([&] { at::mm_out(product, a, b); }));
    const double mine = seconds([&] { out = attention(q, k, v); });
    ours = std::min(ours, mine);
    state.SetIterationTime(mine);
  }
  theirs = seconds([&] { stock = stock_attention(q, k, v); });
  const double error = relative_error(out, stock);
  if (!(error < (dtype == at::kFloat ? 1e-5 : 6e-3))) state.SkipWithError("wrong result");
  const double flop = 4.0 * s.L * s.M * s.N * s.D;
  state.counters["GFLOP/s"] = flop / ours / 1e9;
  state.counters["of_f32_gemm"] = flop / ours / (2.0 * a.size(0) * a.size(1) * b.size(1) / gemm);
  state.counters["stock_GFLOP/s"] = flop / theirs / 1e9;
  state.counters["times_stock"] = theirs / ours;
}
BENCHMARK(attention_of_wan)
    ->Args({4680, 14040, 1})
    ->Args({4680, 14040, 0})
    ->Args({4680, 512, 1})
    ->Args({192, 1344, 0})
    ->UseManualTime()
    ->Iterations(3)
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace rushes::nn
