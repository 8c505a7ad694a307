// Speech as the motion model hears it: one feature for each video frame, from windows with a past and a future.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace rushes::ditto {

inline constexpr int64_t kSampleRate = 16000;
inline constexpr int64_t kFrameSamples = 640;  // 25 frames a second

/// Frames of a window of speech: `current` of them get a feature, seen with those before and after.
struct ChunkSize {
  int64_t past = 3, current = 5, future = 2;
  /// Samples of a window: its frames, and 80 for the encoder's own width.
  int64_t samples() const noexcept { return (past + current + future) * kFrameSamples + 80; }
  int64_t step() const noexcept { return current * kFrameSamples; }
  /// Throws Error(invalid_argument) for sizes without a current or a future frame: upstream has no features then.
  void check() const;
};

/// Frames that so many samples last, the last one begun.
int64_t frames_of(int64_t samples);

/// Speech windows [B, S] float32 on the CPU to features [B, n, H], two for each frame of 25 a second
/// (wav2vec::Encoder).
using SpeechEncoder = std::function<at::Tensor(const at::Tensor& windows)>;

/// Any thread: no state.
class SpeechFeatures {
 public:
  SpeechFeatures(SpeechEncoder encoder, const ChunkSize& size);

  /// windows [B, samples()] float32. Returns [B, current, H] float32, on the CPU as all that is not a network.
  at::Tensor windows(const at::Tensor& windows) const;
  /// All features of wave [S] in the layout for whole files: [frames_of(S), H].
  at::Tensor whole(const at::Tensor& wave) const;
  /// Of `frames` of silence in that layout: [frames, H].
  at::Tensor silence(int64_t frames) const;
  const ChunkSize& size() const noexcept { return size_; }

 private:
  SpeechEncoder encoder_;
  ChunkSize size_;
};

/// Where windows lie: those of streams begin 80 samples later than those of whole files.
enum class SpeechLayout { stream, whole_file };

/// Cuts speech that arrives in pieces into windows, which do not depend on how it was cut.
class SpeechWindows {
 public:
  explicit SpeechWindows(const ChunkSize& size, SpeechLayout layout = SpeechLayout::stream);
  /// Windows that are complete with these samples, each of ChunkSize::samples().
  std::vector<std::vector<float>> push(std::span<const float> samples);
  /// What is left, filled with silence.
  std::vector<std::vector<float>> finish();

 private:
  ChunkSize size_;
  SpeechLayout layout_;
  int64_t front_;  // samples of silence before the speech
  std::vector<float> held_;
  int64_t received_ = 0, begun_ = 0;  // samples of speech; windows given out
};

}  // namespace rushes::ditto
