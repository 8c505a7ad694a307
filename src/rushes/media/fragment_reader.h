// Fragments back into access units, for containers and protocols that do not carry MP4.
#pragma once
#include <span>
#include <vector>

#include "rushes/media/access_unit.h"

namespace rushes::media {

/// The units of what a FragmentWriter made: of one fragment or several in a row, with their absolute times, in the form
/// that an encoder gives them (H.264: Annex B, parameter sets before key frames). Any thread.
/// Those of the sound, if there is any, go to `sound`. Throws Error(corrupt_data) if the bytes are no such fragments.
std::vector<AccessUnit> read_fragments(const VideoTrack& track, std::span<const uint8_t> init_segment,
                                       std::span<const uint8_t> fragments, std::vector<AccessUnit>* sound = nullptr);

}  // namespace rushes::media
