#include "rushes/training/foresight/shipped_adapter.h"

#include <cmath>

#include "rushes/models/dinov2/encoder.h"
#include "rushes/tensor/ops.h"
#include "rushes/tensor/safetensors.h"
#include "rushes/training/foresight/shipped_video.h"

namespace rushes::training {
namespace {

at::Tensor fresh(const std::string& key, const std::vector<int64_t>& shape) {
  const bool is_gain = key.ends_with("gamma") || (key.ends_with("weight") && shape.size() == 1);
  if (shape.size() == 1) return is_gain ? at::ones(shape, at::kFloat) : at::zeros(shape, at::kFloat);
  if (key == "cls_token" || key == "pos_embed") return at::randn(shape, at::kFloat) * 0.3;
  if (key == "queries") return at::randn(shape, at::kFloat);
  double inputs = 1;
  for (std::size_t axis = 1; axis < shape.size(); ++axis) inputs *= static_cast<double>(shape[axis]);
  return at::randn(shape, at::kFloat) / std::sqrt(inputs);
}

}  // namespace

dinov2::Config foresight_spatial() {
  dinov2::Config config;
  config.embed_dim = 64;
  config.depth = 2;
  config.num_heads = 2;
  config.mlp_dim = 128;
  config.stored_grid = kForesightSquare / config.patch_size;
  return config;
}

foresight::AdapterConfig foresight_adapter(const qwen::Config& language) {
  return {.vlm_dim = language.text.hidden_size,
          .spatial_dim = foresight_spatial().embed_dim,
          .hidden_dim = 64,
          .output_dim = foresight_text_encoder().d_model,
          .num_layers = 1,
          .num_queries = 12,
          .num_heads = 1,
          .mlp_dim = 128};
}

std::map<std::string, at::Tensor> fresh_foresight_adapter(const qwen::Config& language) {
  std::map<std::string, at::Tensor> all;
  for (const auto& [key, shape] : dinov2::parameter_shapes(foresight_spatial()))
    all["spatial." + key] = fresh(key, shape);
  for (const auto& [key, shape] : foresight::parameter_shapes(foresight_adapter(language)))
    all["adapter." + key] = fresh(key, shape);
  return all;
}

generation::AdapterFiles trained_adapter(const std::filesystem::path& directory, const qwen::Config& language) {
  const tensor::WeightMap all = tensor::load_safetensors(directory / "adapter.safetensors").to(at::kBFloat16);
  const auto part = [&](const char* prefix) {
    tensor::WeightMap own;
    for (const std::string& key : all.under(prefix).keys()) own.set(key, all.under(prefix).at(key).contiguous());
    return own;
  };
  return {.spatial_config = foresight_spatial(),
          .spatial = part("spatial."),
          .config = foresight_adapter(language),
          .adapter = part("adapter."),
          .square = kForesightSquare};
}

}  // namespace rushes::training
