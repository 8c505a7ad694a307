// For benchmarks: one of our operators beside libtorch's.
#pragma once
#include <benchmark/benchmark.h>

#include <functional>

#include "rushes/nn/measure.h"

namespace rushes::nn {

/// Runs ours and stock in turns. Counters: what fraction of a large float32 product's speed ours has, ratio to stock.
inline void compare(benchmark::State& state, double flop, const std::function<at::Tensor()>& ours,
                    const std::function<at::Tensor()>& stock) {
  const at::Tensor a = at::randn({1024, 1024}, at::TensorOptions(at::kFloat)),
                   b = at::randn({1024, 1024}, at::TensorOptions(at::kFloat));
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

}  // namespace rushes::nn
