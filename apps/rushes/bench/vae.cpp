// The Wan VAE at its published widths: one latent frame, four video frames.
#include <fmt/format.h>

#include "bench.h"
#include "rushes/models/wan/vae.h"
#include "rushes/models/wan/vae_reference.h"
#include "rushes/tensor/kernels/cpu/flash_attention.h"
#include "rushes/tensor/ops.h"

namespace rushes::app::bench {
namespace {

tensor::WeightMap random_weights(const wan::VaeConfig& config) {
  tensor::WeightMap weights;
  for (const auto& [key, shape] : wan::parameter_shapes(config)) {
    int64_t fan_in = 1;
    for (std::size_t i = 1; i < shape.size(); ++i) fan_in *= shape[i];
    weights.set(key,
                key.ends_with("gamma") ? at::ones(shape) : at::randn(shape) / std::sqrt(static_cast<double>(fan_in)));
  }
  return weights;
}

/// A stream of the stock decoder, which is at its second frame.
struct StockStream {
  wan::ReferenceVaeDecoder decoder;
  at::Tensor z;  // denormalised
  std::vector<at::Tensor> caches;

  StockStream(const wan::VaeConfig& config, const tensor::WeightMap& weights, at::Tensor latents)
      : decoder(config, weights), z(std::move(latents)) {
    decoder.decode_frame(z, caches);
  }
  at::Tensor next() { return decoder.decode_frame(z, caches).clamp(-1, 1); }
};

void compare(Report& report, int64_t latent_height, int64_t latent_width, bool with_half) {
  const Setup& setup = report.setup();
  const wan::VaeConfig config;
  const std::string name = fmt::format("VAE decode of one latent frame, {} x {}", 8 * latent_height, 8 * latent_width);
  if (!report.wants(name)) return;
  const tensor::WeightMap weights = random_weights(config).to(setup.device), narrow = weights.to(setup.dtype);
  const at::Tensor latents = at::randn({1, config.z_dim, 1, latent_height, latent_width}, setup.floats());
  const wan::LatentScale scale(config, setup.device);
  const at::Tensor z = latents / scale.inverse_std + scale.mean;

  const wan::VaeDecoder decoder(config, narrow);
  wan::VaeState state;
  const auto next = [&] { return decoder.forward(latents, state).clamp(-1, 1); };
  next();
  Operation operation{.name = name, .flop = wan::decode_flop(config, latent_height, latent_width), .tolerance = 0.1};
  operation.candidates.push_back({"rushes", next});
  std::optional<StockStream> half, wide;
  if (with_half && setup.dtype != at::kFloat) {
    half.emplace(config, narrow, z.to(setup.dtype));
    operation.candidates.push_back({"stock", [&] { return half->next(); }});
  }
  wide.emplace(config, weights, z);
  operation.candidates.push_back({"stock, float32", [&] { return wide->next(); }});
  report.measure(operation);
}

}  // namespace

void bench_vae(Report& report) {
  // Where the CPU has no bfloat16 products the stock decoder takes most of an hour for 480x832 in bfloat16: its
  // figure there comes from a small picture.
  const bool has_half = !report.setup().device.is_cpu() || tensor::kernels::has_bf16_products();
  if (!has_half || report.setup().quick) compare(report, 8, 13, true);
  if (!report.setup().quick) compare(report, 60, 104, has_half);
}

}  // namespace rushes::app::bench
