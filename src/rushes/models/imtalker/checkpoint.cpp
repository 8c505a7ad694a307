#include "rushes/models/imtalker/checkpoint.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "rushes/base/error.h"
#include "rushes/models/imtalker/face_detector.h"
#include "rushes/tensor/checkpoint.h"
#include "rushes/tensor/ops.h"

namespace rushes::imtalker {
namespace {

namespace fs = std::filesystem;
using tensor::Extra;
using tensor::Shapes;
using tensor::WeightMap;

constexpr int kMlpLayers = 4;
constexpr int kStyleLayers = 13;

void add_linear(Shapes& shapes, const std::string& key, int64_t out, int64_t in) {
  shapes[key + ".weight"] = {out, in};
  shapes[key + ".bias"] = {out};
}

void add_norm(Shapes& shapes, const std::string& key, int64_t width) {
  shapes[key + ".weight"] = shapes[key + ".bias"] = {width};
}

void add_batch_norm(Shapes& shapes, const std::string& key, int64_t width) {
  for (const char* name : {"weight", "bias", "running_mean", "running_var"}) shapes[key + "." + name] = {width};
}

void add_conv(Shapes& shapes, const std::string& key, int64_t out, int64_t in, int64_t kernel = 3) {
  shapes[key + ".weight"] = {out, in, kernel, kernel};
}

/// EqualMlp: `hidden` wide throughout.
void add_mlp(Shapes& shapes, const std::string& prefix, int64_t out, int64_t hidden) {
  for (int i = 0; i < kMlpLayers; ++i) add_linear(shapes, fmt::format("{}linear_layers.{}", prefix, i), hidden, hidden);
  add_linear(shapes, prefix + "final_linear", out, hidden);
}

void add_conv_res_block(Shapes& shapes, const std::string& prefix, int64_t out, int64_t in) {
  add_conv(shapes, prefix + "conv1", out, in);
  add_batch_norm(shapes, prefix + "norm.norm", out);
  add_conv(shapes, prefix + "conv2", out, out);
  for (const char* inner :
       {"feat_res_block1.conv1.", "feat_res_block1.conv2.", "feat_res_block2.conv1.", "feat_res_block2.conv2."}) {
    add_conv(shapes, prefix + inner + "conv", out, out);
    add_batch_norm(shapes, prefix + inner + "norm.norm", out);
  }
}

void add_encoders(Shapes& shapes, const RendererConfig& config) {
  const std::string appearance = "dense_feature_encoder.", motion = "latent_token_encoder.";
  const auto& dims = config.feature_dims;
  add_conv(shapes, appearance + "initial_conv.0", dims[0], 3, 7);
  shapes[appearance + "initial_conv.0.bias"] = {dims[0]};
  add_batch_norm(shapes, appearance + "initial_conv.1", dims[0]);
  add_conv_res_block(shapes, appearance + "down_block_0.", dims[0], dims[0]);
  for (std::size_t i = 0; i + 1 < dims.size(); ++i)
    add_conv_res_block(shapes, fmt::format("{}down_blocks.{}.", appearance, i), dims[i + 1], dims[i]);
  add_mlp(shapes, appearance, config.dim_app, dims.back());

  int64_t width = config.motion_encoder_initial;
  add_conv(shapes, motion + "conv1", width, 3);
  shapes[motion + "conv1.bias"] = {width};
  for (std::size_t i = 0; i < config.motion_encoder_channels.size(); ++i) {
    const std::string block = fmt::format("{}res_blocks.{}.", motion, i);
    const int64_t out = config.motion_encoder_channels[i];
    add_conv(shapes, block + "conv1.0", width, width);
    shapes[block + "conv1.1.bias"] = {1, width, 1, 1};
    for (const char* branch : {"conv2", "skip"}) {
      add_conv(shapes, block + branch + ".1", out, width);
      shapes[block + branch + ".2.bias"] = {1, out, 1, 1};
    }
    width = out;
  }
  add_conv(shapes, motion + "equalconv", width, width);
  shapes[motion + "equalconv.bias"] = {width};
  add_mlp(shapes, motion, config.dim_motion, width);

  add_linear(shapes, "adapt.in_layer", config.dim_app, config.dim_motion + config.dim_app);
  add_mlp(shapes, "adapt.", config.dim_motion, config.dim_app);
}

void add_motion_decoder(Shapes& shapes, const RendererConfig& config) {
  const std::string prefix = "latent_token_decoder.";
  shapes[prefix + "const"] = {1, config.const_dim, config.const_size, config.const_size};
  int64_t in = config.const_dim;
  for (int i = 0; i < kStyleLayers; ++i) {
    const std::string layer = fmt::format("{}style_conv_layers.{}.", prefix, i);
    const int64_t out = config.width(i == 0 ? 0 : (i - 1) / 3);  // after the first, three layers a level
    shapes[layer + "conv.weight"] = {1, out, in, 3, 3};
    add_linear(shapes, layer + "conv.modulation", in, config.dim_motion);
    shapes[layer + "activate.bias"] = {1, out, 1, 1};
    in = out;
  }
}

void add_self_attention(Shapes& shapes, const std::string& prefix, const RendererConfig& config, int64_t side,
                        int64_t C) {
  const bool windowed = side >= config.swin_res_threshold;
  for (int i = 0; i < (windowed ? 2 : 1); ++i) {
    const std::string block = fmt::format("{}blocks.{}.", prefix, i);
    for (const char* norm : {"norm_q", "norm_kv", "norm_ffn"}) add_norm(shapes, block + norm, C);
    for (const char* name : {"q", "k", "v"})
      add_linear(shapes, block + "attn." + name + (windowed ? "" : "_proj"), C, C);
    add_linear(shapes, block + "attn.proj", C, C);
    add_linear(shapes, block + "mlp.0", 2 * C, C);
    add_linear(shapes, block + (windowed ? "mlp.2" : "mlp.3"), C, 2 * C);
    const int64_t span = 2 * std::min(config.window_size, side) - 1;
    if (windowed)
      shapes[block + "attn.relative_position_bias_table"] = {span * span, config.num_heads};
    else
      shapes[block + "q_pos_embedding"] = shapes[block + "k_pos_embedding"] = {1, side * side, C};
  }
}

void add_frame_decoder(Shapes& shapes, const RendererConfig& config) {
  const std::string prefix = "frame_decoder.";
  for (int64_t i = 0; i + 1 < config.levels(); ++i) {
    const int64_t C = config.width(i + 1);
    add_conv_res_block(shapes, fmt::format("{}upconv_blocks.{}.", prefix, i), C, config.width(i));
    add_conv_res_block(shapes, fmt::format("{}resblocks.{}.", prefix, i), C, 2 * C);
    add_self_attention(shapes, fmt::format("{}transformer_blocks.{}.", prefix, i), config, config.side(i + 1), C);
  }
  add_conv(shapes, prefix + "final_conv.1", 12, config.width(config.levels() - 1));
  shapes[prefix + "final_conv.1.bias"] = {12};
}

/// What published files hold beside the parameters: constants that follow from the configuration, and parameters that
/// no output depends on.
bool is_derived_or_unused(std::string_view name) {
  for (const std::string_view end :
       {".kernel", ".relative_position_index", ".attn_mask", ".num_batches_tracked", ".noise.weight", ".inv_freq"})
    if (name.ends_with(end)) return true;
  return name.starts_with("dense_feature_encoder.equalconv.");
}

/// Keys under `prefix`, without it and without the dictionaries that training puts around them; all if there are none.
WeightMap unwrapped(const WeightMap& tensors, const std::string& prefix) {
  WeightMap own;
  for (const auto& [key, tensor] : tensors.tensors()) {
    std::string_view name = key;
    if (name.starts_with("state_dict.")) name.remove_prefix(std::string_view("state_dict.").size());
    if (!name.starts_with(prefix)) continue;
    // generator.ckpt may hold a dictionary "model" whose keys begin with "model." again.
    while (!prefix.empty() && name.starts_with(prefix)) name.remove_prefix(prefix.size());
    if (!is_derived_or_unused(name)) own.set(std::string(name), tensor);
  }
  // Files that hold one part alone may leave its prefix away.
  return own.keys().empty() && !prefix.empty() ? unwrapped(tensors, "") : own;
}

WeightMap take(const WeightMap& found, const Shapes& expected, const fs::path& file, const char* part, Extra extra) {
  require(std::any_of(expected.begin(), expected.end(), [&](const auto& entry) { return found.contains(entry.first); }),
          ErrorCode::not_found, "'{}' has no {} of IMTalker; a key such as '{}' is missing", file.string(), part,
          expected.begin()->first);
  return take_complete(found, expected, fmt::format("'{}', {}", file.string(), part), extra);
}

}  // namespace

Shapes parameter_shapes(const RendererConfig& config) {
  Shapes shapes;
  add_encoders(shapes, config);
  add_motion_decoder(shapes, config);
  for (int64_t level = 0; level < config.coarse_levels(); ++level)
    for (const char* name : {"q_proj", "k_proj", "v_proj", "proj"})
      add_linear(shapes, fmt::format("imt.{}.block_efc.{}", level, name), config.width(level), config.width(level));
  add_frame_decoder(shapes, config);
  return shapes;
}

Shapes parameter_shapes(const GeneratorConfig& config) {
  Shapes shapes;
  const int64_t C = config.dim_hidden, time_width = 256;
  add_linear(shapes, "fmt.t_embedder.mlp.0", C, time_width);
  add_linear(shapes, "fmt.t_embedder.mlp.2", C, C);
  add_linear(shapes, "fmt.x_embedder.proj", C, 2 * config.dim_motion);
  add_linear(shapes, "fmt.c_embedder", C, config.dim_condition);
  for (int64_t i = 0; i < config.depth; ++i) {
    const std::string block = fmt::format("fmt.blocks.{}.", i);
    add_linear(shapes, block + "attn.qkv", 3 * C, C);
    add_linear(shapes, block + "attn.proj", C, C);
    add_linear(shapes, block + "mlp.fc1", config.mlp_dim(), C);
    add_linear(shapes, block + "mlp.fc2", C, config.mlp_dim());
    add_linear(shapes, block + "adaLN_modulation.1", 6 * C, C);
  }
  add_linear(shapes, "fmt.decoder.adaLN_modulation.1", 2 * C, C);
  add_linear(shapes, "fmt.decoder.linear", config.dim_motion, C);
  const std::pair<const char*, int64_t> conditions[] = {
      {"audio", config.dim_audio}, {"gaze", 2}, {"pose", 3}, {"cam", 3}};
  for (const auto& [name, width] : conditions) {
    add_linear(shapes, fmt::format("{}_projection.0", name), config.dim_condition, width);
    add_norm(shapes, fmt::format("{}_projection.1", name), config.dim_condition);
  }
  return shapes;
}

WeightMap load_renderer(const fs::path& file, const RendererConfig& config, Extra extra) {
  return take(unwrapped(tensor::load_checkpoint(file).tensors, "gen."), parameter_shapes(config), file, "renderer",
              extra);
}

GeneratorWeights load_generator(const fs::path& file, const GeneratorConfig& config, Extra extra) {
  constexpr std::string_view kSpeechEncoder = "audio_encoder.wav2vec2.";
  const WeightMap found = unwrapped(tensor::load_checkpoint(file).tensors, "model.");
  WeightMap own;
  for (const auto& [key, tensor] : found.tensors())
    if (!key.starts_with(kSpeechEncoder)) own.set(key, tensor);
  return {take(own, parameter_shapes(config), file, "motion generator", extra), found.under(kSpeechEncoder)};
}

WeightMap renderer_weights_in(at::ScalarType dtype, const WeightMap& weights) {
  WeightMap placed;
  for (const auto& [key, tensor] : weights.tensors()) {
    const bool follows = key.starts_with("frame_decoder.") && key.find(".norm.norm.") == std::string::npos;
    placed.set(key, tensor.to(follows ? dtype : at::kFloat));
  }
  return placed;
}

WeightMap load_face_detector(const fs::path& file, Extra extra) {
  const WeightMap found = tensor::load_checkpoint(file).tensors;
  Shapes expected;
  for (const std::string& name : FaceDetector::parameter_names())
    expected[name] = found.contains(name) ? found.at(name).sizes().vec() : std::vector<int64_t>();
  return take(found, expected, file, "face detector", extra);
}

}  // namespace rushes::imtalker
