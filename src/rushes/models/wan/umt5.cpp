#include "rushes/models/wan/umt5.h"

#include <fmt/format.h>

#include <utility>

#include "rushes/base/error.h"
#include "rushes/tensor/ops.h"

namespace rushes::wan {
namespace {

t5::Config t5_config(const Umt5Config& config) {
  require(config.num_heads > 0 && config.dim_attn % config.num_heads == 0, ErrorCode::invalid_argument,
          "UMT5: dim_attn must be a multiple of num_heads (got {} and {})", config.dim_attn, config.num_heads);
  return {.vocab_size = config.vocab,
          .d_model = config.dim,
          .d_kv = config.dim_attn / config.num_heads,
          .num_heads = config.num_heads,
          .d_ff = config.dim_ffn,
          .num_layers = config.num_layers,
          .relative_attention_num_buckets = config.num_buckets,
          .relative_attention_max_distance = config.max_distance,
          .layer_norm_epsilon = config.eps};
}

t5::EncoderWeights t5_weights(const Umt5Config& config, const tensor::WeightMap& weights) {
  const int64_t C = config.dim, A = config.dim_attn;
  t5::EncoderWeights taken{.embedding = weights.at("token_embedding.weight", {config.vocab, C}),
                           .layers = {},
                           .norm = weights.at("norm.weight", {C})};
  for (int64_t i = 0; i < config.num_layers; ++i) {
    const auto block = weights.under(fmt::format("blocks.{}.", i));
    taken.layers.push_back(
        {.norm1 = block.at("norm1.weight", {C}),
         .q = block.at("attn.q.weight", {A, C}),
         .k = block.at("attn.k.weight", {A, C}),
         .v = block.at("attn.v.weight", {A, C}),
         .o = block.at("attn.o.weight", {C, A}),
         .norm2 = block.at("norm2.weight", {C}),
         .gate = block.at("ffn.gate.0.weight", {config.dim_ffn, C}),
         .up = block.at("ffn.fc1.weight", {config.dim_ffn, C}),
         .down = block.at("ffn.fc2.weight", {C, config.dim_ffn}),
         .positions = block.at("pos_embedding.embedding.weight", {config.num_buckets, config.num_heads})});
  }
  return taken;
}

}  // namespace

Umt5Encoder::Umt5Encoder(const Umt5Config& config, const tensor::WeightMap& weights)
    : config_(config), encoder_(t5_config(config), t5_weights(config, weights)) {}

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
