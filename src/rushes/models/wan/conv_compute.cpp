#include "rushes/models/wan/conv_compute.h"

#include "rushes/base/instruction_set.h"
#include "rushes/tensor/ops.h"

namespace rushes::wan {

ConvCompute conv_compute(const tensor::WeightMap& weights, std::string_view any_key) {
  const at::Tensor& weight = weights.at(any_key);
  if (weights.trainable()) return {weight.scalar_type(), true, false};
  const at::ScalarType dtype = weight.scalar_type();
  // Without these instructions libtorch's half-precision convolutions are plain loops: 1 GFLOP/s where float32 has 80.
  const bool widen = weight.is_cpu() && (dtype == at::kHalf ||
                                         (dtype == at::kBFloat16 && instruction_set() != InstructionSet::avx512_bf16));
  const at::ScalarType computed = widen ? at::kFloat : dtype;
  return {computed, false, weight.is_cpu() && (computed == at::kFloat || computed == at::kBFloat16)};
}

}  // namespace rushes::wan
