// What the engine made, as NumPy arrays that own a share of it: no copy.
#pragma once
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "rushes/generation/event.h"
#include "rushes/media/image.h"

namespace rushes::python {

namespace nb = nanobind;

/// Keeps a share of something alive as long as an array that shows it.
template <typename T>
nb::capsule share_of(std::shared_ptr<T> shared) {
  return {new std::shared_ptr<T>(std::move(shared)),
          [](void* p) noexcept { delete static_cast<std::shared_ptr<T>*>(p); }};
}

/// The block's pixels as an array that owns a share of them. Nobody else has them, so they may be written to.
inline nb::ndarray<nb::numpy, uint8_t, nb::shape<-1, -1, -1, 3>> frames_of(const generation::FrameBlock& block) {
  const std::size_t shape[] = {static_cast<std::size_t>(block.video_frames), static_cast<std::size_t>(block.height),
                               static_cast<std::size_t>(block.width), 3};
  return nb::ndarray<nb::numpy, uint8_t, nb::shape<-1, -1, -1, 3>>(const_cast<uint8_t*>(block.rgb.get()), 4, shape,
                                                                   share_of(block.rgb));
}

using Sound = nb::ndarray<nb::numpy, const float, nb::ndim<1>>;
/// Sound as an array that owns a share of it.
inline Sound sound_of(const std::shared_ptr<const std::vector<float>>& samples) {
  const std::size_t shape[] = {samples->size()};
  return Sound(samples->data(), 1, shape, share_of(samples));
}

using ImageArray = nb::ndarray<nb::numpy, uint8_t, nb::shape<-1, -1, 3>>;

/// A file as uint8 [H, W, 3].
inline ImageArray image_of(const std::string& path, const ImageLimits& limits) {
  const Image image = media::read_image(path, limits);
  const std::size_t shape[] = {static_cast<std::size_t>(image.height), static_cast<std::size_t>(image.width), 3};
  return ImageArray(const_cast<uint8_t*>(image.rgb.get()), 3, shape, share_of(image.rgb));
}

}  // namespace rushes::python
