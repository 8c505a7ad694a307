#include "rushes/models/t5/checkpoint.h"

#include <nlohmann/json.hpp>

#include "rushes/base/config_fields.h"
#include "rushes/base/error.h"
#include "rushes/base/json_file.h"
#include "rushes/models/t5/t5_encoder.h"
#include "rushes/tensor/checkpoint.h"
#include "rushes/tensor/ops.h"

namespace rushes::t5 {
namespace {

namespace fs = std::filesystem;
constexpr const char* kShared = "shared.weight";
constexpr const char* kTied = "encoder.embed_tokens.weight";

bool is_of_the_decoder(std::string_view key) { return key.starts_with("decoder.") || key.starts_with("lm_head."); }

}  // namespace

tensor::WeightMap with_published_names(const tensor::WeightMap& tensors) {
  tensor::WeightMap published;
  for (const auto& [key, tensor] : tensors.tensors())
    if (!is_of_the_decoder(key) && key != kTied) published.set(key, tensor);
  if (!published.contains(kShared) && tensors.contains(kTied)) published.set(kShared, tensors.at(kTied));
  return published;
}

tensor::WeightMap load(const fs::path& path, const Config& config, tensor::Extra extra) {
  return tensor::take_complete(with_published_names(tensor::load_checkpoint(path).tensors), parameter_shapes(config),
                               "'" + path.string() + "', T5 encoder", extra);
}

Config read_config(const fs::path& path) {
  const fs::path json_file = (fs::is_directory(path) ? path : path.parent_path()) / "config.json";
  Config config;
  if (!fs::is_regular_file(json_file)) return config;
  const nlohmann::json json = json_object_in(json_file);
  const ConfigFields fields(json, "'" + json_file.string() + "'");
  // Files of the first T5 say nothing, and have an MLP without gate.
  std::string mlp = "relu";
  fields.word("feed_forward_proj", mlp);
  require(mlp == "gated-gelu" || mlp == "gated-gelu_new", ErrorCode::unsupported,
          "'{}': feed_forward_proj is '{}'; only T5 v1.1 with 'gated-gelu' is supported", json_file.string(), mlp);
  fields.integer("vocab_size", config.vocab_size);
  fields.integer("d_model", config.d_model);
  fields.integer("d_kv", config.d_kv);
  fields.integer("d_ff", config.d_ff);
  fields.integer("num_layers", config.num_layers, 1, 1000);
  fields.integer("num_heads", config.num_heads, 1, 1024);
  fields.integer("relative_attention_num_buckets", config.relative_attention_num_buckets);
  fields.integer("relative_attention_max_distance", config.relative_attention_max_distance);
  fields.real("layer_norm_epsilon", config.layer_norm_epsilon, 0, 1);
  return config;
}

bool is_t5(const tensor::WeightMap& tensors) {
  return tensors.contains("encoder.block.0.layer.0.SelfAttention.q.weight") &&
         tensors.contains("encoder.final_layer_norm.weight");
}

}  // namespace rushes::t5
