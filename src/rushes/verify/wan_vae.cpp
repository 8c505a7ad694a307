// Runners of the autoencoder cases: Wan VAE, tiny autoencoder, pixels.
#include <fmt/format.h>

#include "rushes/models/wan/tiny_autoencoder.h"
#include "rushes/tensor/ops.h"
#include "rushes/verify/runners.h"

namespace rushes::verify {
namespace {

wan::TinyAutoencoderConfig tiny_config(const nlohmann::json& hyper) {
  wan::TinyAutoencoderConfig config;
  config.decoder_widths = hyper.value("decoder_widths", config.decoder_widths);
  config.encoder_width = hyper.value("encoder_width", config.encoder_width);
  config.latent_channels = hyper.value("latent_channels", config.latent_channels);
  config.decoder_time_upscale = hyper.value("decoder_time_upscale", config.decoder_time_upscale);
  config.decoder_space_upscale = hyper.value("decoder_space_upscale", config.decoder_space_upscale);
  config.frames_to_trim = hyper.value("frames_to_trim", config.frames_to_trim);
  return config;
}

/// Both ways of a whole clip, and the law that frame by frame gives the same.
Produced taehv(const Case& c) {
  const auto config = tiny_config(c.hyper);
  Produced produced;
  if (c.has_input("latents")) {
    const wan::TinyDecoder decoder(config, c.weights.under("decoder."));
    const at::Tensor& latents = c.input("latents");
    wan::TinyState whole, stream;
    const at::Tensor decoded = decoder.forward(latents, whole);
    const int64_t trimmed = std::min(config.frames_to_trim, decoded.size(1));
    produced.tensors["decoded"] = decoded;
    produced.tensors["decoded_trimmed"] = decoded.narrow(1, trimmed, decoded.size(1) - trimmed);
    std::vector<at::Tensor> pieces;
    for (int64_t f = 0; f < latents.size(1); ++f) pieces.push_back(decoder.forward(latents.narrow(1, f, 1), stream));
    const double difference = (at::cat(pieces, 1) - decoded).abs().max().item<double>();
    const double allowed = c.target.dtype == at::kFloat ? 2e-4 : 0.1;
    produced.checks.push_back({"frame by frame equals all at once", difference <= allowed,
                               fmt::format("largest difference {:.3g}, allowed {}", difference, allowed)});
  }
  if (c.has_input("video")) {
    wan::TinyState state;
    produced.tensors["encoded"] = wan::TinyEncoder(config, c.weights.under("encoder.")).forward(c.input("video"), state);
  }
  return produced;
}

}  // namespace

void add_wan_vae(Registry& registry) { registry[{"wan", "taehv"}] = taehv; }

}  // namespace rushes::verify
