#include "rushes/models/ltx/config_json.h"

#include <fmt/format.h>

#include <cmath>

#include "rushes/base/error.h"

namespace rushes::ltx {
namespace {

using nlohmann::json;

constexpr int64_t kMostExtent = 1 << 20;

/// The fields of one file, as far as it has them.
class Fields {
 public:
  Fields(const json& values, std::string where) : values_(values), where_(std::move(where)) {
    require(values.is_object(), ErrorCode::corrupt_data, "{}: not a JSON object", where_);
  }

  bool has(const char* key) const { return values_.contains(key) && !values_.at(key).is_null(); }
  void extent(const char* key, int64_t& value) const {
    if (has(key)) value = extent_of(values_.at(key), key);
  }
  void extent(const char* key, std::optional<int64_t>& value) const {
    if (has(key)) value = extent_of(values_.at(key), key);
  }
  void real(const char* key, double& value) const {
    if (has(key)) value = real_of(values_.at(key), key);
  }
  void flag(const char* key, bool& value) const {
    if (has(key)) value = flag_of(values_.at(key), key);
  }
  void extents(const char* key, std::vector<int64_t>& list) const {
    if (has(key)) list = list_of<int64_t>(key, [&](const json& each) { return extent_of(each, key); });
  }
  void flags(const char* key, std::vector<bool>& list) const {
    if (has(key)) list = list_of<bool>(key, [&](const json& each) { return flag_of(each, key); });
  }
  std::vector<std::string> words(const char* key) const {
    return list_of<std::string>(key, [&](const json& each) {
      require(each.is_string(), ErrorCode::corrupt_data, "{}: {} has an entry that is no word", where_, key);
      return each.get<std::string>();
    });
  }
  /// Refuses another value of a setting that this implementation has only one of.
  void must_be(const char* key, const json& only) const {
    require(!has(key) || values_.at(key) == only, ErrorCode::unsupported, "{}: {} is {}; LTX-Video 2B has {}", where_,
            key, has(key) ? values_.at(key).dump() : "", only.dump());
  }
  const std::string& where() const { return where_; }
  const json& at(const char* key) const { return values_.at(key); }

 private:
  int64_t extent_of(const json& value, const char* key) const {
    require(value.is_number_integer() && value.get<double>() >= 1 && value.get<double>() <= kMostExtent,
            ErrorCode::corrupt_data, "{}: {} is {}; it must be a whole number from 1 to {}", where_, key, value.dump(),
            kMostExtent);
    return value.get<int64_t>();
  }
  double real_of(const json& value, const char* key) const {
    require(value.is_number() && std::isfinite(value.get<double>()), ErrorCode::corrupt_data,
            "{}: {} is {}; it must be a number", where_, key, value.dump());
    return value.get<double>();
  }
  bool flag_of(const json& value, const char* key) const {
    require(value.is_boolean(), ErrorCode::corrupt_data, "{}: {} is {}; it must be true or false", where_, key,
            value.dump());
    return value.get<bool>();
  }
  template <typename T, typename Read>
  std::vector<T> list_of(const char* key, const Read& read) const {
    const json& given = values_.at(key);
    require(given.is_array() && given.size() >= 1 && given.size() <= 64, ErrorCode::corrupt_data,
            "{}: {} must be a list of 1 to 64 entries", where_, key);
    std::vector<T> list;
    for (const json& each : given) list.push_back(read(each));
    return list;
  }

  const json& values_;
  std::string where_;
};

/// One type for each block of the encoder.
std::vector<Downsample> downsample_types(const Fields& fields, const VaeConfig& config) {
  std::vector<Downsample> types;
  bool moves_pixels = config.block_out_channels.size() == config.spatio_temporal_scaling.size() + 1;
  if (fields.has("down_block_types")) {
    const auto words = fields.words("down_block_types");
    moves_pixels = words.back() == "LTXVideo095DownBlock3D";
    for (const std::string& word : words)
      require(word == (moves_pixels ? "LTXVideo095DownBlock3D" : "LTXVideoDownBlock3D"), ErrorCode::unsupported,
              "{}: down_block_types has '{}' beside '{}'", fields.where(), word, words.back());
  }
  const std::size_t blocks = config.spatio_temporal_scaling.size();
  if (!moves_pixels) return std::vector<Downsample>(blocks, Downsample::conv);
  if (!fields.has("downsample_type"))  // as in 0.9.5
    for (std::size_t i = 0; i < blocks; ++i)
      types.push_back(i == 0 ? Downsample::spatial : i == 1 ? Downsample::temporal : Downsample::spatiotemporal);
  else
    for (const std::string& word : fields.words("downsample_type")) {
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
  const Fields fields(given, where);
  TransformerConfig config;
  fields.extent("in_channels", config.in_channels);
  config.out_channels = config.in_channels;
  fields.extent("out_channels", config.out_channels);
  fields.extent("num_attention_heads", config.num_attention_heads);
  fields.extent("attention_head_dim", config.attention_head_dim);
  fields.extent("num_layers", config.num_layers);
  fields.extent("caption_channels", config.caption_channels);
  fields.real("norm_eps", config.norm_eps);
  fields.must_be("patch_size", 1);
  fields.must_be("patch_size_t", 1);
  fields.must_be("activation_fn", "gelu-approximate");
  fields.must_be("norm_elementwise_affine", false);
  fields.must_be("attention_bias", true);
  fields.must_be("attention_out_bias", true);
  if (fields.has("qk_norm") && fields.at("qk_norm") != "rms_norm") fields.must_be("qk_norm", "rms_norm_across_heads");
  require(config.dim() % 2 == 0 && config.dim() >= 6, ErrorCode::corrupt_data,
          "{}: {} heads of {} make a width of {}; rotation needs an even one of at least 6", where,
          config.num_attention_heads, config.attention_head_dim, config.dim());
  if (fields.has("cross_attention_dim")) fields.must_be("cross_attention_dim", config.dim());
  return config;
}

VaeConfig vae_config(const json& given, const std::string& where) {
  const Fields fields(given, where);
  VaeConfig config;
  fields.extent("in_channels", config.in_channels);
  fields.extent("out_channels", config.out_channels);
  fields.extent("latent_channels", config.latent_channels);
  fields.extents("block_out_channels", config.block_out_channels);
  fields.extents("layers_per_block", config.layers_per_block);
  fields.flags("spatio_temporal_scaling", config.spatio_temporal_scaling);
  config.downsample_type = downsample_types(fields, config);
  // The first published config.json knows one list for both halves.
  config.decoder_block_out_channels = config.block_out_channels;
  config.decoder_layers_per_block = config.layers_per_block;
  config.decoder_spatio_temporal_scaling = config.spatio_temporal_scaling;
  fields.extents("decoder_block_out_channels", config.decoder_block_out_channels);
  fields.extents("decoder_layers_per_block", config.decoder_layers_per_block);
  fields.flags("decoder_spatio_temporal_scaling", config.decoder_spatio_temporal_scaling);
  const std::size_t up = config.decoder_block_out_channels.size();
  config.decoder_inject_noise.assign(up + 1, false);
  config.upsample_residual.assign(up, false);
  config.upsample_factor.assign(up, 1);
  fields.flags("decoder_inject_noise", config.decoder_inject_noise);
  fields.flags("upsample_residual", config.upsample_residual);
  fields.extents("upsample_factor", config.upsample_factor);
  fields.flag("timestep_conditioning", config.timestep_conditioning);
  fields.extent("patch_size", config.patch_size);
  fields.extent("patch_size_t", config.patch_size_t);
  fields.real("resnet_norm_eps", config.resnet_norm_eps);
  fields.real("scaling_factor", config.scaling_factor);
  fields.flag("encoder_causal", config.encoder_causal);
  fields.flag("decoder_causal", config.decoder_causal);
  fields.extent("spatial_compression_ratio", config.spatial_compression_ratio);
  fields.extent("temporal_compression_ratio", config.temporal_compression_ratio);
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
  const Fields fields(given, where);
  SchedulerConfig config;
  fields.flag("use_dynamic_shifting", config.use_dynamic_shifting);
  fields.real("shift", config.shift);
  fields.real("base_shift", config.base_shift);
  fields.real("max_shift", config.max_shift);
  fields.extent("base_image_seq_len", config.base_image_seq_len);
  fields.extent("max_image_seq_len", config.max_image_seq_len);
  fields.extent("num_train_timesteps", config.num_train_timesteps);
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
