// The memory that tensors take while something runs, for tests of what plans tell of it.
#pragma once
#include <cstdint>

#include "rushes/tensor/cpu_allocator.h"

namespace rushes::tensor {

/// Bytes, beyond what was held before. Tensors' memory is counted from the first call on.
template <typename Work>
int64_t peak_memory(Work work) {
  install_cpu_allocator();
  forget_cpu_peak();
  const int64_t before = cpu_memory().used_bytes;
  work();
  return cpu_memory().peak_bytes - before;
}

}  // namespace rushes::tensor
