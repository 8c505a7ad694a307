#include "rushes/models/dinov2/checkpoint.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "rushes/base/config_fields.h"
#include "rushes/base/error.h"
#include "rushes/base/json_file.h"
#include "rushes/models/dinov2/encoder.h"
#include "rushes/tensor/checkpoint.h"
#include "rushes/tensor/ops.h"

namespace rushes::dinov2 {
namespace {

namespace fs = std::filesystem;
using tensor::WeightMap;

constexpr std::string_view kMaskToken = "mask_token";
constexpr std::string_view kQuery = ".attention.attention.query.";

/// Of the transformers library, and of the authors.
constexpr std::pair<std::string_view, std::string_view> kNames[] = {
    {"embeddings.cls_token", "cls_token"},
    {"embeddings.position_embeddings", "pos_embed"},
    {"embeddings.patch_embeddings.projection.", "patch_embed.proj."},
    {"encoder.layer.", "blocks."},
    {"layernorm.", "norm."},
    {".attention.output.dense.", ".attn.proj."},
    {".layer_scale1.lambda1", ".ls1.gamma"},
    {".layer_scale2.lambda1", ".ls2.gamma"},
};

std::string hub_name(std::string key) {
  for (const auto& [theirs, ours] : kNames) {
    const std::size_t at = key.find(theirs);
    const bool begins = theirs.front() != '.';
    if (at != key.npos && (!begins || at == 0)) key.replace(at, theirs.size(), ours);
  }
  return key;
}

bool is_transformers(const WeightMap& tensors) { return tensors.contains("embeddings.cls_token"); }

/// Saved with a head on it, all keys begin alike.
WeightMap without_prefix(const WeightMap& tensors) {
  for (const char* prefix : {"dinov2.", "model.", "backbone."})
    if (tensors.contains(std::string(prefix) + "embeddings.cls_token") ||
        tensors.contains(std::string(prefix) + "cls_token"))
      return tensors.under(prefix);
  return tensors;
}

const at::Tensor& with_axes(const WeightMap& tensors, const char* key, int64_t axes) {
  const at::Tensor& tensor = tensors.at(key);
  require(tensor.dim() == axes, ErrorCode::corrupt_data, "'{}' has shape [{}]; a DINOv2 encoder's has {} axes", key,
          fmt::join(tensor.sizes(), ", "), axes);
  return tensor;
}

void read_config_json(const fs::path& path, Config& config) {
  const fs::path json_file = (fs::is_directory(path) ? path : path.parent_path()) / "config.json";
  if (config.layout != Layout::transformers || !fs::is_regular_file(json_file)) return;
  const nlohmann::json json = json_object_in(json_file);
  const ConfigFields fields(json, "'" + json_file.string() + "'");
  fields.integer("num_attention_heads", config.num_heads, 1, 1024);
  fields.real("layer_norm_eps", config.norm_eps, 0, 1);
}

}  // namespace

bool is_dinov2(const WeightMap& tensors) {
  const WeightMap own = without_prefix(tensors);
  return is_transformers(own)
             ? own.contains("encoder.layer.0.layer_scale1.lambda1")
             : own.contains("cls_token") && own.contains("pos_embed") && own.contains("blocks.0.ls1.gamma");
}

WeightMap with_hub_names(const WeightMap& given) {
  const WeightMap tensors = without_prefix(given);
  WeightMap named;
  for (const std::string& key : tensors.keys()) {
    if (key.ends_with(kMaskToken)) continue;
    const std::size_t query = key.find(kQuery);
    if (query == key.npos) {
      const bool is_part = key.find(".attention.attention.") != key.npos;  // key or value: taken with the query
      if (!is_part) named.set(hub_name(key), tensors.at(key));
      continue;
    }
    const std::string before = key.substr(0, query), kind = key.substr(query + kQuery.size());
    const auto part = [&](const char* name) {
      return tensors.at(before + ".attention.attention." + name + "." + kind);
    };
    named.set(hub_name(before + ".attn.qkv." + kind), at::cat({tensors.at(key), part("key"), part("value")}, 0));
  }
  return named;
}

Config infer_config(const WeightMap& given) {
  const WeightMap tensors = without_prefix(given);
  const bool theirs = is_transformers(tensors);
  require(is_dinov2(tensors), ErrorCode::corrupt_data, "these tensors are not a DINOv2 encoder");
  for (const char* key : {"register_tokens", "embeddings.register_tokens"})
    require(!tensors.contains(key), ErrorCode::unsupported, "DINOv2 encoders with registers are not supported");
  Config config = Config::of(theirs ? Layout::transformers : Layout::hub);
  const std::string block = theirs ? "encoder.layer." : "blocks.", up = block + "0.mlp.fc1.weight";
  require(tensors.contains(up), ErrorCode::unsupported,
          "'{}' is missing: DINOv2 encoders with gated MLPs are not "
          "supported",
          up);
  const at::Tensor& patch =
      with_axes(tensors, theirs ? "embeddings.patch_embeddings.projection.weight" : "patch_embed.proj.weight", 4);
  config.embed_dim = patch.size(0);
  config.patch_size = patch.size(3);
  config.mlp_dim = with_axes(tensors, up.c_str(), 2).size(0);
  const int64_t positions = with_axes(tensors, theirs ? "embeddings.position_embeddings" : "pos_embed", 3).size(1) - 1;
  config.stored_grid = static_cast<int64_t>(std::llround(std::sqrt(static_cast<double>(positions))));
  require(positions > 0 && config.stored_grid * config.stored_grid == positions, ErrorCode::corrupt_data,
          "positions of {} patches, which is no square", positions);
  config.depth = 0;
  while (tensors.contains(block + std::to_string(config.depth) + ".norm1.weight")) ++config.depth;
  constexpr int64_t kHeadSize = 64;
  config.num_heads = std::max<int64_t>(1, config.embed_dim / kHeadSize);
  return config;
}

Checkpoint load(const fs::path& path, tensor::Extra extra) {
  const WeightMap tensors = tensor::load_checkpoint(path).tensors;
  Checkpoint checkpoint;
  try {
    checkpoint.config = infer_config(tensors);
  } catch (const Error& error) {
    throw Error(error.code(), fmt::format("'{}': {}", path.string(), error.what()));
  }
  read_config_json(path, checkpoint.config);
  checkpoint.weights = tensor::take_complete(with_hub_names(tensors), parameter_shapes(checkpoint.config),
                                             "'" + path.string() + "', DINOv2 encoder", extra);
  return checkpoint;
}

}  // namespace rushes::dinov2
