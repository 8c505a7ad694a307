#include "rushes/media/mpeg_ts.h"

#include "rushes/media/muxer.h"

namespace rushes::media {

Bytes mpeg_ts_segment(const VideoTrack& track, std::span<const AccessUnit> units) {
  require(track.codec == Codec::h264, ErrorCode::unsupported,
          "MPEG-TS needs H.264, and no encoder for it is installed; use the MP4 playlist");
  // Each segment counts its packets from zero; the flag tells readers that this is meant.
  MemoryMuxer muxer("mpegts", track, {{"mpegts_flags", "initial_discontinuity"}, {"mpegts_copyts", "1"}});
  for (const AccessUnit& unit : units) muxer.write(unit, *unit.bytes);
  muxer.write_trailer();
  return muxer.take();
}

}  // namespace rushes::media
