// Access units to MPEG transport stream (ISO/IEC 13818-1), for players that do not read MP4.
#pragma once
#include <span>

#include "rushes/media/access_unit.h"

namespace rushes::media {

/// One segment that stands by itself: tables first, times as in `units`, whose first is a key frame. Segments in a row
/// make one stream. All times become later by `shift`. Throws Error(unsupported) for a track that is not H.264.
Bytes mpeg_ts_segment(const VideoTrack& track, std::span<const AccessUnit> units,
                      const AudioTrack* audio_track = nullptr, std::span<const AccessUnit> audio = {},
                      Pts shift = Pts{0});

}  // namespace rushes::media
