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

/// Applies a rotation or reflection by quarter turns: the 2x2 corner of FFmpeg's display matrix, entries 0 or +-1;
/// other matrices change nothing.
Image turned(const Image& from, const int32_t* matrix);

}  // namespace rushes::media
