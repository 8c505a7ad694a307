#include "rushes/models/wav2vec/checkpoint.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "rushes/base/error.h"
#include "rushes/base/json_file.h"
#include "rushes/tensor/checkpoint.h"
#include "rushes/tensor/ops.h"

namespace rushes::wav2vec {
namespace {

namespace fs = std::filesystem;
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
  Config config;
  try {
    const std::string norm = json.value("feat_extract_norm", "group");
    require((norm == "group" || norm == "layer") && json.value("hidden_act", "gelu") == "gelu", ErrorCode::unsupported,
            "'{}': feat_extract_norm must be group or layer and hidden_act gelu", json_file.string());
    config.feature_layer_norm = norm == "layer";
    config.conv_bias = json.value("conv_bias", false);
    config.stable_layer_norm = json.value("do_stable_layer_norm", false);
    config.hidden_size = json.value("hidden_size", config.hidden_size);
    config.num_hidden_layers = json.value("num_hidden_layers", config.num_hidden_layers);
    config.num_attention_heads = json.value("num_attention_heads", config.num_attention_heads);
    config.intermediate_size = json.value("intermediate_size", config.intermediate_size);
    config.conv_dim = json.value("conv_dim", config.conv_dim);
    config.conv_kernel = json.value("conv_kernel", config.conv_kernel);
    config.conv_stride = json.value("conv_stride", config.conv_stride);
    config.num_conv_pos_embeddings = json.value("num_conv_pos_embeddings", config.num_conv_pos_embeddings);
    config.num_conv_pos_embedding_groups =
        json.value("num_conv_pos_embedding_groups", config.num_conv_pos_embedding_groups);
    config.layer_norm_eps = json.value("layer_norm_eps", config.layer_norm_eps);
  } catch (const nlohmann::json::exception& error) {
    fail(ErrorCode::corrupt_data, "'{}': {}", json_file.string(), error.what());
  }
  const auto positive = [](const std::vector<int64_t>& values) {
    return !values.empty() &&
           std::all_of(values.begin(), values.end(), [](int64_t value) { return value > 0 && value < 100'000; });
  };
  require(positive({config.hidden_size, config.num_hidden_layers, config.num_attention_heads, config.intermediate_size,
                    config.num_conv_pos_embeddings, config.num_conv_pos_embedding_groups}) &&
              positive(config.conv_dim) && positive(config.conv_kernel) && positive(config.conv_stride) &&
              config.conv_kernel.size() == config.conv_dim.size() &&
              config.conv_stride.size() == config.conv_dim.size(),
          ErrorCode::corrupt_data,
          "'{}': sizes must be from 1 to 99999, and conv_dim, conv_kernel and conv_stride must have the same length",
          json_file.string());
  return config;
}

}  // namespace rushes::wav2vec
