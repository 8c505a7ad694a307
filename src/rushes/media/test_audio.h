// For tests: sound and WAV files.
#pragma once
#include <bit>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

namespace rushes::media {

/// A tone whose loudness rises and falls, so that shifts in time show.
inline std::vector<float> test_audio(std::size_t samples, double hz = 16'000) {
  std::vector<float> wave(samples);
  for (std::size_t i = 0; i < samples; ++i) {
    const double t = static_cast<double>(i) / hz;
    wave[i] = static_cast<float>(0.5 * std::sin(2 * M_PI * 220 * t) * std::sin(2 * M_PI * 3 * t));
  }
  return wave;
}

inline void append_number(std::string& bytes, uint32_t number, int size) {
  for (int i = 0; i < size; ++i) bytes += static_cast<char>(number >> (8 * i));
}

/// A WAV file of 16-bit samples; every channel gets the same. `claimed_bytes`: what the header says of the data.
inline std::string wav_file(const std::vector<float>& samples, int hz, int channels = 1, int64_t claimed_bytes = -1) {
  std::string data;
  for (const float sample : samples)
    for (int c = 0; c < channels; ++c)
      append_number(data, static_cast<uint16_t>(static_cast<int16_t>(std::lround(sample * 32767))), 2);
  const auto size = static_cast<uint32_t>(claimed_bytes < 0 ? static_cast<int64_t>(data.size()) : claimed_bytes);
  std::string file = "RIFF";
  append_number(file, 36 + size, 4);
  file += "WAVEfmt ";
  append_number(file, 16, 4);
  append_number(file, 1, 2);
  append_number(file, static_cast<uint32_t>(channels), 2);
  append_number(file, static_cast<uint32_t>(hz), 4);
  append_number(file, static_cast<uint32_t>(hz * channels * 2), 4);
  append_number(file, static_cast<uint32_t>(channels * 2), 2);
  append_number(file, 16, 2);
  file += "data";
  append_number(file, size, 4);
  return file + data;
}

/// A WAV file of one channel of floating point.
inline std::string float_wav_file(const std::vector<float>& samples, int hz) {
  const auto size = static_cast<uint32_t>(4 * samples.size());
  std::string file = "RIFF";
  append_number(file, 36 + size, 4);
  file += "WAVEfmt ";
  append_number(file, 16, 4);
  append_number(file, 3, 2);
  append_number(file, 1, 2);
  append_number(file, static_cast<uint32_t>(hz), 4);
  append_number(file, static_cast<uint32_t>(hz * 4), 4);
  append_number(file, 4, 2);
  append_number(file, 32, 2);
  file += "data";
  append_number(file, size, 4);
  for (const float sample : samples) append_number(file, std::bit_cast<uint32_t>(sample), 4);
  return file;
}

/// A WAV file of one channel with the most significant byte first, RIFX; of 16, 24 or 32 bits, or of floating point.
inline std::string big_endian_wav_file(const std::vector<float>& samples, int hz, int bits, bool floating = false) {
  std::string file;
  const auto append = [&](uint32_t number, int size) {
    for (int i = size - 1; i >= 0; --i) file += static_cast<char>(number >> (8 * i));
  };
  const int bytes = bits / 8;
  const auto size = static_cast<uint32_t>(samples.size()) * static_cast<uint32_t>(bytes);
  file += "RIFX";
  append(36 + size, 4);
  file += "WAVEfmt ";
  append(16, 4);
  append(floating ? 3 : 1, 2);
  append(1, 2);
  append(static_cast<uint32_t>(hz), 4);
  append(static_cast<uint32_t>(hz * bytes), 4);
  append(static_cast<uint32_t>(bytes), 2);
  append(static_cast<uint32_t>(bits), 2);
  file += "data";
  append(size, 4);
  for (const float sample : samples)
    append(floating ? std::bit_cast<uint32_t>(sample)
                    : static_cast<uint32_t>(std::lround(static_cast<double>(sample) * 32767)) << 16 >> (32 - bits),
           bytes);
  return file;
}

/// Frames of an MP3 stream without any tag: silence, 1152 samples at 44100 Hz in each 417 bytes.
inline std::string silent_mp3(int frames) {
  std::string stream;
  for (int i = 0; i < frames; ++i) stream += "\xff\xfb\x90\x64" + std::string(413, '\0');
  return stream;
}

/// The beginning of an MP4 file that breaks off before its index.
inline std::string mp4_without_index() {
  return std::string(
             "\0\0\0\x10"
             "ftypM4A \0\0\0\0"
             "\0\1\0\0"
             "mdat",
             24) +
         std::string(5000, '\x21');
}

}  // namespace rushes::media
