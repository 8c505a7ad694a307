// Narrow linear layers at the sizes of the shipped talking head, against libtorch's operator in the same run.
#include "rushes/nn/beside_stock.h"
#include "rushes/nn/linear.h"
#include "rushes/nn/stock_operators.h"

namespace rushes::nn {
namespace {

/// Range 0: rows, 1: inputs, 2: outputs.
void narrow_linear(benchmark::State& state) {
  const c10::InferenceMode inference;
  const int64_t rows = state.range(0), in = state.range(1), out = state.range(2);
  const tensor::WeightMap weights({{"l.weight", at::randn({out, in})}, {"l.bias", at::randn({out})}});
  const Linear layer(weights, "l", out, in);
  const at::Tensor x = at::randn({rows, in});
  compare(
      state, 2.0 * static_cast<double>(rows * in * out), [&] { return layer(x); },
      [&] {
        const StockOperators stock;
        return layer(x);
      });
}
BENCHMARK(narrow_linear)
    ->Args({4096, 8, 8})
    ->Args({1024, 16, 32})
    ->Args({256, 32, 64})
    ->Args({35, 96, 288})
    ->Args({280, 96, 384})
    ->UseManualTime()
    ->Iterations(50)
    ->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace rushes::nn
