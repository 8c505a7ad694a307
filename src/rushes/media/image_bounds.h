// What a picture's file may cost to decode, found out before a decoder sees it: the size in its header says nothing of
// what else a file makes a decoder do. Included by sources of media only.
#pragma once
#include <span>

#include "rushes/media/access_unit.h"

namespace rushes::media {

/// The file with those chunks only that make its picture (libavcodec would unpack texts and profiles too, each of any
/// size). Throws Error(corrupt_data) if its data unpack to more than the picture has, and Error(unsupported) for an
/// animated one.
Bytes image_of_png(std::span<const uint8_t> file);

/// Throws Error(unsupported) for an animated one.
void require_still_webp(std::span<const uint8_t> file);

/// Throws Error(unsupported) for a JPEG that goes over its picture, or fills its tables, more often than any encoder
/// makes it do.
void require_usual_jpeg(std::span<const uint8_t> file);

}  // namespace rushes::media
