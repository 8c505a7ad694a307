// An image in memory, as it travels between layers.
#pragma once
#include <cstdint>
#include <memory>

namespace rushes {

/// 8-bit RGB [H, W, 3], rows without padding.
struct Image {
  std::shared_ptr<const uint8_t> rgb;
  int64_t height = 0, width = 0;
};

}  // namespace rushes
