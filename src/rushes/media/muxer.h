// FFmpeg's muxers writing to memory. Included by sources of media only.
#pragma once
#include <map>
#include <span>
#include <string>

#include "rushes/media/access_unit.h"
#include "rushes/media/libav.h"

namespace rushes::media {

/// Adds a stream with the track's parameters; owned by the muxer.
AVStream& add_video_stream(AVFormatContext& muxer, const VideoTrack& track);

AVStream& add_audio_stream(AVFormatContext& muxer, const AudioTrack& track);

/// A packet with a copy of `bytes` and the unit's times, in ticks of Pts.
void fill_packet(AVPacket& packet, const AccessUnit& unit, std::span<const uint8_t> bytes);

/// A container with a video track, and possibly one of sound, whose bytes are taken as they come into being.
class MemoryMuxer {
 public:
  /// Writes the header. `format` and `options` as FFmpeg names them.
  MemoryMuxer(const char* format, const VideoTrack& track, const std::map<std::string, std::string>& options,
              const AudioTrack* audio = nullptr);

  void write(const AccessUnit& unit, std::span<const uint8_t> bytes) { write(unit, bytes, 0); }
  void write_audio(const AccessUnit& unit) { write(unit, *unit.bytes, 1); }
  /// Makes the muxer write what it holds back.
  void flush();
  void write_trailer();
  /// What was written since the last call.
  Bytes take();

 private:
  void write(const AccessUnit& unit, std::span<const uint8_t> bytes, int stream);

  std::string what_;
  std::unique_ptr<Bytes> pending_ = std::make_unique<Bytes>();  // its address is FFmpeg's
  libav::Owned<AVIOContext> io_;
  libav::Owned<AVFormatContext> muxer_;
  libav::Owned<AVPacket> packet_;
};

}  // namespace rushes::media
