// The layers that the renderer's networks are made of: layers with equalised learning rate and modulated convolutions
// of StyleGAN2 (arXiv:1912.04958; arXiv:1710.10196, section 4.1), and residual blocks with batch normalisation.
// Dimensions are those of the weights. Pictures are [B, C, H, W]; all layers return the dtype of their input.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "rushes/nn/linear.h"
#include "rushes/nn/normed_conv.h"
#include "rushes/tensor/weight_map.h"

namespace rushes::imtalker {

/// A weight that enters its product times a constant. Multiplied once, or in every call where the weights are trained.
class ScaledWeight {
 public:
  ScaledWeight() = default;
  ScaledWeight(const at::Tensor& weight, double scale, bool trainable);
  at::Tensor operator()() const;

 private:
  at::Tensor weight_;
  double scale_ = 1.0;  // still to be applied
};

/// y = x (W / sqrt(in))^T + b: keys `weight` [out, in] and `bias`.
class EqualLinear {
 public:
  EqualLinear() = default;
  explicit EqualLinear(const tensor::WeightMap& weights);
  at::Tensor operator()(const at::Tensor& x) const;

 private:
  ScaledWeight weight_;
  at::Tensor bias_;
};

/// Linear layers with LeakyReLU(0.2) after each, and a last one without: keys linear_layers.{i}.*, final_linear.*.
class EqualMlp {
 public:
  EqualMlp() = default;
  explicit EqualMlp(const tensor::WeightMap& weights);
  at::Tensor operator()(at::Tensor x) const;

 private:
  std::vector<EqualLinear> hidden_;
  EqualLinear final_;
};

/// W / sqrt(in k^2) of a convolution's `weight`.
ScaledWeight equal_conv_weight(const tensor::WeightMap& weights, const std::string& key = "weight");

/// Zero padding and the filter [1, 3, 3, 1] / 8 along both axes, times `gain`: H becomes H + 2 pad - 3.
at::Tensor blur(const at::Tensor& x, int64_t pad, double gain = 1.0);

/// leaky_relu(x, 0.2) * sqrt(2), which keeps the variance.
at::Tensor scaled_leaky_relu(const at::Tensor& x);

/// A 3x3 convolution with scaled_leaky_relu: keys 0.weight, 1.bias. With `down` it blurs and halves the sides: keys
/// 1.weight, 2.bias (0.kernel is the filter of blur()).
class ConvLayer {
 public:
  ConvLayer() = default;
  ConvLayer(const tensor::WeightMap& weights, bool down);
  at::Tensor operator()(const at::Tensor& x) const;

 private:
  bool down_ = false;
  ScaledWeight weight_;
  at::Tensor bias_;
};

/// conv2(conv1(x)) + skip(x), sides halved; keys conv1.*, conv2.*, skip.*.
class DownResBlock {
 public:
  explicit DownResBlock(const tensor::WeightMap& weights);
  at::Tensor operator()(const at::Tensor& x) const;

 private:
  ConvLayer conv1_, conv2_, skip_;
};

/// A 3x3 convolution whose input channels are scaled by a style, then demodulated (arXiv:1912.04958, section 2.2) and
/// activated: keys conv.weight [1, out, in, 3, 3], conv.modulation.*, activate.bias [1, out, 1, 1]. With `up` the sides
/// double. The style scales the input and the result, not a copy of the weight for each sample.
class StyledConv {
 public:
  StyledConv(const tensor::WeightMap& weights, bool up);
  /// x [B, in, H, W] (or B = 1 for all styles), style [B, dim_motion].
  at::Tensor operator()(const at::Tensor& x, const at::Tensor& style) const;

 private:
  at::Tensor energy() const;  // [in, out]: sum of W^2 over the kernel

  bool up_, trainable_;
  EqualLinear modulation_;
  ScaledWeight weight_;
  at::Tensor bias_, energy_;
};

using nn::NormedConv;

enum class Resize { none, down, up };

/// NormedConv, LeakyReLU(0.01), average pooling (down), a 3x3 convolution and two residual blocks; up: nearest pixel
/// doubling before all. Keys conv1.weight, norm.norm.*, conv2.weight, feat_res_block{1,2}.conv{1,2}.{conv,norm.norm}.*.
class ConvResBlock {
 public:
  ConvResBlock(const tensor::WeightMap& weights, Resize resize);
  at::Tensor operator()(const at::Tensor& x) const;

 private:
  Resize resize_;
  NormedConv conv1_;
  at::Tensor conv2_;
  NormedConv inner_[2][2];
};

}  // namespace rushes::imtalker
