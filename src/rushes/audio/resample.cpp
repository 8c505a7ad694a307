#include "rushes/audio/resample.h"

#include <soxr.h>

#include "rushes/base/error.h"

namespace rushes::audio {

std::vector<float> resample(std::span<const float> samples, int64_t from_hz, int64_t to_hz) {
  constexpr int64_t kMaxHz = 10'000'000;
  for (const int64_t rate : {from_hz, to_hz})
    require(rate >= 1 && rate <= kMaxHz, ErrorCode::invalid_argument,
            "a sampling rate of {} Hz cannot be resampled; allowed are 1 to {}", rate, kMaxHz);
  if (from_hz == to_hz || samples.empty()) return {samples.begin(), samples.end()};
  const auto from = static_cast<std::size_t>(from_hz), to = static_cast<std::size_t>(to_hz);
  std::vector<float> out((samples.size() * to + from - 1) / from, 0.0f);
  const soxr_io_spec_t types = soxr_io_spec(SOXR_FLOAT32_I, SOXR_FLOAT32_I);
  const soxr_quality_spec_t quality = soxr_quality_spec(SOXR_HQ, 0);
  // The library rounds its length to the nearest; a last value that it does not give stays 0.
  const soxr_error_t error =
      soxr_oneshot(static_cast<double>(from_hz), static_cast<double>(to_hz), /*channels=*/1, samples.data(),
                   samples.size(), nullptr, out.data(), out.size(), nullptr, &types, &quality, nullptr);
  require(error == nullptr, ErrorCode::internal, "resampling from {} to {} Hz failed: {}", from_hz, to_hz,
          soxr_strerror(error));
  return out;
}

}  // namespace rushes::audio
