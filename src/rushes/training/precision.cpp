#include "rushes/training/precision.h"

#include "rushes/tensor/kernels/cpu/flash_attention.h"
#include "rushes/tensor/ops.h"

namespace rushes::training {

at::ScalarType product_dtype(c10::Device device) {
  return !device.is_cpu() || tensor::kernels::has_bf16_products() ? at::kBFloat16 : at::kFloat;
}

tensor::WeightMap for_products(const tensor::WeightMap& weights) {
  return weights.to(product_dtype(weights.tensors().begin()->second.device()));
}

}  // namespace rushes::training
