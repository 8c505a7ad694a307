#include "rushes/nn/normed_conv.h"

#include "rushes/nn/convolution.h"
#include "rushes/tensor/ops.h"

namespace rushes::nn {
namespace {

constexpr double kEps = 1e-5;

at::Tensor per_channel(const at::Tensor& values, int64_t axes) {
  std::vector<int64_t> shape(static_cast<std::size_t>(axes), 1);
  shape[1] = -1;
  return values.view(shape);
}

}  // namespace

NormedConv::NormedConv(const tensor::WeightMap& conv, const tensor::WeightMap& norm)
    : trainable_(conv.trainable()), weight_(conv.at("weight")) {
  const int64_t out = weight_.size(0);
  if (conv.contains("bias")) bias_ = conv.at("bias", {out});
  gain_ = norm.at("weight", {out});
  offset_ = norm.at("bias", {out});
  mean_ = norm.at("running_mean", {out});
  var_ = norm.at("running_var", {out});
  if (trainable_) return;
  folded_ = folded();
  for (at::Tensor* const parameter : {&weight_, &bias_, &gain_, &offset_, &mean_, &var_}) parameter->reset();
}

NormedConv::Folded NormedConv::folded() const {
  // In float32: a bfloat16 quotient would move every weight.
  const at::ScalarType dtype = weight_.scalar_type();
  const at::Tensor scale = gain_.to(at::kFloat) * at::rsqrt(var_.to(at::kFloat) + kEps);
  std::vector<int64_t> shape(static_cast<std::size_t>(weight_.dim()), 1);
  shape[0] = -1;
  const at::Tensor start = bias_.defined() ? bias_.to(at::kFloat) - mean_.to(at::kFloat) : -mean_.to(at::kFloat);
  return {(weight_.to(at::kFloat) * scale.view(shape)).to(dtype), (offset_.to(at::kFloat) + start * scale).to(dtype)};
}

at::Tensor NormedConv::operator()(const at::Tensor& x, int64_t repeats) const {
  const Folded conv = trainable_ ? folded() : folded_;
  return repeated_conv(x, repeats, conv.weight, conv.bias);
}

ChannelNorm::ChannelNorm(const tensor::WeightMap& norm)
    : trainable_(norm.trainable()), weight_(norm.at("weight", {-1})) {
  const int64_t channels = weight_.size(0);
  bias_ = norm.at("bias", {channels});
  mean_ = norm.at("running_mean", {channels});
  var_ = norm.at("running_var", {channels});
  if (!trainable_) affine_ = affine();
}

ChannelNorm::Affine ChannelNorm::affine() const {
  const at::Tensor scale = weight_.to(at::kFloat) * at::rsqrt(var_.to(at::kFloat) + kEps);
  return {scale.to(weight_.scalar_type()),
          (bias_.to(at::kFloat) - mean_.to(at::kFloat) * scale).to(weight_.scalar_type())};
}

at::Tensor ChannelNorm::operator()(const at::Tensor& x) const {
  const Affine own = trainable_ ? affine() : affine_;
  return at::addcmul(per_channel(own.offset, x.dim()), x, per_channel(own.gain, x.dim()));
}

}  // namespace rushes::nn
