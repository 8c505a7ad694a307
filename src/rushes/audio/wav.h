// Sound as a WAV file.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

namespace rushes::audio {

/// One channel of 16-bit samples; what is outside of [-1, 1] is clipped.
std::vector<uint8_t> wav_file(std::span<const float> samples, int64_t hz);

}  // namespace rushes::audio
