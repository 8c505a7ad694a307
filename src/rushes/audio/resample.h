// Sampling rates of sound.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

namespace rushes::audio {

/// One channel at another sampling rate, band-limited (the SoX resampler at high quality, 20 bits). Returns
/// ceil(samples to_hz / from_hz) values; equal rates copy. Pieces resampled on their own do not join without a trace at
/// their edges. Throws Error(invalid_argument) for rates outside 1 Hz to 10 MHz. Any thread.
std::vector<float> resample(std::span<const float> samples, int64_t from_hz, int64_t to_hz);

}  // namespace rushes::audio
