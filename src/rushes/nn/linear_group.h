// Linear layers of one input.
#pragma once
#include <ATen/core/Tensor.h>

#include <vector>

#include "rushes/nn/linear.h"

namespace rushes::nn {

/// Few rows (one token of a language model) take all layers in one pass over their weights, none of which is copied or
/// joined; many rows take them one after the other.
class LinearGroup {
 public:
  LinearGroup() = default;
  explicit LinearGroup(std::vector<Linear> layers) : layers_(std::move(layers)) {}

  /// x [.., in]. Returns [.., out] of each layer.
  std::vector<at::Tensor> operator()(const at::Tensor& x) const;
  const std::vector<Linear>& layers() const noexcept { return layers_; }

 private:
  std::vector<Linear> layers_;
};

}  // namespace rushes::nn
