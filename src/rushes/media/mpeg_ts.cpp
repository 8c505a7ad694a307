#include "rushes/media/mpeg_ts.h"

#include "rushes/media/muxer.h"

namespace rushes::media {

Bytes mpeg_ts_segment(const VideoTrack& track, std::span<const AccessUnit> units, const AudioTrack* audio_track,
                      std::span<const AccessUnit> audio, Pts shift) {
  require(track.codec == Codec::h264, ErrorCode::unsupported,
          "MPEG-TS needs H.264, and no H.264 encoder is installed; use the MP4 playlist");
  // Each segment counts its packets from zero; the flag tells readers that this is meant.
  MemoryMuxer muxer("mpegts", track, {{"mpegts_flags", "initial_discontinuity"}, {"mpegts_copyts", "1"}}, audio_track);
  const auto later = [&](AccessUnit unit) {
    unit.pts += shift;
    unit.dts += shift;
    return unit;
  };
  for (const AccessUnit& unit : units) {
    for (; !audio.empty() && audio.front().dts < unit.dts; audio = audio.subspan(1))
      muxer.write_audio(later(audio.front()));
    muxer.write(later(unit), *unit.bytes);
  }
  for (const AccessUnit& unit : audio) muxer.write_audio(later(unit));
  muxer.write_trailer();
  return muxer.take();
}

}  // namespace rushes::media
