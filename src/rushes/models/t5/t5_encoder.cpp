#include "rushes/models/t5/t5_encoder.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "rushes/base/error.h"
#include "rushes/base/interruption.h"
#include "rushes/nn/norm.h"
#include "rushes/tensor/ops.h"

namespace rushes::t5 {
namespace {

/// [L, L] int64: the bucket of every query (row) and key (column).
at::Tensor bucket_table(int64_t length, const Config& config, at::Device device) {
  std::vector<int64_t> of_distance(static_cast<size_t>(2 * length - 1));
  for (int64_t i = 0; i < 2 * length - 1; ++i)
    of_distance[static_cast<size_t>(i)] = relative_position_bucket(
        i - (length - 1), config.relative_attention_num_buckets, config.relative_attention_max_distance);
  at::Tensor table = at::empty({length, length}, at::kLong);
  auto* out = table.data_ptr<int64_t>();
  for (int64_t query = 0; query < length; ++query)
    for (int64_t key = 0; key < length; ++key) *out++ = of_distance[static_cast<size_t>(key - query + length - 1)];
  return table.to(device);
}

double lowest(at::ScalarType type) {
  switch (type) {
    case at::kDouble: return std::numeric_limits<double>::lowest();
    case at::kHalf: return static_cast<double>(std::numeric_limits<c10::Half>::lowest());
    case at::kBFloat16: return static_cast<double>(std::numeric_limits<c10::BFloat16>::lowest());
    default: return std::numeric_limits<float>::lowest();
  }
}

/// In float16 the residual stream of the large models overflows; an infinity would turn into NaN in the next norm.
at::Tensor finite(const at::Tensor& x) {
  constexpr double kHalfLimit = 65504.0 - 1000.0;
  return x.scalar_type() == at::kHalf ? at::clamp(x, -kHalfLimit, kHalfLimit) : x;
}

void check(const Config& config) {
  const int64_t buckets = config.relative_attention_num_buckets;
  require(config.vocab_size > 0 && config.d_model > 0 && config.d_kv > 0 && config.num_heads > 0 && config.d_ff > 0 &&
              config.num_layers > 0,
          ErrorCode::invalid_argument, "T5: all dimensions must be at least 1");
  require(buckets >= 4 && buckets % 4 == 0 && config.relative_attention_max_distance > buckets / 4,
          ErrorCode::invalid_argument,
          "T5: the number of buckets of relative positions must be a multiple of 4 and the largest distance more than "
          "a quarter of it (got {} and {})",
          buckets, config.relative_attention_max_distance);
}

std::string layer_prefix(int64_t layer) { return fmt::format("encoder.block.{}.layer.", layer); }
constexpr const char* kPositions = "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight";

EncoderWeights published(const Config& config, const tensor::WeightMap& weights) {
  const int64_t C = config.d_model, A = config.attention_width();
  EncoderWeights taken{.embedding = weights.at("shared.weight", {config.vocab_size, C}),
                       .layers = {},
                       .norm = weights.at("encoder.final_layer_norm.weight", {C})};
  const at::Tensor& positions = weights.at(kPositions, {config.relative_attention_num_buckets, config.num_heads});
  for (int64_t i = 0; i < config.num_layers; ++i) {
    const auto layer = weights.under(layer_prefix(i));
    taken.layers.push_back({.norm1 = layer.at("0.layer_norm.weight", {C}),
                            .q = layer.at("0.SelfAttention.q.weight", {A, C}),
                            .k = layer.at("0.SelfAttention.k.weight", {A, C}),
                            .v = layer.at("0.SelfAttention.v.weight", {A, C}),
                            .o = layer.at("0.SelfAttention.o.weight", {C, A}),
                            .norm2 = layer.at("1.layer_norm.weight", {C}),
                            .gate = layer.at("1.DenseReluDense.wi_0.weight", {config.d_ff, C}),
                            .up = layer.at("1.DenseReluDense.wi_1.weight", {config.d_ff, C}),
                            .down = layer.at("1.DenseReluDense.wo.weight", {C, config.d_ff}),
                            .positions = positions});
  }
  return taken;
}

}  // namespace

int64_t relative_position_bucket(int64_t relative, int64_t num_buckets, int64_t max_distance) {
  const int64_t half = num_buckets / 2, exact = half / 2;
  const int64_t ahead = relative > 0 ? half : 0, distance = std::abs(relative);
  if (distance < exact) return ahead + distance;
  const float octave = std::log(static_cast<float>(distance) / static_cast<float>(exact)) /
                       static_cast<float>(std::log(static_cast<double>(max_distance) / static_cast<double>(exact)));
  const auto grown = exact + static_cast<int64_t>(octave * static_cast<float>(half - exact));
  return ahead + std::min(grown, half - 1);
}

tensor::Shapes parameter_shapes(const Config& config) {
  const int64_t C = config.d_model, A = config.attention_width();
  tensor::Shapes shapes{{"shared.weight", {config.vocab_size, C}},
                        {"encoder.final_layer_norm.weight", {C}},
                        {kPositions, {config.relative_attention_num_buckets, config.num_heads}}};
  for (int64_t i = 0; i < config.num_layers; ++i) {
    const std::string layer = layer_prefix(i);
    for (const char* name : {"q", "k", "v"}) shapes[layer + "0.SelfAttention." + name + ".weight"] = {A, C};
    shapes[layer + "0.SelfAttention.o.weight"] = {C, A};
    for (const char* name : {"wi_0", "wi_1"}) shapes[layer + "1.DenseReluDense." + name + ".weight"] = {config.d_ff, C};
    shapes[layer + "1.DenseReluDense.wo.weight"] = {C, config.d_ff};
    for (const char* name : {"0.layer_norm", "1.layer_norm"}) shapes[layer + name + ".weight"] = {C};
  }
  return shapes;
}

Encoder::Encoder(const Config& config, const tensor::WeightMap& weights)
    : config_((check(config), config)), weights_(published(config, weights)) {}

Encoder::Encoder(const Config& config, EncoderWeights weights)
    : config_((check(config), config)), weights_(std::move(weights)) {
  RUSHES_ASSERT(static_cast<int64_t>(weights_.layers.size()) == config_.num_layers);
}

at::Tensor Encoder::attention(const EncoderWeights::Layer& layer, const at::Tensor& x, const at::Tensor& bias,
                              const at::Tensor& hidden_keys) const {
  const int64_t B = x.size(0), L = x.size(1), N = config_.num_heads;
  const auto heads = [&](const at::Tensor& y) { return y.view({B, L, N, -1}).transpose(1, 2); };
  const at::Tensor q = heads(at::linear(x, layer.q)), k = heads(at::linear(x, layer.k));
  at::Tensor scores = at::matmul(q, k.transpose(-2, -1)) + bias;
  // Set, not added: a bias of any size must not let a hidden key through.
  if (hidden_keys.defined()) scores = scores.masked_fill(hidden_keys, lowest(x.scalar_type()));
  const at::Tensor weights = at::softmax(scores, -1, at::kFloat).to(x.scalar_type());
  const at::Tensor y = at::matmul(weights, heads(at::linear(x, layer.v)));
  return at::linear(y.transpose(1, 2).reshape({B, L, -1}), layer.o);
}

at::Tensor Encoder::forward(const at::Tensor& ids, const at::Tensor& mask) const {
  require(ids.dim() == 2 && ids.scalar_type() == at::kLong && ids.size(1) > 0 &&
              (!mask.defined() || mask.sizes() == ids.sizes()),
          ErrorCode::invalid_argument, "T5: ids and mask must be [B, L], ids int64 (got {} axes and {})", ids.dim(),
          mask.defined() ? mask.dim() : 2);
  require(ids.ge(0).logical_and(ids.lt(config_.vocab_size)).all().item<bool>(), ErrorCode::invalid_argument,
          "T5: a token id is outside 0..{}; does the tokenizer belong to this text encoder?", config_.vocab_size - 1);
  const double eps = config_.layer_norm_epsilon;
  const at::Tensor buckets = bucket_table(ids.size(1), config_, device());
  at::Tensor hidden_keys;
  if (mask.defined()) hidden_keys = mask.to(device()).eq(0).view({ids.size(0), 1, 1, ids.size(1)});

  at::Tensor x = at::embedding(weights_.embedding, ids.to(device()));
  at::Tensor bias, bias_of;  // [N, L, L], and the table that it is of
  for (const EncoderWeights::Layer& layer : weights_.layers) {
    base::interruption_point();
    if (!bias_of.is_same(layer.positions)) {
      bias_of = layer.positions;
      bias = at::embedding(bias_of, buckets).permute({2, 0, 1});
    }
    x = finite(x + attention(layer, nn::rms_norm(x, layer.norm1, eps), bias, hidden_keys));
    const at::Tensor y = nn::rms_norm(x, layer.norm2, eps);
    const at::Tensor gated = at::linear(y, layer.up) * at::gelu(at::linear(y, layer.gate), "tanh");
    x = finite(x + at::linear(gated, layer.down));
  }
  return nn::rms_norm(x, weights_.norm, eps);
}

}  // namespace rushes::t5
