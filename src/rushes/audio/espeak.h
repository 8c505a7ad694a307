// Text to speech by espeak-ng, where it is installed. The library (GPL) is loaded when speech is wanted first: the
// program runs without it, and is not made of it.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace rushes::audio {

struct Voice {
  std::string name = "en-us";  // of espeak-ng's: a language, and a variant behind '+'
  int words_per_minute = 160;
  int pitch = 50, pitch_range = 50;  // 0 to 99
};

struct SpokenPhoneme {
  double seconds;    // where it begins
  std::string name;  // Kirshenbaum's notation
};

struct SpokenText {
  std::vector<float> samples;  // one channel in [-1, 1]
  int64_t hz = 0;
  std::vector<SpokenPhoneme> phonemes;
};

/// Any thread; one text (UTF-8) at a time is spoken. Throws Error(unavailable) naming the packages if espeak-ng is not
/// installed, Error(not_found) for a voice that it does not have.
SpokenText speak_text(const std::string& text, const Voice& voice);

}  // namespace rushes::audio
