// Where a model runs and in which type its weights are.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>

#include "rushes/tensor/weight_map.h"

namespace rushes::tensor {

struct Placement {
  at::Device device{at::kCPU};
  at::ScalarType dtype = at::kFloat;

  WeightMap put(const WeightMap& weights) const { return weights.to(dtype).to(device); }
  /// "bfloat16 on cuda:0"
  std::string text() const;
};

/// "cpu", "cuda", "cuda:1". Throws Error(invalid_argument) for other words, Error(unavailable) for a GPU that this
/// build or machine does not have.
at::Device parse_device(const std::string& word);

/// dtype: "float32", "bfloat16", or "auto": bfloat16 on GPUs, and for `parameters` that are many on processors that
/// multiply it themselves; else float32, which is the more exact. Throws as parse_device() and Error(invalid_argument).
Placement place(const std::string& device, const std::string& dtype, int64_t parameters);

}  // namespace rushes::tensor
