#include "rushes/models/ltx/block.h"

#include "rushes/nn/attention.h"
#include "rushes/nn/norm.h"
#include "rushes/tensor/ops.h"

namespace rushes::ltx {
namespace {

at::Tensor plain_rms(const at::Tensor& x, double eps) {
  const at::Tensor wide = x.to(at::kFloat);
  return (wide * at::rsqrt(at::mean(wide * wide, {-1}, /*keepdim=*/true) + eps)).to(x.scalar_type());
}

}  // namespace

AttentionWeights::AttentionWeights(const TransformerConfig& config, const tensor::WeightMap& weights)
    : q(weights, "to_q", config.dim(), config.dim()),
      k(weights, "to_k", config.dim(), config.dim()),
      v(weights, "to_v", config.dim(), config.dim()),
      out(weights, "to_out.0", config.dim(), config.dim()),
      norm_q(weights.at("norm_q.weight", {config.dim()})),
      norm_k(weights.at("norm_k.weight", {config.dim()})) {}

SelfAttentionWeights::SelfAttentionWeights(const TransformerConfig& config, const tensor::WeightMap& weights)
    : AttentionWeights(config, weights), is_joined(!weights.trainable()) {
  if (!is_joined) return;
  qkv = nn::Linear::fused({q, k, v});
  // Views of the joined weights, so that there is one copy of them.
  const int64_t C = config.dim();
  const auto part = [&](int64_t i) {
    return nn::Linear(qkv.weight().narrow(0, i * C, C), qkv.bias().narrow(0, i * C, C));
  };
  q = part(0);
  k = part(1);
  v = part(2);
}

Block::Block(const TransformerConfig& config, const tensor::WeightMap& weights)
    : heads_(config.num_attention_heads),
      head_size_(config.attention_head_dim),
      eps_(config.norm_eps),
      qk_eps_(config.qk_norm_eps),
      self_(config, weights.under("attn1.")),
      cross_(config, weights.under("attn2.")),
      ff_in_(weights, "ff.net.0.proj", config.ffn_dim(), config.dim()),
      ff_out_(weights, "ff.net.2", config.dim(), config.ffn_dim()),
      table_(weights.at("scale_shift_table", {6, config.dim()})) {}

at::Tensor Block::heads(const at::Tensor& x) const { return x.view({x.size(0), x.size(1), heads_, head_size_}); }

nn::KeyValue Block::text_keys(const at::Tensor& text) const {
  return {heads(nn::rms_norm(cross_.k(text), cross_.norm_k, qk_eps_)), heads(cross_.v(text))};
}

at::Tensor attend_text(const at::Tensor& q, const std::vector<const nn::KeyValue*>& text) {
  std::vector<at::Tensor> seen;
  for (std::size_t b = 0; b < text.size(); ++b)
    seen.push_back(nn::attention(q.narrow(0, static_cast<int64_t>(b), 1), text[b]->k, text[b]->v));
  return seen.size() == 1 ? seen.front() : at::cat(seen, 0);
}

at::Tensor Block::forward(const at::Tensor& x, const at::Tensor& modulation,
                          const std::vector<const nn::KeyValue*>& text, const RopeTable& rope) const {
  const auto m = (table_ + modulation).unbind(2);  // shift1, scale1, gate1, shift2, scale2, gate2, [B, G, C] each
  const at::Tensor a = nn::modulate(plain_rms(x, eps_), m[0], m[1]);
  const auto raw = self_.is_joined ? self_.qkv(a).chunk(3, -1) : std::vector{self_.q(a), self_.k(a), self_.v(a)};
  const at::Tensor q = heads(rotate(nn::rms_norm(raw[0], self_.norm_q, qk_eps_), rope)),
                   k = heads(rotate(nn::rms_norm(raw[1], self_.norm_k, qk_eps_), rope));
  const at::Tensor seen = nn::attention(q, k, heads(raw[2])).reshape(x.sizes());
  at::Tensor y = nn::add_gated(x, self_.out(seen), m[2]);
  // Neither norm nor gate around the attention to the text.
  const at::Tensor cross_q = heads(nn::rms_norm(cross_.q(y), cross_.norm_q, qk_eps_));
  y = y + cross_.out(attend_text(cross_q, text).reshape(x.sizes()));
  const at::Tensor b = nn::modulate(plain_rms(y, eps_), m[3], m[4]);
  return nn::add_gated(y, ff_out_(ff_in_(b, nn::Activation::gelu_tanh)), m[5]);
}

}  // namespace rushes::ltx
