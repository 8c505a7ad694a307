#include "rushes/models/foresight/streaming_predictor.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "rushes/base/error.h"
#include "rushes/tensor/ops.h"

namespace rushes::foresight {
namespace {

std::string layer_prefix(int64_t layer) { return fmt::format("cross_attention_layers.{}.", layer); }

const at::Tensor& with_axes(const tensor::WeightMap& tensors, const char* key, int64_t axes) {
  const at::Tensor& tensor = tensors.at(key);
  require(tensor.dim() == axes, ErrorCode::corrupt_data, "'{}' has shape [{}]; a predictor's has {} axes", key,
          fmt::join(tensor.sizes(), ", "), axes);
  return tensor;
}

}  // namespace

tensor::Shapes parameter_shapes(const PredictorConfig& config) {
  const int64_t C = config.hidden_dim;
  tensor::Shapes shapes{{"temporal_pos_encoding", {1, config.context_window, C}},
                        {"query_tokens", {config.num_queries, C}}};
  const auto linear = [&](const char* key, int64_t out, int64_t in) {
    shapes[std::string(key) + ".weight"] = {out, in};
    shapes[std::string(key) + ".bias"] = {out};
  };
  linear("input_proj", C, config.vlm_dim);
  linear("temporal_aggregator.0", config.aggregator_dim, config.num_queries * C);
  linear("temporal_aggregator.3", C, config.aggregator_dim);
  linear("output_proj.0", config.output_dim, C);
  linear("output_proj.2", config.vlm_dim, config.output_dim);
  for (int64_t i = 0; i < config.num_layers; ++i) DecoderLayer::add_shapes(shapes, layer_prefix(i), C, config.mlp_dim);
  return shapes;
}

PredictorConfig infer_predictor(const tensor::WeightMap& tensors) {
  PredictorConfig config;
  config.context_window = with_axes(tensors, "temporal_pos_encoding", 3).size(1);
  config.hidden_dim = with_axes(tensors, "input_proj.weight", 2).size(0);
  config.vlm_dim = with_axes(tensors, "input_proj.weight", 2).size(1);
  config.num_queries = with_axes(tensors, "query_tokens", 2).size(0);
  config.aggregator_dim = with_axes(tensors, "temporal_aggregator.0.weight", 2).size(0);
  config.output_dim = with_axes(tensors, "output_proj.0.weight", 2).size(0);
  config.num_layers = 0;
  while (tensors.contains(layer_prefix(config.num_layers) + "norm1.weight")) ++config.num_layers;
  if (config.num_layers > 0)
    config.mlp_dim = with_axes(tensors, (layer_prefix(0) + "linear1.weight").c_str(), 2).size(0);
  return config;
}

StreamingPredictor::StreamingPredictor(const PredictorConfig& config, const tensor::WeightMap& weights)
    : config_(config) {
  const int64_t C = config.hidden_dim;
  positions_ = weights.at("temporal_pos_encoding", {1, config.context_window, C});
  queries_ = weights.at("query_tokens", {config.num_queries, C});
  input_ = {weights, "input_proj", C, config.vlm_dim};
  aggregate1_ = {weights, "temporal_aggregator.0", config.aggregator_dim, config.num_queries * C};
  aggregate2_ = {weights, "temporal_aggregator.3", C, config.aggregator_dim};
  output1_ = {weights, "output_proj.0", config.output_dim, C};
  output2_ = {weights, "output_proj.2", config.vlm_dim, config.output_dim};
  for (int64_t i = 0; i < config.num_layers; ++i)
    layers_.emplace_back(weights.under(layer_prefix(i)), C, config.num_heads, config.mlp_dim);
}

at::Tensor StreamingPredictor::window(const at::Tensor& context) const {
  require(context.dim() == 3 && context.size(1) > 0 && context.size(2) == config_.vlm_dim, ErrorCode::invalid_argument,
          "predictor: the context must be [B, T, {}], got [{}]", config_.vlm_dim, fmt::join(context.sizes(), ", "));
  // A negative pad cuts the oldest. Zeros stand before positions are added, so they become positions alone.
  const at::Tensor padded =
      at::constant_pad_nd(input_(context), {0, 0, config_.context_window - context.size(1), 0}, 0);
  return padded + positions_;
}

at::Tensor StreamingPredictor::predict(const at::Tensor& context, int64_t steps,
                                       const std::optional<ContextSwitch>& change) const {
  const int64_t W = config_.context_window;
  at::Tensor past = window(context);
  std::vector<at::Tensor> predicted;
  for (int64_t step = 0; step < steps; ++step) {
    if (change && change->step == step) past = window(change->context);
    at::Tensor q = queries_.unsqueeze(0).expand({context.size(0), -1, -1});
    for (const DecoderLayer& layer : layers_) q = layer.forward(q, past);
    const at::Tensor hidden = aggregate2_(at::gelu(aggregate1_(q.reshape({context.size(0), 1, -1}))));
    predicted.push_back(output2_(at::gelu(output1_(hidden))));
    // Older rows keep the positions that they got.
    past = at::cat({past.narrow(1, 1, W - 1), input_(predicted.back()) + positions_.narrow(1, W - 1, 1)}, 1);
  }
  require(!predicted.empty(), ErrorCode::invalid_argument, "predictor: at least one step must be asked for");
  return at::cat(predicted, 1);
}

}  // namespace rushes::foresight
