// A video whose face moves a portrait, as the generator sees it. No libtorch here.
#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "rushes/base/image.h"

namespace rushes::generation {

class DrivingVideo {
 public:
  virtual ~DrivingVideo() = default;
  virtual double fps() const = 0;
  /// Frames are of one size; nothing behind the last one. Quickest in order. Any thread. Throws Error.
  virtual std::optional<Image> frame(int64_t index) const = 0;
  /// Its sound, one channel in [-1, 1]; hz 0: it has none.
  virtual int64_t audio_hz() const = 0;
  virtual const std::vector<float>& audio() const = 0;
  /// Boxes x1, y1, x2, y2 of the faces in some of its frames, for models that do not find faces themselves.
  virtual std::vector<std::array<double, 4>> faces() const = 0;
  /// Memory that it takes.
  virtual int64_t bytes() const = 0;
};

/// Which frames are looked at for where the face is (as the published server), and how many of them at most.
constexpr int64_t kFaceEvery = 15, kMostFacesLookedFor = 40;

}  // namespace rushes::generation
