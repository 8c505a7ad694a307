#include "rushes/audio/wav.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

namespace rushes::audio {
namespace {

template <typename T>
T at(const std::string& file, std::size_t place) {
  T value;
  std::memcpy(&value, file.data() + place, sizeof value);
  return value;
}

TEST(WavFile, says_what_it_holds_and_clips) {
  const std::vector<float> samples{0, 0.5f, -1, 2};
  const std::vector<uint8_t> bytes = wav_file(samples, 16'000);
  const std::string file(bytes.begin(), bytes.end());
  ASSERT_EQ(file.size(), 44u + 8u);
  EXPECT_EQ(file.substr(0, 4) + file.substr(8, 8) + file.substr(36, 4), "RIFFWAVEfmt data");
  EXPECT_EQ(at<uint32_t>(file, 4), file.size() - 8);
  EXPECT_EQ(at<uint16_t>(file, 22), 1);
  EXPECT_EQ(at<uint32_t>(file, 24), 16'000u);
  EXPECT_EQ(at<uint32_t>(file, 28), 32'000u);
  EXPECT_EQ(at<uint32_t>(file, 40), 8u);
  EXPECT_EQ(at<int16_t>(file, 44), 0);
  EXPECT_EQ(at<int16_t>(file, 46), 16384);
  EXPECT_EQ(at<int16_t>(file, 48), -32767);
  EXPECT_EQ(at<int16_t>(file, 50), 32767);
}

}  // namespace
}  // namespace rushes::audio
