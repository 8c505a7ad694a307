#include "rushes/audio/wav.h"

#include <algorithm>
#include <cmath>
#include <string_view>

namespace rushes::audio {

std::vector<uint8_t> wav_file(std::span<const float> samples, int64_t hz) {
  const auto size = static_cast<int64_t>(2 * samples.size());
  std::vector<uint8_t> file;
  file.reserve(samples.size() * 2 + 44);
  const auto number = [&](int64_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) file.push_back(static_cast<uint8_t>(static_cast<uint64_t>(value) >> (8 * i)));
  };
  const auto word = [&](std::string_view text) { file.insert(file.end(), text.begin(), text.end()); };
  word("RIFF");
  number(36 + size, 4);
  word("WAVEfmt ");
  number(16, 4);  // bytes of what follows
  number(1, 2);   // PCM
  number(1, 2);   // channel
  number(hz, 4);
  number(2 * hz, 4);  // bytes a second
  number(2, 2);       // bytes a sample
  number(16, 2);      // bits a sample
  word("data");
  number(size, 4);
  for (const float sample : samples) number(std::lround(std::clamp(sample, -1.0f, 1.0f) * 32767.0f), 2);
  return file;
}

}  // namespace rushes::audio
