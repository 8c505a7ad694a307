#include "rushes/models/wav2vec/checkpoint.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "rushes/base/config_fields.h"
#include "rushes/base/error.h"
#include "rushes/base/json_file.h"
#include "rushes/tensor/checkpoint.h"
#include "rushes/tensor/ops.h"

namespace rushes::wav2vec {
namespace {

namespace fs = std::filesystem;
constexpr int64_t kMostSize = 99'999;
constexpr std::string_view kPrefixes[] = {"wav2vec2.", "hubert."};

void add_layer(tensor::Shapes& shapes, const std::string& key, int64_t out, int64_t in) {
  shapes[key + ".weight"] = {out, in};
  shapes[key + ".bias"] = {out};
}

void add_norm(tensor::Shapes& shapes, const std::string& key, int64_t width) {
  shapes[key + ".weight"] = shapes[key + ".bias"] = {width};
}

/// Heads and what training masks and compares with: published files have them, features do not need them.
bool is_for_training(std::string_view name) {
  for (const std::string_view begin : {"lm_head.", "masked_spec_embed", "quantizer.", "project_hid.", "project_q."})
    if (name.starts_with(begin)) return true;
  return false;
}

}  // namespace

tensor::Shapes parameter_shapes(const Config& config) {
  tensor::Shapes shapes;
  const int64_t C = config.hidden_size;
  int64_t width = 1;
  for (std::size_t i = 0; i < config.conv_dim.size(); ++i) {
    shapes[fmt::format("feature_extractor.conv_layers.{}.conv.weight", i)] = {config.conv_dim[i], width,
                                                                              config.conv_kernel.at(i)};
    width = config.conv_dim[i];
    const std::string layer = fmt::format("feature_extractor.conv_layers.{}.", i);
    if (config.conv_bias) shapes[layer + "conv.bias"] = {width};
    if (config.feature_layer_norm || i == 0) add_norm(shapes, layer + "layer_norm", width);
  }
  add_norm(shapes, "feature_projection.layer_norm", width);
  add_layer(shapes, "feature_projection.projection", C, width);
  shapes["encoder.pos_conv_embed.conv.bias"] = {C};
  shapes["encoder.pos_conv_embed.conv.weight_g"] = {1, 1, config.num_conv_pos_embeddings};
  shapes["encoder.pos_conv_embed.conv.weight_v"] = {C, C / config.num_conv_pos_embedding_groups,
                                                    config.num_conv_pos_embeddings};
  add_norm(shapes, "encoder.layer_norm", C);
  for (int64_t i = 0; i < config.num_hidden_layers; ++i) {
    const std::string layer = fmt::format("encoder.layers.{}.", i);
    for (const char* name : {"q_proj", "k_proj", "v_proj", "out_proj"})
      add_layer(shapes, layer + "attention." + name, C, C);
    add_layer(shapes, layer + "feed_forward.intermediate_dense", config.intermediate_size, C);
    add_layer(shapes, layer + "feed_forward.output_dense", C, config.intermediate_size);
    add_norm(shapes, layer + "layer_norm", C);
    add_norm(shapes, layer + "final_layer_norm", C);
  }
  return shapes;
}

tensor::WeightMap with_published_names(const tensor::WeightMap& tensors) {
  const std::pair<std::string, std::string> renamed[] = {{"conv.parametrizations.weight.original0", "conv.weight_g"},
                                                         {"conv.parametrizations.weight.original1", "conv.weight_v"}};
  tensor::WeightMap published;
  for (const auto& [key, tensor] : tensors.tensors()) {
    std::string name = key;
    for (const std::string_view prefix : kPrefixes)
      if (key.starts_with(prefix)) name = key.substr(prefix.size());
    if (is_for_training(name)) continue;
    for (const auto& [from, to] : renamed)
      if (name.ends_with(from)) name.replace(name.size() - from.size(), from.size(), to);
    published.set(name, tensor);
  }
  return published;
}

tensor::WeightMap load(const fs::path& file, const Config& config, const tensor::WeightMap& overrides,
                       tensor::Extra extra) {
  const tensor::WeightMap own = with_published_names(overrides);
  tensor::WeightMap found;
  if (!file.empty()) found = with_published_names(tensor::load_checkpoint(file).tensors);
  for (const auto& [key, tensor] : own.tensors()) found.set(key, tensor);
  const std::string where = file.empty() ? "the motion generator's file" : "'" + file.string() + "'";
  return tensor::take_complete(found, parameter_shapes(config), where + ", wav2vec2 encoder", extra);
}

Config read_config(const fs::path& file) {
  const fs::path json_file = (fs::is_directory(file) ? file : file.parent_path()) / "config.json";
  if (!fs::is_regular_file(json_file)) return {};
  const nlohmann::json json = json_object_in(json_file);
  const ConfigFields fields(json, "'" + json_file.string() + "'");
  Config config;
  std::string norm = "group";
  fields.word("feat_extract_norm", norm);
  require(norm == "group" || norm == "layer", ErrorCode::unsupported, "{}: feat_extract_norm must be group or layer",
          fields.where());
  fields.must_be("hidden_act", "gelu");
  config.feature_layer_norm = norm == "layer";
  fields.flag("conv_bias", config.conv_bias);
  fields.flag("do_stable_layer_norm", config.stable_layer_norm);
  fields.integer("hidden_size", config.hidden_size, 1, kMostSize);
  fields.integer("num_hidden_layers", config.num_hidden_layers, 1, 1000);
  fields.integer("num_attention_heads", config.num_attention_heads, 1, 1024);
  fields.integer("intermediate_size", config.intermediate_size, 1, kMostSize);
  fields.integers("conv_dim", config.conv_dim, 1, kMostSize);
  fields.integers("conv_kernel", config.conv_kernel, 1, kMostSize);
  fields.integers("conv_stride", config.conv_stride, 1, kMostSize);
  fields.integer("num_conv_pos_embeddings", config.num_conv_pos_embeddings, 1, kMostSize);
  fields.integer("num_conv_pos_embedding_groups", config.num_conv_pos_embedding_groups, 1, kMostSize);
  fields.real("layer_norm_eps", config.layer_norm_eps, 0, 1);
  require(!config.conv_dim.empty() && config.conv_kernel.size() == config.conv_dim.size() &&
              config.conv_stride.size() == config.conv_dim.size(),
          ErrorCode::corrupt_data, "{}: conv_dim, conv_kernel and conv_stride must have the same length",
          fields.where());
  return config;
}

}  // namespace rushes::wav2vec
