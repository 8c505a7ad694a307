// Decoding one latent frame (4 video frames) at the published widths, random weights: ours beside the same network of
// libtorch's stock operators, in turns, and both against the float32 matrix product of this machine.
//   wan_vae_bench                                    small pictures; with --benchmark_filter=60/104 480x832
// Where bf16 has no instructions the stock bf16 decoder takes an hour at 480x832: it runs in the small sizes only.
#include <benchmark/benchmark.h>

#include <chrono>

#include "rushes/models/wan/tiny_autoencoder.h"
#include "rushes/models/wan/vae.h"
#include "rushes/models/wan/vae_reference.h"
#include "rushes/tensor/ops.h"

namespace rushes::wan {
namespace {

double seconds_of(const std::function<void()>& run) {
  const auto start = std::chrono::steady_clock::now();
  run();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

tensor::WeightMap random_weights(const std::map<std::string, std::vector<int64_t>>& shapes) {
  at::manual_seed(1);
  tensor::WeightMap weights;
  for (const auto& [key, shape] : shapes) {
    int64_t fan_in = 1;
    for (std::size_t i = 1; i < shape.size(); ++i) fan_in *= shape[i];
    weights.set(
        key, key.ends_with("gamma") ? at::ones(shape) : at::randn(shape).div_(std::sqrt(static_cast<double>(fan_in))));
  }
  return weights;
}

/// float32 GEMM into a kept buffer, GFLOP/s: best of a few, as the share of a peak is asked for.
double gemm_peak() {
  const at::Tensor a = at::randn({2048, 1536}), b = at::randn({1536, 1536});
  at::Tensor out = at::empty({2048, 1536});
  double best = 1e9;
  for (int i = 0; i < 6; ++i) best = std::min(best, seconds_of([&] { at::mm_out(out, a, b); }));
  return 2.0 * 2048 * 1536 * 1536 / best * 1e-9;
}

/// Stock decoder in `dtype`: seconds of one later frame.
double stock_seconds(const VaeConfig& config, const tensor::WeightMap& weights, const at::Tensor& z) {
  const ReferenceVaeDecoder stock(config, weights);
  std::vector<at::Tensor> caches;
  stock.decode_frame(z, caches);
  stock.decode_frame(z, caches);
  return seconds_of([&] { stock.decode_frame(z, caches); });
}

enum Stock : int64_t { none = 0, f32 = 1, f32_and_bf16 = 2 };

void decode_latent_frame(benchmark::State& state) {
  const c10::InferenceMode inference;
  const int64_t height = state.range(0), width = state.range(1);
  const VaeConfig config;
  const tensor::WeightMap weights = random_weights(parameter_shapes(config)), half = weights.to(at::kBFloat16);
  VaeStreamDecoder decoder(std::make_shared<const VaeDecoder>(config, half));
  const at::Tensor latents = at::randn({1, config.z_dim, height, width}), z = latents.unsqueeze(2);
  decoder.decode(latents);
  decoder.decode(latents);
  double ours = 0;
  for (auto _ : state) {
    ours = seconds_of([&] { benchmark::DoNotOptimize(decoder.decode(latents)); });
    state.SetIterationTime(ours);
  }
  const double flop = decode_flop(config, height, width), peak = gemm_peak();
  state.counters["GFLOP"] = flop * 1e-9;
  state.counters["GFLOP/s"] = flop / ours * 1e-9;
  state.counters["f32_gemm_GFLOP/s"] = peak;
  state.counters["share_of_gemm"] = flop / ours * 1e-9 / peak;
  if (state.range(2) >= f32) state.counters["times_stock_f32"] = stock_seconds(config, weights, z) / ours;
  if (state.range(2) >= f32_and_bf16)
    state.counters["times_stock_bf16"] = stock_seconds(config, half, z.to(at::kBFloat16)) / ours;
}
BENCHMARK(decode_latent_frame)
    ->ArgNames({"h", "w", "stock"})
    ->Args({4, 4, f32_and_bf16})
    ->Args({15, 26, f32})
    ->Iterations(1)
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond);

void decode_480x832(benchmark::State& state) { decode_latent_frame(state); }
BENCHMARK(decode_480x832)->Args({60, 104, none})->Iterations(1)->UseManualTime()->Unit(benchmark::kMillisecond);

/// Three latent frames (12 video frames) at 128x128 through a tiny decoder of the widths given.
void tiny_decode_block(benchmark::State& state) {
  const c10::InferenceMode inference;
  TinyAutoencoderConfig config;
  config.decoder_widths = {state.range(0), state.range(1), state.range(2), state.range(3)};
  const auto decoder = TinyAutoencoder(config, random_weights(parameter_shapes(config))).decoder();
  const at::Tensor latents = at::randn({3, config.latent_channels, 16, 16});
  decoder->decode(latents);
  for (auto _ : state) benchmark::DoNotOptimize(decoder->decode(latents));
  state.counters["video_fps"] =
      benchmark::Counter(12.0 * static_cast<double>(state.iterations()), benchmark::Counter::kIsRate);
}
BENCHMARK(tiny_decode_block)
    ->Args({64, 48, 16, 16})
    ->Args({256, 128, 64, 64})
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace rushes::wan
