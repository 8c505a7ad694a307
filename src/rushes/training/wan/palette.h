// Names the colours of pixels: the nearest entry, in CIELAB, of the procedural world's palette.
#pragma once
#include <cstdint>
#include <vector>

#include "rushes/training/wan/world.h"

namespace rushes::training {

/// Entries 0 .. kColours-1 are colours of objects, kColours .. kColours+kGrounds-1 are grounds. Grounds may be shaded,
/// so each is represented at five lightnesses. Immutable, any thread.
class Palette {
 public:
  static const Palette& instance();
  /// r, g, b: sRGB, 0..1; what lies outside is clamped.
  int8_t nearest(float r, float g, float b) const {
    return nearest_[(level(r) * kLevels + level(g)) * kLevels + level(b)];
  }

 private:
  static constexpr int kLevels = 32;
  Palette();
  static std::size_t level(float v) {
    const float scaled = v * kLevels;
    return scaled <= 0 ? 0 : scaled >= kLevels - 1 ? kLevels - 1 : static_cast<std::size_t>(scaled);
  }
  std::vector<int8_t> nearest_;  // of every colour of a 5-bit RGB cube
};

}  // namespace rushes::training
