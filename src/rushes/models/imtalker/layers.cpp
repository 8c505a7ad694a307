#include "rushes/models/imtalker/layers.h"

#include <fmt/format.h>

#include <cmath>

#include "rushes/base/error.h"
#include "rushes/tensor/ops.h"

namespace rushes::imtalker {
namespace {

constexpr double kConvSlope = 0.01;  // of the blocks with batch normalisation; all others have 0.2
constexpr double kEqualSlope = 0.2;

/// A square kernel that keeps the sides.
at::Tensor same_conv(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias = {}) {
  return at::conv2d(x, weight, bias, 1, weight.size(-1) / 2);
}

}  // namespace

ScaledWeight::ScaledWeight(const at::Tensor& weight, double scale, bool trainable)
    : weight_(trainable ? weight : weight * scale), scale_(trainable ? scale : 1.0) {}

at::Tensor ScaledWeight::operator()() const { return scale_ == 1.0 ? weight_ : weight_ * scale_; }

EqualLinear::EqualLinear(const tensor::WeightMap& weights) {
  const at::Tensor& weight = weights.at("weight", {-1, -1});
  weight_ = ScaledWeight(weight, 1 / std::sqrt(static_cast<double>(weight.size(1))), weights.trainable());
  bias_ = weights.at("bias", {weight.size(0)});
}

at::Tensor EqualLinear::operator()(const at::Tensor& x) const { return at::linear(x, weight_(), bias_); }

EqualMlp::EqualMlp(const tensor::WeightMap& weights) : final_(weights.under("final_linear.")) {
  for (int64_t i = 0; weights.contains(fmt::format("linear_layers.{}.weight", i)); ++i)
    hidden_.emplace_back(weights.under(fmt::format("linear_layers.{}.", i)));
}

at::Tensor EqualMlp::operator()(at::Tensor x) const {
  for (const EqualLinear& layer : hidden_) x = at::leaky_relu(layer(x), kEqualSlope);
  return final_(x);
}

ScaledWeight equal_conv_weight(const tensor::WeightMap& weights, const std::string& key) {
  const at::Tensor& weight = weights.at(key, {-1, -1, -1, -1});
  const auto fan_in = static_cast<double>(weight.size(1) * weight.size(2) * weight.size(3));
  return {weight, 1 / std::sqrt(fan_in), weights.trainable()};
}

at::Tensor blur(const at::Tensor& x, int64_t pad, double gain) {
  const int64_t C = x.size(1);
  const at::Tensor taps = at::tensor({1.0, 3.0, 3.0, 1.0}, at::TensorOptions(at::kDouble));
  const at::Tensor filter = (at::outer(taps, taps) * (gain / 64)).to(x.options());
  return at::conv2d(x, filter.expand({C, 1, 4, 4}), {}, 1, pad, 1, C);
}

at::Tensor scaled_leaky_relu(const at::Tensor& x) { return at::leaky_relu(x, kEqualSlope) * std::sqrt(2.0); }

ConvLayer::ConvLayer(const tensor::WeightMap& weights, bool down)
    : down_(down),
      weight_(equal_conv_weight(weights, down ? "1.weight" : "0.weight")),
      bias_(weights.at(down ? "2.bias" : "1.bias", {1, -1, 1, 1}).view({-1})) {}

at::Tensor ConvLayer::operator()(const at::Tensor& x) const {
  if (down_) return scaled_leaky_relu(at::conv2d(blur(x, 2), weight_(), bias_, 2));
  return scaled_leaky_relu(same_conv(x, weight_(), bias_));
}

DownResBlock::DownResBlock(const tensor::WeightMap& weights)
    : conv1_(weights.under("conv1."), false),
      conv2_(weights.under("conv2."), true),
      skip_(weights.under("skip."), true) {}

at::Tensor DownResBlock::operator()(const at::Tensor& x) const { return conv2_(conv1_(x)) + skip_(x); }

StyledConv::StyledConv(const tensor::WeightMap& weights, bool up)
    : up_(up),
      trainable_(weights.trainable()),
      modulation_(weights.under("conv.modulation.")),
      bias_(weights.at("activate.bias", {1, -1, 1, 1})) {
  at::Tensor weight = weights.at("conv.weight", {1, -1, -1, -1, -1}).squeeze(0);
  const auto fan_in = static_cast<double>(weight.size(1) * weight.size(2) * weight.size(3));
  // A transposed convolution takes [in, out, k, k].
  if (up) weight = weight.transpose(0, 1);
  weight_ = ScaledWeight(trainable_ ? weight : weight.contiguous(), 1 / std::sqrt(fan_in), trainable_);
  if (!trainable_) energy_ = energy();
}

at::Tensor StyledConv::energy() const {
  const at::Tensor squares = weight_().to(at::kFloat).square().sum({2, 3});
  return up_ ? squares : squares.t();
}

at::Tensor StyledConv::operator()(const at::Tensor& x, const at::Tensor& style) const {
  const at::Tensor s = modulation_(style);  // [B, in]
  const at::Tensor norm = at::rsqrt(at::matmul(s.to(at::kFloat).square(), trainable_ ? energy() : energy_) + 1e-8);
  const at::Tensor scaled = x * s.unsqueeze(-1).unsqueeze(-1);
  const at::Tensor y =
      up_ ? blur(at::conv_transpose2d(scaled, weight_(), {}, 2), 1, 4.0) : same_conv(scaled, weight_());
  return scaled_leaky_relu(y * norm.to(y.scalar_type()).unsqueeze(-1).unsqueeze(-1) + bias_);
}

ConvResBlock::ConvResBlock(const tensor::WeightMap& weights, Resize resize)
    : resize_(resize),
      conv1_(weights.under("conv1."), weights.under("norm.norm.")),
      conv2_(weights.at("conv2.weight", {-1, -1, 3, 3})) {
  for (int block = 0; block < 2; ++block)
    for (int conv = 0; conv < 2; ++conv) {
      const auto part = weights.under(fmt::format("feat_res_block{}.conv{}.", block + 1, conv + 1));
      inner_[block][conv] = NormedConv(part.under("conv."), part.under("norm.norm."));
    }
}

at::Tensor ConvResBlock::operator()(const at::Tensor& x) const {
  at::Tensor y = x;
  if (resize_ == Resize::up) y = at::upsample_nearest2d(y, {2 * y.size(2), 2 * y.size(3)});
  y = at::leaky_relu(conv1_(y), kConvSlope);
  if (resize_ == Resize::down) y = at::avg_pool2d(y, 2);
  y = same_conv(y, conv2_);
  for (const auto& [first, second] : inner_)
    y = at::leaky_relu(second(at::leaky_relu(first(y), kConvSlope)) + y, kConvSlope);
  return y;
}

}  // namespace rushes::imtalker
