// Pictures from outside, decoded safely, and pictures for outside. Only JPEG, PNG and WebP; size limits are checked in
// the headers before anything is decoded.
#pragma once
#include <functional>
#include <memory>
#include <span>

#include "rushes/base/image.h"
#include "rushes/base/image_limits.h"
#include "rushes/media/access_unit.h"
#include "rushes/media/read_file.h"

namespace rushes::media {

/// By its first bytes a JPEG, PNG or WebP.
bool looks_like_image(std::span<const uint8_t> head);

/// The format is found by content, never by name. The orientation that its Exif tells is applied, transparency lies
/// on black.
/// `admit` hears how many bytes the image will have before any is decoded, and may throw.
/// Throws Error: unsupported (no JPEG, PNG or WebP, or an animated one), too_large, corrupt_data.
Image decode_image(std::span<const uint8_t> bytes, const ImageLimits& limits = {},
                   const std::function<void(int64_t bytes)>& admit = {});
/// The same from a file. Throws as read_file() too.
Image read_image(const NamedFile& file, const ImageLimits& limits = {},
                 const std::function<void(int64_t bytes)>& admit = {});

/// rgb: [H, W, 3]. Quality 1 to 100.
Bytes encode_jpeg(const uint8_t* rgb, int64_t width, int64_t height, int quality = 90);
Bytes encode_png(const uint8_t* rgb, int64_t width, int64_t height);
/// Throws Error(unavailable) if libavcodec lacks libwebp.
Bytes encode_webp(const uint8_t* rgb, int64_t width, int64_t height, int quality = 90);

}  // namespace rushes::media
