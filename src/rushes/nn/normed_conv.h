// A convolution followed by batch normalisation with running statistics (arXiv:1502.03167), as one convolution.
#pragma once
#include <ATen/core/Tensor.h>

#include "rushes/tensor/weight_map.h"

namespace rushes::nn {

/// Over two or three space axes; the stride is 1 and the padding keeps the sides. Folded once, or in every call where
/// the weights are trained.
class NormedConv {
 public:
  NormedConv() = default;
  /// `conv` weight [out, in, (kd,) kh, kw] (and bias, where there is one); `norm` weight, bias, running_mean and
  /// running_var, all [out]. Throws Error(corrupt_data) naming a missing or misshapen key.
  NormedConv(const tensor::WeightMap& conv, const tensor::WeightMap& norm);
  /// x [B, in, (D,) H, W]. Returns [B, out, (D,) H, W], with `repeats` of values along height and width before the
  /// convolution [B, out, (D,) repeats H, repeats W].
  at::Tensor operator()(const at::Tensor& x, int64_t repeats = 1) const;

 private:
  struct Folded {
    at::Tensor weight, bias;
  };
  Folded folded() const;

  bool trainable_ = false;
  at::Tensor weight_, bias_, gain_, offset_, mean_, var_;
  Folded folded_;
};

/// Batch normalisation that no convolution precedes, as a gain and an offset of each channel: y = gain x + offset.
class ChannelNorm {
 public:
  ChannelNorm() = default;
  /// weight, bias, running_mean and running_var, all [C]. Throws Error(corrupt_data) naming a missing key.
  explicit ChannelNorm(const tensor::WeightMap& norm);
  /// x [B, C, ...].
  at::Tensor operator()(const at::Tensor& x) const;

 private:
  struct Affine {
    at::Tensor gain, offset;
  };
  Affine affine() const;

  bool trainable_ = false;
  at::Tensor weight_, bias_, mean_, var_;
  Affine affine_;
};

}  // namespace rushes::nn
