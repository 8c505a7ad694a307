#include "rushes/models/imtalker/self_attention.h"

#include <fmt/format.h>

#include <cmath>

#include "rushes/base/error.h"
#include "rushes/nn/attention.h"
#include "rushes/nn/norm.h"
#include "rushes/tensor/ops.h"

namespace rushes::imtalker {
namespace {

constexpr double kEps = 1e-5;
constexpr float kHidden = -100.0f;  // added to the scores of tokens that are neighbours only because of the roll

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

/// Masks of one row of windows, [side / w, 1, w^2, w^2]. After the roll the last `shift` rows and columns come from the
/// other edge of the map.
at::Tensor row_mask(int64_t side, int64_t w, int64_t shift, bool last_row) {
  const int64_t windows = side / w, first_row = last_row ? side - w : 0;
  const auto region = [&](int64_t at) { return at < side - w ? 0 : at < side - shift ? 1 : 2; };
  at::Tensor mask = at::empty({windows, 1, w * w, w * w}, at::kFloat);
  auto* out = mask.data_ptr<float>();
  for (int64_t window = 0; window < windows; ++window)
    for (int64_t a = 0; a < w * w; ++a)
      for (int64_t b = 0; b < w * w; ++b) {
        const bool same = region(first_row + a / w) == region(first_row + b / w) &&
                          region(window * w + a % w) == region(window * w + b % w);
        *out++ = same ? 0.0f : kHidden;
      }
  return mask;
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
    : side_(side),
      window_(std::min(side, window)),
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
  if (shift_ > 0) {
    mask_ = row_mask(side, window_, shift_, /*last_row=*/false).to(bias_table_.options());
    last_row_mask_ = row_mask(side, window_, shift_, /*last_row=*/true).to(bias_table_.options());
  }
  q_ = nn::Linear(weights, "attn.q", C, C);
  k_ = nn::Linear(weights, "attn.k", C, C);
  v_ = nn::Linear(weights, "attn.v", C, C);
  out_ = nn::Linear(weights, "attn.proj", C, C);
  mlp_in_ = nn::Linear(weights, "mlp.0", -1, C);
  mlp_out_ = nn::Linear(weights, "mlp.2", C, -1);
}

at::Tensor WindowBlock::position_bias() const {
  const int64_t cells = window_ * window_;
  return at::index_select(bias_table_, 0, index_).view({cells, cells, num_heads_}).permute({2, 0, 1}).contiguous();
}

// One row of windows at a time: the scores of all windows would be 128 MB for a map of 256 x 256.
at::Tensor WindowBlock::attention(const at::Tensor& q_map, const at::Tensor& kv_map) const {
  const int64_t B = q_map.size(0), C = q_map.size(3), w = window_, windows = side_ / w, cells = w * w;
  const at::Tensor bias = trainable_ ? position_bias() : bias_;
  const double scale = 1 / std::sqrt(static_cast<double>(C / num_heads_));
  // [B, side, side, C], row r of windows, to [B, windows, N, cells, D]
  const auto row_of = [&](const at::Tensor& map, int64_t r) {
    return map.narrow(1, r * w, w)
        .reshape({B, w, windows, w, num_heads_, -1})
        .permute({0, 2, 4, 1, 3, 5})
        .reshape({B, windows, num_heads_, cells, -1});
  };
  const at::Tensor q = q_(q_map) * scale, k = k_(kv_map), v = v_(kv_map);
  std::vector<at::Tensor> rows;
  for (int64_t r = 0; r < windows; ++r) {
    at::Tensor scores = at::matmul(row_of(q, r), row_of(k, r).transpose(-1, -2)) + bias;
    if (shift_ > 0) scores = scores + (r + 1 == windows ? last_row_mask_ : mask_);
    const at::Tensor y = at::matmul(at::softmax(scores, -1), row_of(v, r));
    rows.push_back(y.view({B, windows, num_heads_, w, w, -1}).permute({0, 3, 1, 4, 2, 5}).reshape({B, w, side_, C}));
  }
  return out_(at::cat(rows, 1));
}

at::Tensor WindowBlock::forward(const at::Tensor& x) const {
  at::Tensor q = apply(norm_q_, x), kv = apply(norm_kv_, x);
  if (shift_ > 0) {
    q = at::roll(q, {-shift_, -shift_}, {1, 2});
    kv = at::roll(kv, {-shift_, -shift_}, {1, 2});
  }
  at::Tensor y = attention(q, kv);
  if (shift_ > 0) y = at::roll(y, {shift_, shift_}, {1, 2});
  y = x + y;
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
  at::Tensor y = x.permute({0, 2, 3, 1}).contiguous();
  for (const TransformerBlock& block : full_) y = block.forward(y.flatten(1, 2)).view(y.sizes());
  for (const WindowBlock& block : windowed_) y = block.forward(y);
  return y.permute({0, 3, 1, 2}).contiguous();
}

}  // namespace rushes::imtalker
