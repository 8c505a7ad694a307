#include "rushes/training/wan/palette.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace rushes::training {
namespace {

using Lab = std::array<float, 3>;

// sRGB to CIELAB, D65 (IEC 61966-2-1, CIE 15).
Lab lab(const Rgb& colour) {
  std::array<float, 3> linear;
  for (std::size_t c = 0; c < 3; ++c) {
    const float v = std::clamp(colour[c], 0.0f, 1.0f);
    linear[c] = v <= 0.04045f ? v / 12.92f : std::pow((v + 0.055f) / 1.055f, 2.4f);
  }
  const auto [r, g, b] = linear;
  const auto f = [](float t) { return t > 0.008856f ? std::cbrt(t) : 7.787f * t + 16.0f / 116; };
  const float x = f((0.4124f * r + 0.3576f * g + 0.1805f * b) / 0.95047f);
  const float y = f(0.2126f * r + 0.7152f * g + 0.0722f * b);
  const float z = f((0.0193f * r + 0.1192f * g + 0.9505f * b) / 1.08883f);
  return {116 * y - 16, 500 * (x - y), 200 * (y - z)};
}

}  // namespace

const Palette& Palette::instance() {
  static const Palette instance;
  return instance;
}

Palette::Palette() : nearest_(kLevels * kLevels * kLevels) {
  struct Entry {
    Lab lab;
    int8_t index;
  };
  std::vector<Entry> entries;
  for (int i = 0; i < kColours; ++i) entries.push_back({lab(rgb(static_cast<Colour>(i))), static_cast<int8_t>(i)});
  for (int i = 0; i < kGrounds; ++i)
    for (const float light : {-0.09f, -0.045f, 0.0f, 0.045f, 0.09f}) {
      Rgb colour = rgb(static_cast<Ground>(i));
      for (float& channel : colour) channel = std::clamp(channel + light, 0.0f, 1.0f);
      entries.push_back({lab(colour), static_cast<int8_t>(kColours + i)});
    }
  const auto cell = [](std::size_t i) { return (static_cast<float>(i) + 0.5f) / kLevels; };
  for (std::size_t i = 0; i < nearest_.size(); ++i) {
    const Lab here = lab({cell(i / (kLevels * kLevels)), cell(i / kLevels % kLevels), cell(i % kLevels)});
    float best = 1e9f;
    for (const Entry& entry : entries) {
      float d = 0;
      for (std::size_t c = 0; c < 3; ++c) d += (entry.lab[c] - here[c]) * (entry.lab[c] - here[c]);
      if (d < best) best = d, nearest_[i] = entry.index;
    }
  }
}

}  // namespace rushes::training
