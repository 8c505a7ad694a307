// Which way up a picture is to be seen, of every format that can say so. Included by sources of media only.
#pragma once
#include <cstdint>
#include <span>

namespace rushes::media {

/// Exif 2.32, 4.6.4, tag 0x0112: 1 (as it is stored) to 8. `file` is a JPEG (segment APP1), a PNG (chunk eXIf, else
/// a text `Raw profile type exif` or `APP1`) or a WebP (chunk EXIF). 1 where it says nothing, or nothing that can be
/// read.
int orientation_of(std::span<const uint8_t> file);

}  // namespace rushes::media
