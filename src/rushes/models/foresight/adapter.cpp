#include "rushes/models/foresight/adapter.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "rushes/base/error.h"
#include "rushes/nn/norm.h"
#include "rushes/tensor/ops.h"

namespace rushes::foresight {
namespace {

using tensor::WeightMap;
constexpr double kNormEps = 1e-5;

/// What the parameters of a form are called. An empty second layer or norm: there is none.
struct Names {
  std::string queries, layers, vlm, spatial, head, second, vlm_norm, spatial_norm, positions;
};

Names names_of(AdapterForm form) {
  switch (form) {
    case AdapterForm::query: return {"queries", "layers", "vlm_proj", "dino_proj", "out_proj", "", "", "", ""};
    case AdapterForm::optimized_query:
      return {"queries",     "layers", "vlm_proj.0", "dino_proj.0", "out_proj.0", "out_proj.2", "vlm_proj.1",
              "dino_proj.1", ""};
    case AdapterForm::hybrid_fusion:
      return {"output_queries", "fusion_layers", "vlm_proj", "spatial_proj", "output_proj.0", "output_proj.2", "", "",
              "spatial_pos"};
  }
  fail(ErrorCode::internal, "an adapter of no form");
}

std::string layer_prefix(const Names& names, int64_t layer) { return fmt::format("{}.{}.", names.layers, layer); }

const at::Tensor& matrix(const WeightMap& tensors, const std::string& key) {
  const at::Tensor& tensor = tensors.at(key);
  require(tensor.dim() == 2, ErrorCode::corrupt_data, "'{}' has shape [{}]; an adapter's has two axes", key,
          fmt::join(tensor.sizes(), ", "));
  return tensor;
}

}  // namespace

at::Tensor cut_or_padded(const at::Tensor& features, int64_t tokens) {
  const int64_t missing = tokens - features.size(1);  // negative: cut
  return at::constant_pad_nd(features, {0, 0, 0, missing}, 0);
}

tensor::Shapes parameter_shapes(const AdapterConfig& config) {
  const Names names = names_of(config.form);
  const int64_t C = config.hidden_dim;
  tensor::Shapes shapes{{names.queries, {config.num_queries, C}}};
  const auto linear = [&](const std::string& key, int64_t out, int64_t in) {
    shapes[key + ".weight"] = {out, in};
    shapes[key + ".bias"] = {out};
  };
  linear(names.vlm, C, config.vlm_dim);
  linear(names.spatial, C, config.spatial_dim);
  for (const std::string& norm : {names.vlm_norm, names.spatial_norm})
    if (!norm.empty()) shapes[norm + ".weight"] = shapes[norm + ".bias"] = {C};
  if (!names.positions.empty()) shapes[names.positions] = {config.spatial_positions, C};
  for (int64_t i = 0; i < config.num_layers; ++i)
    DecoderLayer::add_shapes(shapes, layer_prefix(names, i), C, config.mlp_dim);
  linear(names.head, names.second.empty() ? config.output_dim : C, C);
  if (!names.second.empty()) linear(names.second, config.output_dim, C);
  return shapes;
}

bool is_adapter(const WeightMap& tensors) {
  for (const auto& [word, form] : words_of(AdapterForm{})) {
    const Names names = names_of(form);
    if (tensors.contains(names.queries) && tensors.contains(names.vlm + ".weight") &&
        tensors.contains(names.spatial + ".weight"))
      return true;
  }
  return false;
}

AdapterConfig infer_adapter(const WeightMap& tensors) {
  require(is_adapter(tensors), ErrorCode::corrupt_data,
          "these tensors are no adapter: neither QueryAdapter nor OptimizedQueryAdapter nor HybridFusion");
  AdapterConfig config;
  config.form = tensors.contains("output_queries")      ? AdapterForm::hybrid_fusion
                : tensors.contains("vlm_proj.0.weight") ? AdapterForm::optimized_query
                                                        : AdapterForm::query;
  const Names names = names_of(config.form);
  const at::Tensor& vlm = matrix(tensors, names.vlm + ".weight");
  config.hidden_dim = vlm.size(0);
  config.vlm_dim = vlm.size(1);
  config.spatial_dim = matrix(tensors, names.spatial + ".weight").size(1);
  config.num_queries = matrix(tensors, names.queries).size(0);
  config.output_dim = matrix(tensors, (names.second.empty() ? names.head : names.second) + ".weight").size(0);
  config.num_layers = 0;
  while (tensors.contains(layer_prefix(names, config.num_layers) + "norm1.weight")) ++config.num_layers;
  if (config.num_layers > 0) config.mlp_dim = matrix(tensors, layer_prefix(names, 0) + "linear1.weight").size(0);
  if (!names.positions.empty()) config.spatial_positions = matrix(tensors, names.positions).size(0);
  constexpr int64_t kHeadSize = 64, kHybridHeads = 8;
  config.num_heads =
      config.form == AdapterForm::hybrid_fusion ? kHybridHeads : std::max<int64_t>(1, config.hidden_dim / kHeadSize);
  return config;
}

Adapter::Adapter(const AdapterConfig& config, const WeightMap& weights) : config_(config) {
  const Names names = names_of(config.form);
  const int64_t C = config.hidden_dim;
  const auto norm = [&](const std::string& key) {
    return key.empty() ? Norm{} : Norm{weights.at(key + ".weight", {C}), weights.at(key + ".bias", {C})};
  };
  queries_ = weights.at(names.queries, {config.num_queries, C});
  vlm_ = {weights, names.vlm, C, config.vlm_dim};
  spatial_ = {weights, names.spatial, C, config.spatial_dim};
  vlm_norm_ = norm(names.vlm_norm);
  spatial_norm_ = norm(names.spatial_norm);
  if (!names.positions.empty()) spatial_positions_ = weights.at(names.positions, {config.spatial_positions, C});
  for (int64_t i = 0; i < config.num_layers; ++i)
    layers_.emplace_back(weights.under(layer_prefix(names, i)), C, config.num_heads, config.mlp_dim);
  head_ = {weights, names.head, names.second.empty() ? config.output_dim : C, C};
  if (!names.second.empty()) second_ = {weights, names.second, config.output_dim, C};
}

at::Tensor Adapter::projected(const nn::Linear& linear, const Norm& norm, const at::Tensor& features) const {
  const at::Tensor y = linear(features.to(queries_.options()));
  return norm.weight.defined() ? nn::layer_norm(y, norm.weight, norm.bias, kNormEps) : y;
}

at::Tensor Adapter::forward(const at::Tensor& vlm, const at::Tensor& spatial) const {
  require(vlm.dim() == 3 && spatial.dim() == 3 && vlm.size(0) == spatial.size(0) && vlm.size(2) == config_.vlm_dim &&
              spatial.size(2) == config_.spatial_dim,
          ErrorCode::invalid_argument, "adapter: the features must be [B, L, {}] and [B, N, {}], got [{}] and [{}]",
          config_.vlm_dim, config_.spatial_dim, fmt::join(vlm.sizes(), ", "), fmt::join(spatial.sizes(), ", "));
  at::Tensor patches = projected(spatial_, spatial_norm_, spatial);
  if (spatial_positions_.defined()) {
    require(spatial.size(1) <= config_.spatial_positions, ErrorCode::invalid_argument,
            "adapter: {} patches, but positions for {}", spatial.size(1), config_.spatial_positions);
    patches = patches + spatial_positions_.narrow(0, 0, spatial.size(1));
  }
  const at::Tensor context = at::cat({projected(vlm_, vlm_norm_, vlm), patches}, 1);
  at::Tensor q = queries_.unsqueeze(0).expand({vlm.size(0), -1, -1});
  for (const DecoderLayer& layer : layers_) q = layer.forward(q, context);
  const at::Tensor head = head_(q);
  return second_.weight().defined() ? second_(at::gelu(head)) : head;
}

}  // namespace rushes::foresight
