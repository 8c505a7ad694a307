// Which way up a picture is to be seen, of every format that can say so. Included by sources of media only.
#pragma once
#include <cstdint>
#include <span>

namespace rushes::media {

/// Exif 2.32, 4.6.4, tag 0x0112: 1 (as it is stored) to 8; where there is none, the same of XMP. `file` is a JPEG
/// (segments APP1), a PNG (chunk eXIf and text XML:com.adobe.xmp, else texts `Raw profile type exif`, `xmp` or `APP1`)
/// or a WebP (chunks EXIF and XMP). 1 where it says nothing, or nothing that can be read.
int orientation_of(std::span<const uint8_t> file);

}  // namespace rushes::media
