// What leaves an encoder: encoded pictures and the description that a container needs. Plain values, shared between
// all viewers of a stream.
#pragma once
#include <chrono>
#include <cstdint>
#include <memory>
#include <ratio>
#include <string>
#include <vector>

namespace rushes::media {

/// Presentation and decoding times of all media: ticks of 1/90000 s.
using Pts = std::chrono::duration<int64_t, std::ratio<1, 90000>>;

/// Time of a picture in a stream of constant rate, rounded to the tick; sums of rounded durations would drift.
inline Pts frame_time(int64_t index, double fps) { return Pts{static_cast<int64_t>(index * 90000.0 / fps + 0.5)}; }

using Bytes = std::vector<uint8_t>;

enum class Codec { h264, vp9, vp8 };  // vp8: WebRTC only

/// One encoded picture.
struct AccessUnit {
  std::shared_ptr<const Bytes> bytes;  // H.264: Annex B, the track's parameter sets before every key frame
  Pts pts{0}, dts{0}, duration{0};
  bool is_key = false;  // a decoder may start here
};

/// What every container and every viewer must know before the first access unit.
struct VideoTrack {
  Codec codec = Codec::h264;
  int64_t width = 0, height = 0;
  double fps = 16;
  Bytes parameter_sets = {};  // H.264: SPS and PPS, Annex B; VP9: empty

  /// As in the codecs parameter of a MIME type (RFC 6381), e.g. "avc1.42C01F".
  std::string codec_string() const;
};

enum class AudioCodec { aac, opus };  // opus: WebRTC only

/// What a container or a decoder must know of sound: one channel.
struct AudioTrack {
  AudioCodec codec = AudioCodec::aac;
  int64_t hz = 16000;           // of what is encoded; Opus decodes to 48 kHz
  int64_t unit_samples = 1024;  // that one access unit decodes to, at hz
  Bytes config = {};            // AAC: AudioSpecificConfig (ISO/IEC 14496-3); Opus: none

  /// RFC 6381; of AAC.
  static constexpr const char* kCodecString = "mp4a.40.2";
};

}  // namespace rushes::media
