// Synthetic speech with the mouth that makes it: sentences of a word list, spoken by espeak-ng, whose phonemes and
// their times are known.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "rushes/training/random.h"

namespace rushes::training {

constexpr int64_t kSpeechRate = 16000;     // samples per second
constexpr int64_t kSamplesPerFrame = 640;  // at 25 video frames per second

/// What the lips and the jaw do; a phoneme belongs to one class.
enum class Viseme {
  silence,
  closed,
  lip_teeth,
  tongue_teeth,
  tongue,
  hiss,
  back,
  rounded,
  open,
  middle,
  spread,
  pursed
};
constexpr int64_t kVisemes = 12;

struct SpeechClip {
  at::Tensor wave;     // [S] float32 in -1 .. 1, S a multiple of kSamplesPerFrame
  at::Tensor mouth;    // [T, 3] float32: jaw 0 .. 1, width -1 .. 1, rounding 0 .. 1 at the middle of each video frame
  at::Tensor visemes;  // [T] int64
  std::string text;
};

/// A sentence of `words` words in one of the voices; those of held_out are not used in training. Loads espeak-ng at
/// the first call and throws Error(unavailable) naming the package if it is not installed. Any thread, one at a time.
SpeechClip speak(uint64_t seed, uint64_t index, Split split, int64_t words);
/// The same of a given text.
SpeechClip speak(const std::string& text, const std::string& voice, int words_per_minute, int pitch);

/// Room, microphone and loudness: gain, noise, a little echo; now and then silence all along, whose mouth is at rest.
SpeechClip roughened(const SpeechClip& clip, Random& random);

/// Frames [first, first + video_frames) of a clip; beyond its end is silence.
SpeechClip cut(const SpeechClip& clip, int64_t first, int64_t video_frames);

}  // namespace rushes::training
