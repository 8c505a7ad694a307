// What this process has of the heap, for tests of what copies cost.
#pragma once
#include <malloc.h>

#include <cstdint>

namespace rushes::generation {

/// Bytes. Sanitizers have a heap of their own, of which this sees nothing.
inline int64_t heap_in_use() {
  const struct mallinfo2 heap = mallinfo2();
  return static_cast<int64_t>(heap.uordblks + heap.hblkhd);
}

}  // namespace rushes::generation
