#include "rushes/models/wan/block.h"

#include "rushes/nn/attention.h"
#include "rushes/nn/norm.h"
#include "rushes/nn/rope.h"
#include "rushes/tensor/ops.h"

namespace rushes::wan {

Block::Block(const TransformerConfig& config, const tensor::WeightMap& weights)
    : heads_(config.num_heads),
      head_size_(config.head_size()),
      eps_(config.eps),
      modulation_(weights.at("modulation", {1, 6, config.dim})) {
  const int64_t C = config.dim;
  const auto own = weights.under("self_attn."), cross = weights.under("cross_attn.");
  q_ = nn::Linear(own, "q", C, C);
  k_ = nn::Linear(own, "k", C, C);
  v_ = nn::Linear(own, "v", C, C);
  o_ = nn::Linear(own, "o", C, C);
  norm_q_ = own.at("norm_q.weight", {C});
  norm_k_ = own.at("norm_k.weight", {C});
  norm3_w_ = weights.at("norm3.weight", {C});
  norm3_b_ = weights.at("norm3.bias", {C});
  cross_q_ = nn::Linear(cross, "q", C, C);
  cross_k_ = nn::Linear(cross, "k", C, C);
  cross_v_ = nn::Linear(cross, "v", C, C);
  cross_o_ = nn::Linear(cross, "o", C, C);
  cross_norm_q_ = cross.at("norm_q.weight", {C});
  cross_norm_k_ = cross.at("norm_k.weight", {C});
  if (config.model_type == ModelType::i2v) {
    cross_k_img_ = nn::Linear(cross, "k_img", C, C);
    cross_v_img_ = nn::Linear(cross, "v_img", C, C);
    cross_norm_k_img_ = cross.at("norm_k_img.weight", {C});
  }
  ffn_in_ = nn::Linear(weights, "ffn.0", config.ffn_dim, C);
  ffn_out_ = nn::Linear(weights, "ffn.2", C, config.ffn_dim);
}

at::Tensor Block::heads(const at::Tensor& x) const { return x.view({x.size(0), x.size(1), heads_, head_size_}); }

nn::KeyValue Block::cross_text(const at::Tensor& text) const {
  return {heads(nn::rms_norm(cross_k_(text), cross_norm_k_, eps_)), heads(cross_v_(text))};
}

nn::KeyValue Block::cross_image(const at::Tensor& image) const {
  return {heads(nn::rms_norm(cross_k_img_(image), cross_norm_k_img_, eps_)), heads(cross_v_img_(image))};
}

at::Tensor Block::self_attention(const at::Tensor& x, const at::Tensor& rope, const SelfAttend& attend) const {
  const at::Tensor q = nn::rotate(heads(nn::rms_norm(q_(x), norm_q_, eps_)), rope);
  const at::Tensor k = nn::rotate(heads(nn::rms_norm(k_(x), norm_k_, eps_)), rope);
  return o_(attend(q, k, heads(v_(x))).reshape(x.sizes()));
}

at::Tensor Block::cross_attention(const at::Tensor& x, const nn::KeyValue& text, const nn::KeyValue* image) const {
  const at::Tensor q = heads(nn::rms_norm(cross_q_(x), cross_norm_q_, eps_));
  at::Tensor seen = nn::attention(q, text.k, text.v);
  if (image != nullptr) seen = seen + nn::attention(q, image->k, image->v);
  return cross_o_(seen.reshape(x.sizes()));
}

at::Tensor Block::forward(const at::Tensor& x, const at::Tensor& e0, const nn::KeyValue& text,
                          const nn::KeyValue* image, const at::Tensor& rope, const SelfAttend& attend) const {
  const auto m = (modulation_.unsqueeze(1) + e0).unbind(2);  // shift, scale, gate of attention; then of the MLP
  const at::Tensor none;
  const at::Tensor a = nn::modulate(nn::layer_norm(x, none, none, eps_), m[0], m[1]);
  at::Tensor y = nn::add_gated(x, self_attention(a, rope, attend), m[2]);
  y = y + cross_attention(nn::layer_norm(y, norm3_w_, norm3_b_, eps_), text, image);
  const at::Tensor b = nn::modulate(nn::layer_norm(y, none, none, eps_), m[3], m[4]);
  return nn::add_gated(y, ffn_out_(ffn_in_(b, nn::Activation::gelu_tanh)), m[5]);
}

}  // namespace rushes::wan
