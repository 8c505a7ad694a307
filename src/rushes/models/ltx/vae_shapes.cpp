#include "rushes/base/error.h"
#include "rushes/models/ltx/time_sinusoid.h"
#include "rushes/models/ltx/vae.h"

namespace rushes::ltx {
namespace {

/// Collects names and shapes below a prefix.
struct Shapes {
  tensor::Shapes& all;
  std::string prefix;

  Shapes under(const std::string& more) const { return {all, prefix + more}; }
  void set(const std::string& key, std::vector<int64_t> shape) const { all[prefix + key] = std::move(shape); }
  void conv(const std::string& key, int64_t out, int64_t in, int64_t side = 3) const {
    set(key + ".conv.weight", {out, in, side, side, side});
    set(key + ".conv.bias", {out});
  }
  void time_embedder(int64_t out) const {
    const Shapes own = under("time_embedder.timestep_embedder.");
    for (const auto& [key, in] : {std::pair("linear_1", kTimeSinusoid), std::pair("linear_2", out)}) {
      own.set(std::string(key) + ".weight", {out, in});
      own.set(std::string(key) + ".bias", {out});
    }
  }
  void resnet(int64_t in, int64_t out, bool injects_noise = false, bool is_timed = false) const {
    conv("conv1", out, in);
    conv("conv2", out, out);
    if (in != out) {
      conv("conv_shortcut", out, in, 1);
      set("norm3.weight", {in});
      set("norm3.bias", {in});
    }
    if (injects_noise)
      for (const char* key : {"per_channel_scale1", "per_channel_scale2"}) set(key, {in, 1, 1});
    if (is_timed) set("scale_shift_table", {4, in});
  }
  void resnets(int64_t count, int64_t channels, bool injects_noise = false, bool is_timed = false) const {
    for (int64_t i = 0; i < count; ++i)
      under(fmt::format("resnets.{}.", i)).resnet(channels, channels, injects_noise, is_timed);
  }
};

void add_encoder(const VaeConfig& config, const Shapes& shapes) {
  int64_t channels = config.block_out_channels.front();
  shapes.conv("conv_in", channels, config.in_channels * config.patch_size * config.patch_size * config.patch_size_t);
  for (std::size_t i = 0; i < config.downsample_type.size(); ++i) {
    const Shapes block = shapes.under(fmt::format("down_blocks.{}.", i));
    const int64_t out = config.block_out_channels[std::min(i + 1, config.block_out_channels.size() - 1)];
    const Downsample type = config.downsample_type[i];
    block.resnets(config.layers_per_block[i], channels);
    if (config.spatio_temporal_scaling[i]) {
      const int64_t moved = type == Downsample::spatial ? 4 : type == Downsample::temporal ? 2 : 8;
      if (type == Downsample::conv)
        block.conv("downsamplers.0", channels, channels);
      else
        block.conv("downsamplers.0.conv", out / moved, channels);
    }
    if (type == Downsample::conv && out != channels) block.under("conv_out.").resnet(channels, out);
    channels = out;
  }
  shapes.under("mid_block.").resnets(config.layers_per_block.back(), channels);
  shapes.conv("conv_out", config.latent_channels + 1, channels);
}

void add_decoder(const VaeConfig& config, const Shapes& shapes) {
  const bool is_timed = config.timestep_conditioning;
  const auto backwards = [](const auto& list, std::size_t i) { return list.at(list.size() - 1 - i); };
  int64_t channels = config.decoder_block_out_channels.back();
  shapes.conv("conv_in", channels, config.latent_channels);
  const Shapes middle = shapes.under("mid_block.");
  middle.resnets(backwards(config.decoder_layers_per_block, 0), channels, backwards(config.decoder_inject_noise, 0),
                 is_timed);
  if (is_timed) middle.time_embedder(4 * channels);
  for (std::size_t i = 0; i < config.decoder_block_out_channels.size(); ++i) {
    const Shapes block = shapes.under(fmt::format("up_blocks.{}.", i));
    const int64_t factor = backwards(config.upsample_factor, i), in = channels / factor;
    const bool injects_noise = backwards(config.decoder_inject_noise, i + 1);
    channels = backwards(config.decoder_block_out_channels, i) / factor;
    if (in != channels) block.under("conv_in.").resnet(in, channels, injects_noise, is_timed);
    if (is_timed) block.time_embedder(4 * in);
    if (backwards(config.decoder_spatio_temporal_scaling, i))
      block.conv("upsamplers.0.conv", 8 * channels, channels * factor);
    block.resnets(backwards(config.decoder_layers_per_block, i + 1), channels, injects_noise, is_timed);
  }
  shapes.conv("conv_out", config.out_channels * config.patch_size * config.patch_size * config.patch_size_t, channels);
  if (!is_timed) return;
  shapes.time_embedder(2 * channels);
  shapes.set("scale_shift_table", {2, channels});
  shapes.set("timestep_scale_multiplier", {});
}

}  // namespace

tensor::Shapes parameter_shapes(const VaeConfig& config) {
  config.validate();
  tensor::Shapes shapes;
  add_encoder(config, {shapes, "encoder."});
  add_decoder(config, {shapes, "decoder."});
  shapes["latents_mean"] = shapes["latents_std"] = {config.latent_channels};
  return shapes;
}

double decode_flop(const VaeConfig& config, int64_t latent_frames, int64_t height, int64_t width) {
  double total = 0;
  std::vector<double> positions{static_cast<double>(latent_frames * height * width)};  // of each up block's resnets
  int64_t frames = latent_frames, scale = 1;
  const std::size_t blocks = config.decoder_block_out_channels.size();
  std::vector<double> before;  // the same where its upsampler's convolution runs
  for (std::size_t i = 0; i < blocks; ++i) {
    before.push_back(positions.back());
    if (config.decoder_spatio_temporal_scaling[blocks - 1 - i]) {
      frames = 2 * frames - 1;
      scale *= 2;
    }
    positions.push_back(static_cast<double>(frames * height * scale * width * scale));
  }
  for (const auto& [key, shape] : parameter_shapes(config)) {
    if (shape.size() != 5 || !key.starts_with("decoder.")) continue;
    const double products = static_cast<double>(shape[0] * shape[1] * shape[2] * shape[3] * shape[4]);
    double at = key.starts_with("decoder.conv_out.") ? positions.back() : positions.front();
    for (std::size_t i = 0; i < blocks; ++i) {
      const std::string block = fmt::format("decoder.up_blocks.{}.", i);
      if (key.starts_with(block)) at = key.starts_with(block + "resnets.") ? positions[i + 1] : before[i];
    }
    total += 2 * products * at;
  }
  return total;
}

}  // namespace rushes::ltx
