// Sound from outside, decoded safely by FFmpeg (audio_formats.h lists what). One channel comes out, at one sampling
// rate, with silence where the file has none.
#pragma once
#include <cstdint>
#include <span>

#include "rushes/media/decoded_audio.h"
#include "rushes/media/read_file.h"

namespace rushes::media {

/// The format is found by content, never by name. A file that breaks off gives what was complete.
/// Throws Error: unsupported (none of those formats), too_large, corrupt_data (nothing in it can be decoded); what
/// limits.admit throws.
DecodedAudio decode_audio(std::span<const uint8_t> bytes, const AudioLimits& limits = {});
/// The same from a file. Throws as read_file() too.
DecodedAudio read_audio(const NamedFile& file, const AudioLimits& limits = {});

/// At another rate.
DecodedAudio resampled(const DecodedAudio& audio, int64_t hz);

}  // namespace rushes::media
