// Decoded frames of FFmpeg as RGB pictures. Included by sources of media only.
#pragma once
#include "rushes/media/image.h"
#include "rushes/media/libav.h"

namespace rushes::media {

/// One thread.
class RgbConverter {
 public:
  /// In the frame's size; transparency lies on black. `matrix` says what YCbCr means: an AVColorSpace.
  Image convert(const AVFrame& frame, AVColorSpace matrix);

 private:
  libav::Owned<SwsContext> context_;
  std::vector<uint8_t> padded_;
};

/// All of it in the middle of width x height pixels, as large as it can be there, with black where it has other
/// proportions.
Image fitted(const Image& from, int64_t width, int64_t height);

/// Scaled to pixels as wide as high, where those of `from` are `pixel_aspect` (positive) times as wide: in width, as
/// players do, or in height where that had more than `max_pixels`. To an even number, which encoders want.
Image with_square_pixels(const Image& from, double pixel_aspect, int64_t max_pixels);

/// Applies a rotation or reflection by quarter turns: the 2x2 corner of FFmpeg's display matrix, entries 0 or +-1;
/// other matrices change nothing.
Image turned(const Image& from, const int32_t* matrix);
/// The same as Exif counts them, 1 to 8; others change nothing.
Image turned(const Image& from, int orientation);

}  // namespace rushes::media
