// Runners of the autoencoder cases: Wan VAE, tiny autoencoder, pixels.
#include <fmt/format.h>

#include "rushes/models/wan/pixels.h"
#include "rushes/models/wan/tiny_autoencoder.h"
#include "rushes/models/wan/vae.h"
#include "rushes/tensor/ops.h"
#include "rushes/verify/runners.h"
#include "rushes/verify/wan/configs.h"

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
  if (c.has_input("latents") && (c.wants("decoded") || c.wants("decoded_trimmed"))) {
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
  if (c.has_input("video") && c.wants("encoded")) {
    wan::TinyState state;
    produced.tensors["encoded"] =
        wan::TinyEncoder(config, c.weights.under("encoder.")).forward(c.input("video"), state);
  }
  return produced;
}

Produced vae_encode(const Case& c) {
  const wan::VaeEncoder encoder(vae_config(c.hyper), c.weights);
  const at::Tensor& pixels = c.input("pixels");
  wan::VaeState whole, stream;
  Produced produced;
  produced.tensors["latent"] = encoder.forward(pixels, whole);
  std::vector<at::Tensor> pieces = {encoder.forward(pixels.narrow(2, 0, 1), stream)};
  for (int64_t t = 1; t < pixels.size(2); t += 4) pieces.push_back(encoder.forward(pixels.narrow(2, t, 4), stream));
  const double difference = (at::cat(pieces, 2) - produced.tensors["latent"]).abs().max().item<double>();
  const double allowed = c.target.dtype == at::kFloat ? 2e-5 : 0.05;
  produced.checks.push_back({"four frames at a time equal all at once", difference <= allowed,
                             fmt::format("largest difference {:.3g}, allowed {}", difference, allowed)});
  return produced;
}

at::Tensor scalar(double value) { return at::full({1}, value, at::kFloat); }

/// [1, C, F, h, w] as a StreamDecoder takes it, and its frames back.
at::Tensor decode_next(wan::VaeStreamDecoder& decoder, const at::Tensor& latent) {
  return decoder.decode(latent.squeeze(0).transpose(0, 1)).transpose(0, 1).unsqueeze(0);
}

Produced vae_decode_stream(const Case& c) {
  const auto vae = std::make_shared<const wan::VaeDecoder>(vae_config(c.hyper), c.weights);
  const at::Tensor& latent = c.input("latent");
  Produced produced;
  wan::VaeState state;
  const at::Tensor unclamped = vae->forward(latent, state);
  const at::Tensor whole = unclamped.clamp(-1, 1);
  produced.tensors["pixels_whole"] = whole;
  produced.tensors["saturated_fraction"] = scalar(unclamped.abs().gt(1).to(at::kDouble).mean().item<double>());
  produced.tensors["pixels_unclamped_max"] = scalar(unclamped.abs().max().item<double>());

  const int64_t block = c.hyper.value("block", int64_t{3});
  wan::VaeStreamDecoder kept(vae), restarted(vae);
  std::vector<at::Tensor> pieces, reset;
  std::vector<int64_t> counts;
  for (int64_t f = 0; f < latent.size(2); f += block) {
    const at::Tensor part = latent.narrow(2, f, std::min(block, latent.size(2) - f));
    pieces.push_back(decode_next(kept, part));
    counts.push_back(pieces.back().size(2));
    restarted.reset();
    if (f > 0) reset.push_back(decode_next(restarted, part));  // the first block is that of the whole decode
  }
  produced.tensors["stream_max_abs_diff"] =
      scalar((whole.to(at::kFloat) - at::cat(pieces, 2).to(whole.scalar_type())).abs().max().item<double>());
  produced.tensors["frames_per_block"] = at::tensor(counts, at::kLong);
  if (!reset.empty()) produced.tensors["pixels_reset_per_block"] = at::cat(reset, 2);
  return produced;
}

Produced vae_decode_zero_cache(const Case& c) {
  const auto vae = std::make_shared<const wan::VaeDecoder>(vae_config(c.hyper), c.weights);
  const at::Tensor latent = c.input("latent").transpose(1, 2);  // frames are on axis 1
  const int64_t dropped = c.hyper.value("drop_first_frames", int64_t{3}), block = latent.size(2) / 2;
  Produced produced;
  wan::VaeStreamDecoder zeros(vae, wan::StreamStart::zero_caches), plain(vae);
  std::vector<at::Tensor> differences;
  for (int64_t b = 0; b < 2; ++b) {
    const at::Tensor part = latent.narrow(2, b * block, block);
    const at::Tensor video = decode_next(zeros, part), reference = decode_next(plain, part);
    produced.tensors[b == 0 ? "block0_all" : "block1"] = video.transpose(1, 2);
    const int64_t skipped = b == 0 ? dropped : 0;
    differences.push_back((video.narrow(2, skipped, video.size(2) - skipped) - reference).abs().max().view({1}));
  }
  produced.tensors["cache0_after"] = zeros.state().caches.front();
  produced.tensors["cache_last_after"] = zeros.state().caches.back();
  produced.tensors["diff_to_plain_decode"] = at::cat(differences);
  return produced;
}

Produced frames_to_uint8(const Case& c) {
  const at::Tensor& x = c.input("x");
  Produced produced;
  produced.tensors["inferix_u8"] = wan::to_uint8(x, wan::PixelFormula::unit);
  produced.tensors["demo_u8"] = wan::to_uint8(x, wan::PixelFormula::symmetric);
  return produced;
}

Produced image_preprocess(const Case& c) {
  const at::Tensor& image = c.input("image_u8");
  const auto target = c.hyper.at("target_hw").get<std::vector<int64_t>>();
  Produced produced;
  produced.tensors["resized_u8"] = tensor::resize(image, target.at(0), target.at(1), tensor::Resampling::bilinear);
  produced.tensors["tensor"] = wan::image_to_frame(image, target.at(0), target.at(1));
  return produced;
}

}  // namespace

void add_wan_vae(Registry& registry) {
  registry[{"wan", "taehv"}] = taehv;
  registry[{"wan", "vae_encode"}] = vae_encode;
  registry[{"wan", "vae_decode_stream"}] = vae_decode_stream;
  registry[{"wan", "vae_decode_zero_cache"}] = vae_decode_zero_cache;
  registry[{"wan", "frames_to_uint8"}] = frames_to_uint8;
  registry[{"wan", "image_preprocess"}] = image_preprocess;
}

}  // namespace rushes::verify
