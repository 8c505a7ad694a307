// Sound from outside, decoded safely: WAV, MP3, FLAC, Ogg (Vorbis, Opus), WebM and MP4 by FFmpeg, or bare PCM. One
// channel comes out, the mean of all, at one sampling rate.
#pragma once
#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

#include "rushes/media/access_unit.h"

namespace rushes::media {

struct AudioLimits {
  int64_t max_bytes = 256 << 20;  // of the file
  double max_seconds = 3600;
  int64_t max_samples = 64 << 20;  // 256 MiB of one channel: 23 minutes at 48 kHz, 70 at 16 kHz
};

/// One channel in [-1, 1], at the file's own rate.
struct DecodedAudio {
  std::vector<float> samples;
  int64_t hz = 0;
  double seconds() const { return hz > 0 ? static_cast<double>(samples.size()) / static_cast<double>(hz) : 0; }
};

/// The format is found by content, never by name. A file that breaks off gives what was complete.
/// Throws Error: unsupported (none of the formats above), too_large, corrupt_data (nothing in it can be decoded).
DecodedAudio decode_audio(std::span<const uint8_t> bytes, const AudioLimits& limits = {});
/// The same from a file. Throws Error(not_found) too.
DecodedAudio read_audio(const std::filesystem::path& path, const AudioLimits& limits = {});

/// At another rate.
DecodedAudio resampled(const DecodedAudio& audio, int64_t hz);

/// Signed 16-bit little-endian samples, channels interleaved; a cut-off last one is left out.
DecodedAudio decode_pcm16(std::span<const uint8_t> bytes, int64_t hz, int64_t channels = 1);

}  // namespace rushes::media
