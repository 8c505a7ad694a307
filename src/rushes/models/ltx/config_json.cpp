#include "rushes/models/ltx/config_json.h"

#include <fmt/format.h>

#include "rushes/base/config_fields.h"
#include "rushes/base/error.h"

namespace rushes::ltx {
namespace {

using nlohmann::json;

constexpr int64_t kMostLayers = 1000;

/// One type for each block of the encoder.
std::vector<Downsample> downsample_types(const ConfigFields& fields, const VaeConfig& config) {
  std::vector<Downsample> types;
  bool moves_pixels = config.block_out_channels.size() == config.spatio_temporal_scaling.size() + 1;
  std::vector<std::string> words;
  if (fields.find("down_block_types")) {
    fields.words("down_block_types", words);
    require(!words.empty(), ErrorCode::corrupt_data, "{}: down_block_types is empty", fields.where());
    moves_pixels = words.back() == "LTXVideo095DownBlock3D";
    for (const std::string& word : words)
      require(word == (moves_pixels ? "LTXVideo095DownBlock3D" : "LTXVideoDownBlock3D"), ErrorCode::unsupported,
              "{}: down_block_types has '{}' beside '{}'", fields.where(), word, words.back());
  }
  const std::size_t blocks = config.spatio_temporal_scaling.size();
  if (!moves_pixels) return std::vector<Downsample>(blocks, Downsample::conv);
  if (!fields.find("downsample_type")) {  // as in 0.9.5
    for (std::size_t i = 0; i < blocks; ++i)
      types.push_back(i == 0 ? Downsample::spatial : i == 1 ? Downsample::temporal : Downsample::spatiotemporal);
    return types;
  }
  fields.words("downsample_type", words);
  for (const std::string& word : words) {
    require(word == "spatial" || word == "temporal" || word == "spatiotemporal", ErrorCode::unsupported,
            "{}: downsample_type has '{}'; known are spatial, temporal and spatiotemporal", fields.where(), word);
    types.push_back(word == "spatial"    ? Downsample::spatial
                    : word == "temporal" ? Downsample::temporal
                                         : Downsample::spatiotemporal);
  }
  return types;
}

}  // namespace

TransformerConfig transformer_config(const json& given, const std::string& where) {
  const ConfigFields fields(given, where);
  TransformerConfig config;
  fields.integer("in_channels", config.in_channels);
  config.out_channels = config.in_channels;
  fields.integer("out_channels", config.out_channels);
  fields.integer("num_attention_heads", config.num_attention_heads);
  fields.integer("attention_head_dim", config.attention_head_dim);
  fields.integer("num_layers", config.num_layers, 1, kMostLayers);
  fields.integer("caption_channels", config.caption_channels);
  fields.real("norm_eps", config.norm_eps);
  fields.must_be("patch_size", 1);
  fields.must_be("patch_size_t", 1);
  fields.must_be("activation_fn", "gelu-approximate");
  fields.must_be("norm_elementwise_affine", false);
  fields.must_be("attention_bias", true);
  fields.must_be("attention_out_bias", true);
  if (const json* norm = fields.find("qk_norm"); norm && *norm != "rms_norm")
    fields.must_be("qk_norm", "rms_norm_across_heads");
  require(config.dim() % 2 == 0 && config.dim() >= 6, ErrorCode::corrupt_data,
          "{}: {} heads of {} make a width of {}; rotation needs an even one of at least 6", where,
          config.num_attention_heads, config.attention_head_dim, config.dim());
  fields.must_be("cross_attention_dim", config.dim());
  return config;
}

VaeConfig vae_config(const json& given, const std::string& where) {
  const ConfigFields fields(given, where);
  VaeConfig config;
  fields.integer("in_channels", config.in_channels);
  fields.integer("out_channels", config.out_channels);
  fields.integer("latent_channels", config.latent_channels);
  fields.integers("block_out_channels", config.block_out_channels);
  fields.integers("layers_per_block", config.layers_per_block, 1, kMostLayers);
  fields.flags("spatio_temporal_scaling", config.spatio_temporal_scaling);
  config.downsample_type = downsample_types(fields, config);
  // The first published config.json knows one list for both halves.
  config.decoder_block_out_channels = config.block_out_channels;
  config.decoder_layers_per_block = config.layers_per_block;
  config.decoder_spatio_temporal_scaling = config.spatio_temporal_scaling;
  fields.integers("decoder_block_out_channels", config.decoder_block_out_channels);
  fields.integers("decoder_layers_per_block", config.decoder_layers_per_block, 1, kMostLayers);
  fields.flags("decoder_spatio_temporal_scaling", config.decoder_spatio_temporal_scaling);
  const std::size_t up = config.decoder_block_out_channels.size();
  config.decoder_inject_noise.assign(up + 1, false);
  config.upsample_residual.assign(up, false);
  config.upsample_factor.assign(up, 1);
  fields.flags("decoder_inject_noise", config.decoder_inject_noise);
  fields.flags("upsample_residual", config.upsample_residual);
  fields.integers("upsample_factor", config.upsample_factor);
  fields.flag("timestep_conditioning", config.timestep_conditioning);
  fields.integer("patch_size", config.patch_size);
  fields.integer("patch_size_t", config.patch_size_t);
  fields.real("resnet_norm_eps", config.resnet_norm_eps);
  fields.real("scaling_factor", config.scaling_factor);
  fields.flag("encoder_causal", config.encoder_causal);
  fields.flag("decoder_causal", config.decoder_causal);
  fields.integer("spatial_compression_ratio", config.spatial_compression_ratio);
  fields.integer("temporal_compression_ratio", config.temporal_compression_ratio);
  require(config.scaling_factor > 0, ErrorCode::corrupt_data, "{}: scaling_factor is {}; it must be above 0", where,
          config.scaling_factor);
  try {
    config.validate();
  } catch (const Error& error) {
    throw Error(error.code(), fmt::format("{}: {}", where, error.what()));
  }
  return config;
}

SchedulerConfig scheduler_config(const json& given, const std::string& where) {
  const ConfigFields fields(given, where);
  SchedulerConfig config;
  fields.flag("use_dynamic_shifting", config.use_dynamic_shifting);
  fields.real("shift", config.shift);
  fields.real("base_shift", config.base_shift);
  fields.real("max_shift", config.max_shift);
  fields.integer("base_image_seq_len", config.base_image_seq_len);
  fields.integer("max_image_seq_len", config.max_image_seq_len);
  fields.integer("num_train_timesteps", config.num_train_timesteps);
  fields.must_be("time_shift_type", "exponential");
  fields.must_be("invert_sigmas", false);
  for (const char* other : {"use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas", "stochastic_sampling"})
    fields.must_be(other, false);
  if (given.contains("shift_terminal")) {
    config.shift_terminal.reset();
    double terminal = 0;
    fields.real("shift_terminal", terminal);
    if (terminal != 0) config.shift_terminal = terminal;
  }
  require(config.base_image_seq_len != config.max_image_seq_len, ErrorCode::corrupt_data,
          "{}: base_image_seq_len and max_image_seq_len are both {}", where, config.base_image_seq_len);
  require(config.shift > 0, ErrorCode::corrupt_data, "{}: shift is {}; it must be above 0", where, config.shift);
  require(!config.shift_terminal || (*config.shift_terminal > 0 && *config.shift_terminal < 1), ErrorCode::corrupt_data,
          "{}: shift_terminal is {}; it must be between 0 and 1", where, config.shift_terminal.value_or(0));
  return config;
}

}  // namespace rushes::ltx
