// A linear layer that is as fast as the machine allows for its weights' dtype.
#pragma once
#include <ATen/core/Tensor.h>

#include <string>

#include "rushes/tensor/weight_map.h"

namespace rushes::nn {

enum class Activation { none, gelu_tanh };

/// y = activation(x W^T + b). Borrows the storage of its tensors; differentiable where gradients are wanted.
/// bfloat16 on CPUs without AVX512-BF16: products and sums in float32, one rounding of the result; libtorch's own
/// operator is some eight times slower there. float32 on CPUs with narrow weights (is_narrow()): packed at
/// construction; what a row becomes does not depend, to the bit, on the rows beside it. bfloat16 on CPUs with at most
/// four rows: as fast as the memory gives the weights. Eight rows and more with AVX-512: linear_rows().
class Linear {
 public:
  Linear() = default;
  /// bias: undefined where there is none.
  Linear(at::Tensor weight, at::Tensor bias) : weight_(std::move(weight)), bias_(std::move(bias)) {}
  /// Weights that stay in a core's caches: [out, in] of at most 1024 by 512, and 2^18 in all.
  static bool is_narrow(int64_t out, int64_t in) { return out <= 1024 && in <= 512 && out * in <= (1 << 18); }
  /// `key`.weight [out, in] and `key`.bias [out]. Throws Error(corrupt_data) naming a missing or misshapen one.
  Linear(const tensor::WeightMap& weights, const std::string& key, int64_t out, int64_t in);
  /// Several layers of one input as one: their outputs side by side. Copies the weights.
  static Linear fused(const std::vector<Linear>& layers);

  /// x [.., in] of the weights' dtype. Returns [.., out].
  at::Tensor operator()(const at::Tensor& x, Activation activation = Activation::none) const;

  const at::Tensor& weight() const noexcept { return weight_; }
  const at::Tensor& bias() const noexcept { return bias_; }

 private:
  void pack();

  at::Tensor weight_, bias_;
  at::Tensor packed_;  // undefined where general products are used
};

}  // namespace rushes::nn
