// The gated MLP of current transformers (arXiv:2002.05202): down(silu(gate(x)) up(x)).
#pragma once
#include <ATen/core/Tensor.h>

#include <string>

#include "rushes/nn/linear.h"
#include "rushes/tensor/weight_map.h"

namespace rushes::nn {

enum class Bias { none, given };

/// `key`.weight [out, in], and `key`.bias [out] where one is given. Throws Error(corrupt_data) naming a missing or
/// misshapen key.
Linear linear(const tensor::WeightMap& weights, const std::string& key, int64_t out, int64_t in, Bias bias);

class GatedMlp {
 public:
  GatedMlp() = default;
  /// Keys gate_proj, up_proj [width, C], down_proj [C, width]. Borrows their storage.
  GatedMlp(const tensor::WeightMap& weights, int64_t C, int64_t width, Bias bias);

  /// x [.., C] of the weights' dtype. Returns [.., C]. Differentiable where gradients are wanted. Few rows read gate
  /// and up in one pass.
  at::Tensor operator()(const at::Tensor& x) const;

  const Linear& gate() const noexcept { return gate_; }
  const Linear& up() const noexcept { return up_; }
  const Linear& down() const noexcept { return down_; }

 private:
  Linear gate_, up_, down_;
};

}  // namespace rushes::nn
