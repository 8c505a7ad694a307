#include "rushes/models/wan/umt5.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "rushes/base/error.h"
#include "rushes/nn/norm.h"
#include "rushes/tensor/ops.h"

namespace rushes::wan {
namespace {

/// [L, L] int64: the bucket of every query (row) and key (column).
at::Tensor bucket_table(int64_t length, const Umt5Config& config, at::Device device) {
  std::vector<int64_t> of_distance(static_cast<size_t>(2 * length - 1));
  for (int64_t i = 0; i < 2 * length - 1; ++i)
    of_distance[static_cast<size_t>(i)] =
        relative_position_bucket(i - (length - 1), config.num_buckets, config.max_distance);
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

/// In float16 the residual stream of the large model overflows; an infinity would turn into NaN in the next norm.
at::Tensor finite(const at::Tensor& x) {
  constexpr double kHalfLimit = 65504.0 - 1000.0;
  return x.scalar_type() == at::kHalf ? at::clamp(x, -kHalfLimit, kHalfLimit) : x;
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

Umt5Encoder::Umt5Encoder(const Umt5Config& config, const tensor::WeightMap& weights) : config_(config) {
  const int64_t C = config.dim, A = config.dim_attn, N = config.num_heads;
  require(N > 0 && A % N == 0, ErrorCode::invalid_argument,
          "UMT5: dim_attn must be a multiple of num_heads (got {} and {})", A, N);
  require(config.num_buckets >= 4 && config.num_buckets % 4 == 0 && config.max_distance > config.num_buckets / 4,
          ErrorCode::invalid_argument,
          "UMT5: num_buckets must be a multiple of 4 and max_distance more than a quarter of it (got {} and {})",
          config.num_buckets, config.max_distance);
  embedding_ = weights.at("token_embedding.weight", {config.vocab, C});
  norm_ = weights.at("norm.weight", {C});
  for (int64_t i = 0; i < config.num_layers; ++i) {
    const auto block = weights.under(fmt::format("blocks.{}.", i));
    layers_.push_back({.norm1 = block.at("norm1.weight", {C}),
                       .q = block.at("attn.q.weight", {A, C}),
                       .k = block.at("attn.k.weight", {A, C}),
                       .v = block.at("attn.v.weight", {A, C}),
                       .o = block.at("attn.o.weight", {C, A}),
                       .norm2 = block.at("norm2.weight", {C}),
                       .gate = block.at("ffn.gate.0.weight", {config.dim_ffn, C}),
                       .fc1 = block.at("ffn.fc1.weight", {config.dim_ffn, C}),
                       .fc2 = block.at("ffn.fc2.weight", {C, config.dim_ffn}),
                       .positions = block.at("pos_embedding.embedding.weight", {config.num_buckets, N})});
  }
}

at::Tensor Umt5Encoder::attention(const Layer& layer, const at::Tensor& x, const at::Tensor& buckets,
                                  const at::Tensor& hidden_keys) const {
  const int64_t B = x.size(0), L = x.size(1), N = config_.num_heads;
  const auto heads = [&](const at::Tensor& y) { return y.view({B, L, N, -1}).transpose(1, 2); };
  const at::Tensor q = heads(at::linear(x, layer.q)), k = heads(at::linear(x, layer.k));
  const at::Tensor bias = at::embedding(layer.positions, buckets).permute({2, 0, 1});  // [N, L, L]
  // Set, not added: a bias of any size must not let a hidden key through.
  const at::Tensor scores =
      (at::matmul(q, k.transpose(-2, -1)) + bias).masked_fill(hidden_keys, lowest(x.scalar_type()));
  const at::Tensor weights = at::softmax(scores, -1, at::kFloat).to(x.scalar_type());
  const at::Tensor y = at::matmul(weights, heads(at::linear(x, layer.v)));
  return at::linear(y.transpose(1, 2).reshape({B, L, -1}), layer.o);
}

at::Tensor Umt5Encoder::forward(const at::Tensor& ids, const at::Tensor& mask) const {
  require(ids.dim() == 2 && ids.scalar_type() == at::kLong && ids.size(1) > 0 && mask.sizes() == ids.sizes(),
          ErrorCode::invalid_argument, "UMT5: ids and mask must be [B, L], ids int64 (got {} axes and {})", ids.dim(),
          mask.dim());
  require(ids.ge(0).logical_and(ids.lt(config_.vocab)).all().item<bool>(), ErrorCode::invalid_argument,
          "UMT5: a token id is outside 0..{}; does the tokenizer belong to this text encoder?", config_.vocab - 1);
  const at::Tensor buckets = bucket_table(ids.size(1), config_, device());
  const at::Tensor hidden_keys = mask.to(device()).eq(0).view({ids.size(0), 1, 1, ids.size(1)});

  at::Tensor x = at::embedding(embedding_, ids.to(device()));
  for (const Layer& layer : layers_) {
    x = finite(x + attention(layer, nn::rms_norm(x, layer.norm1, config_.eps), buckets, hidden_keys));
    const at::Tensor y = nn::rms_norm(x, layer.norm2, config_.eps);
    const at::Tensor gated = at::linear(y, layer.fc1) * at::gelu(at::linear(y, layer.gate), "tanh");
    x = finite(x + at::linear(gated, layer.fc2));
  }
  return nn::rms_norm(x, norm_, config_.eps);
}

at::Tensor Umt5Encoder::encode(const at::Tensor& ids, const at::Tensor& mask) const {
  require(ids.dim() == 2 && ids.size(1) > 0 && mask.sizes() == ids.sizes(), ErrorCode::invalid_argument,
          "UMT5: ids and mask must be [B, L] (got {} axes and {})", ids.dim(), mask.dim());
  // Hidden keys have a weight of exactly 0, so the real rows do not depend on how much padding follows.
  const int64_t length = std::max<int64_t>(mask.ne(0).sum(1).max().item<int64_t>(), 1);
  const at::Tensor used = mask.narrow(1, 0, length);
  const at::Tensor x = forward(ids.narrow(1, 0, length), used);
  const at::Tensor zeroed = x.masked_fill(used.to(x.device()).eq(0).unsqueeze(-1), 0.0);
  return at::constant_pad_nd(zeroed, {0, 0, 0, ids.size(1) - length});
}

}  // namespace rushes::wan
