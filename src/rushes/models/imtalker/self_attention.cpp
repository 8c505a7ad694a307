#include "rushes/models/imtalker/self_attention.h"

#include <fmt/format.h>

#include "rushes/base/error.h"
#include "rushes/nn/attention.h"
#include "rushes/nn/norm.h"
#include "rushes/nn/window_attention.h"
#include "rushes/tensor/ops.h"

namespace rushes::imtalker {
namespace {

constexpr double kEps = 1e-5;

void take_norm(at::Tensor (&norm)[2], const tensor::WeightMap& weights, const std::string& key) {
  norm[0] = weights.at(key + ".weight", {-1});
  norm[1] = weights.at(key + ".bias", {norm[0].size(0)});
}

at::Tensor apply(const at::Tensor (&norm)[2], const at::Tensor& x) { return nn::layer_norm(x, norm[0], norm[1], kEps); }

void check_heads(int64_t C, int64_t num_heads) {
  require(num_heads > 0 && C % num_heads == 0, ErrorCode::invalid_argument,
          "self-attention: num_heads must divide the width {} (got {})", C, num_heads);
}

/// [w^2, w^2] rows of the bias table: one for every difference of two cells of a window.
at::Tensor relative_index(int64_t w) {
  at::Tensor index = at::empty({w * w, w * w}, at::kLong);
  auto* out = index.data_ptr<int64_t>();
  for (int64_t a = 0; a < w * w; ++a)
    for (int64_t b = 0; b < w * w; ++b) *out++ = (a / w - b / w + w - 1) * (2 * w - 1) + a % w - b % w + w - 1;
  return index;
}

}  // namespace

TransformerBlock::TransformerBlock(const tensor::WeightMap& weights, int64_t num_heads) : num_heads_(num_heads) {
  q_position_ = weights.at("q_pos_embedding", {1, -1, -1});
  const int64_t L = q_position_.size(1), C = q_position_.size(2);
  check_heads(C, num_heads);
  k_position_ = weights.at("k_pos_embedding", {1, L, C});
  take_norm(norm_q_, weights, "norm_q");
  take_norm(norm_kv_, weights, "norm_kv");
  take_norm(norm_ffn_, weights, "norm_ffn");
  q_ = nn::Linear(weights, "attn.q_proj", C, C);
  k_ = nn::Linear(weights, "attn.k_proj", C, C);
  v_ = nn::Linear(weights, "attn.v_proj", C, C);
  out_ = nn::Linear(weights, "attn.proj", C, C);
  mlp_in_ = nn::Linear(weights, "mlp.0", -1, C);
  mlp_out_ = nn::Linear(weights, "mlp.3", C, -1);
}

at::Tensor TransformerBlock::forward(const at::Tensor& x) const {
  const auto heads = [&](const at::Tensor& y) { return y.view({x.size(0), x.size(1), num_heads_, -1}); };
  const at::Tensor q = heads(q_(apply(norm_q_, x + q_position_)));
  const at::Tensor k = heads(k_(apply(norm_kv_, x + k_position_)));
  const at::Tensor v = heads(v_(apply(norm_kv_, x)));  // the same norm, without the position
  const at::Tensor y = x + out_(nn::attention(q, k, v).reshape(x.sizes()));
  return y + mlp_out_(at::gelu(mlp_in_(apply(norm_ffn_, y))));
}

WindowBlock::WindowBlock(const tensor::WeightMap& weights, int64_t side, int64_t window, bool shifted,
                         int64_t num_heads)
    : window_(std::min(side, window)),
      shift_(shifted && side > window ? window / 2 : 0),
      num_heads_(num_heads),
      trainable_(weights.trainable()) {
  require(window_ > 0 && side % window_ == 0, ErrorCode::invalid_argument,
          "windows of {} cells do not tile a map of side {}", window_, side);
  take_norm(norm_q_, weights, "norm_q");
  take_norm(norm_kv_, weights, "norm_kv");
  take_norm(norm_ffn_, weights, "norm_ffn");
  const int64_t C = norm_q_[0].size(0), span = 2 * window_ - 1;
  check_heads(C, num_heads);
  bias_table_ = weights.at("attn.relative_position_bias_table", {span * span, num_heads});
  index_ = relative_index(window_).flatten().to(bias_table_.device());
  if (!trainable_) bias_ = position_bias();
  q_ = nn::Linear(weights, "attn.q", C, C);
  k_ = nn::Linear(weights, "attn.k", C, C);
  v_ = nn::Linear(weights, "attn.v", C, C);
  out_ = nn::Linear(weights, "attn.proj", C, C);
  mlp_in_ = nn::Linear(weights, "mlp.0", -1, C);
  mlp_out_ = nn::Linear(weights, "mlp.2", C, -1);
}

at::Tensor WindowBlock::position_bias() const {
  const int64_t cells = window_ * window_;
  return at::index_select(bias_table_, 0, index_)
      .view({cells, cells, num_heads_})
      .permute({2, 0, 1})
      .to(at::kFloat)
      .contiguous();
}

at::Tensor WindowBlock::forward(const at::Tensor& x) const {
  const at::Tensor kv = apply(norm_kv_, x);
  const at::Tensor attended = nn::window_attention(q_(apply(norm_q_, x)), k_(kv), v_(kv),
                                                   trainable_ ? position_bias() : bias_, {window_, shift_});
  const at::Tensor y = x + out_(attended);
  return y + mlp_out_(at::gelu(mlp_in_(apply(norm_ffn_, y))));
}

SelfAttention::SelfAttention(const RendererConfig& config, const tensor::WeightMap& weights, int64_t side) {
  if (side < config.swin_res_threshold) {
    full_.emplace_back(weights.under("blocks.0."), config.num_heads);
    return;
  }
  for (const bool shifted : {false, true})
    windowed_.emplace_back(weights.under(fmt::format("blocks.{}.", shifted ? 1 : 0)), side, config.window_size, shifted,
                           config.num_heads);
}

at::Tensor SelfAttention::forward(const at::Tensor& x) const {
  at::Tensor y = x.permute({0, 2, 3, 1}).contiguous();  // as it is where the convolution before left channels last
  for (const TransformerBlock& block : full_) y = block.forward(y.flatten(1, 2)).view(y.sizes());
  for (const WindowBlock& block : windowed_) y = block.forward(y);
  return y.permute({0, 3, 1, 2});
}

}  // namespace rushes::imtalker
