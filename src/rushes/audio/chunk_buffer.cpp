#include "rushes/audio/chunk_buffer.h"

#include <algorithm>

#include "rushes/base/error.h"

namespace rushes::audio {
namespace {

constexpr std::size_t kFadeSamples = 320;  // 20 ms at 16 kHz

/// Factors from 1 down to exactly 0.
void fade_out(std::vector<float>& samples) {
  const std::size_t count = std::min(kFadeSamples, samples.size());
  float* last = samples.data() + samples.size() - count;
  for (std::size_t i = 1; i < count; ++i) last[i] *= 1.0f - static_cast<float>(i) / static_cast<float>(count - 1);
}

}  // namespace

ChunkBuffer::Options ChunkBuffer::Options::of_seconds(double chunk_seconds, int64_t sampling_rate, double overlap_ratio,
                                                      Tail tail) {
  const auto chunk = static_cast<int64_t>(chunk_seconds * static_cast<double>(sampling_rate));
  return {chunk, static_cast<int64_t>(overlap_ratio * static_cast<double>(chunk)), tail};
}

ChunkBuffer::ChunkBuffer(const Options& options) : options_(options) {
  require(options.chunk_samples > 0 && options.overlap_samples >= 0 && options.overlap_samples < options.chunk_samples,
          ErrorCode::invalid_argument,
          "windows of {} samples cannot overlap by {}; the overlap must be shorter than a window",
          options.chunk_samples, options.overlap_samples);
}

std::vector<std::vector<float>> ChunkBuffer::feed(std::span<const float> samples) {
  samples_.insert(samples_.end(), samples.begin(), samples.end());
  std::vector<std::vector<float>> windows;
  const auto length = static_cast<std::size_t>(options_.chunk_samples),
             stride = static_cast<std::size_t>(options_.stride_samples());
  std::size_t begin = 0;
  for (; begin + length <= samples_.size(); begin += stride) {
    const auto first = samples_.begin() + static_cast<std::ptrdiff_t>(begin);
    windows.emplace_back(first, first + options_.chunk_samples);
  }
  samples_.erase(samples_.begin(), samples_.begin() + static_cast<std::ptrdiff_t>(begin));
  return windows;
}

std::optional<std::vector<float>> ChunkBuffer::flush() {
  if (samples_.empty()) return std::nullopt;
  std::vector<float> window;
  window.swap(samples_);
  if (options_.tail == Tail::fade_and_pad) fade_out(window);
  window.resize(static_cast<std::size_t>(options_.chunk_samples), 0.0f);
  return window;
}

}  // namespace rushes::audio
