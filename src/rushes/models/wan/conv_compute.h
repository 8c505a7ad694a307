// In what type the autoencoders' convolutions run: a choice of the machine, not of the checkpoint.
#pragma once
#include <c10/core/ScalarType.h>

#include "rushes/tensor/weight_map.h"

namespace rushes::wan {

struct ConvCompute {
  at::ScalarType dtype = at::kFloat;  // wider than the weights where the CPU has no half-precision products
  bool trainable = false;             // autograd: weights as they are, nothing in place
  bool fused = false;                 // own CPU kernels between the convolutions
};

/// For all of `weights`, judged by the tensor `any_key`. Inputs are widened at the module's border and outputs rounded
/// back there: what lies between is at least as exact as the reference in half precision.
ConvCompute conv_compute(const tensor::WeightMap& weights, std::string_view any_key);

}  // namespace rushes::wan
