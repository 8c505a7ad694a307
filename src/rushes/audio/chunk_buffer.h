// Sound that arrives in pieces of any length, cut into windows of equal length that overlap.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace rushes::audio {

/// One stream's samples that wait for a full window. One thread at a time.
class ChunkBuffer {
 public:
  enum class Tail {
    pad,           // zeros after the last samples
    fade_and_pad,  // the last 320 samples fade out linearly first
  };
  struct Options {
    int64_t chunk_samples;    // length of a window
    int64_t overlap_samples;  // of it that the next window repeats
    Tail tail = Tail::pad;

    /// Windows of so many seconds, of which `overlap_ratio` is repeated; both counts rounded down.
    static Options of_seconds(double chunk_seconds, int64_t sampling_rate, double overlap_ratio = 0.2,
                              Tail tail = Tail::pad);
    int64_t stride_samples() const { return chunk_samples - overlap_samples; }
  };

  /// Throws Error(invalid_argument) unless 0 <= overlap_samples < chunk_samples.
  explicit ChunkBuffer(const Options& options);

  /// Appends samples and returns the windows that are full now, in order.
  std::vector<std::vector<float>> feed(std::span<const float> samples);
  /// What is left, as one last window filled up with zeros; nothing if nothing is left. Empties the buffer. After a
  /// full window at least its overlap is left, so the last window repeats sound that was used before.
  std::optional<std::vector<float>> flush();

  int64_t waiting() const noexcept { return static_cast<int64_t>(samples_.size()); }
  const Options& options() const noexcept { return options_; }

 private:
  Options options_;
  std::vector<float> samples_;
};

}  // namespace rushes::audio
