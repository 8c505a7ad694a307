// Reads every element of every tensor through its strides, so that the sanitizer sees each byte that a reader promised.
#pragma once
#include <cstring>
#include <vector>

#include "rushes/tensor/weight_map.h"

namespace fuzz {

inline void touch(const rushes::tensor::WeightMap& weights) {
  volatile char sink = 0;
  for (const auto& [key, tensor] : weights.tensors()) {
    const auto sizes = tensor.sizes(), strides = tensor.strides();
    const auto element_bytes = static_cast<int64_t>(tensor.element_size());
    if (tensor.numel() == 0) continue;
    const char* data = static_cast<const char*>(tensor.const_data_ptr());
    std::vector<int64_t> at(sizes.size(), 0);
    for (;;) {
      int64_t offset = 0;
      for (std::size_t axis = 0; axis < at.size(); ++axis) offset += at[axis] * strides[axis];
      for (int64_t byte = 0; byte < element_bytes; ++byte) sink = data[offset * element_bytes + byte];
      std::size_t axis = at.size();
      while (axis > 0 && ++at[axis - 1] == sizes[axis - 1]) at[--axis] = 0;
      if (axis == 0) break;
    }
  }
  (void)sink;
}

}  // namespace fuzz
