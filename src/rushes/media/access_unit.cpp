#include "rushes/media/access_unit.h"

#include <fmt/format.h>

#include "rushes/base/error.h"
#include "rushes/media/annex_b.h"

namespace rushes::media {

std::string VideoTrack::codec_string() const {
  if (codec == Codec::vp8) return "vp8";
  if (codec == Codec::vp9) return "vp09.00.40.08";  // profile 0, level 4, 8 bit
  for (const auto unit : annex_b::units(parameter_sets))
    if (annex_b::type(unit) == annex_b::Type::sps && unit.size() >= 4)
      return fmt::format("avc1.{:02X}{:02X}{:02X}", unit[1], unit[2], unit[3]);
  fail(ErrorCode::invalid_argument, "H.264 track {}x{} has no sequence parameter set", width, height);
}

}  // namespace rushes::media
