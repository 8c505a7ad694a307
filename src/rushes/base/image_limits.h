// What the file of a picture from outside may have.
#pragma once
#include <cstdint>

namespace rushes {

struct ImageLimits {
  int64_t max_bytes = 32 << 20;  // of the file
  int64_t max_side = 16384;
  int64_t max_pixels = 40'000'000;  // 120 MB decoded
};

}  // namespace rushes
