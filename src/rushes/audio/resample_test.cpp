#include "rushes/audio/resample.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "rushes/base/error.h"

namespace rushes::audio {
namespace {

std::vector<float> tone(double hz, int64_t rate, std::size_t samples) {
  std::vector<float> wave(samples);
  for (std::size_t i = 0; i < samples; ++i)
    wave[i] =
        static_cast<float>(std::sin(2 * std::numbers::pi * hz * static_cast<double>(i) / static_cast<double>(rate)));
  return wave;
}

TEST(Resample, a_tone_keeps_its_frequency_at_every_rate) {
  const auto wanted = tone(440, 16000, 3200);
  for (const int64_t rate : {8000, 22050, 24000, 44100, 48000}) {
    SCOPED_TRACE(rate);
    const auto got = resample(tone(440, rate, static_cast<std::size_t>(rate / 5)), rate, 16000);
    ASSERT_EQ(got.size(), wanted.size());
    for (std::size_t i = 200; i + 200 < got.size(); ++i) ASSERT_NEAR(got[i], wanted[i], 2e-3) << i;
  }
}

TEST(Resample, a_tone_above_half_the_new_rate_is_removed) {
  const auto got = resample(tone(12000, 48000, 9600), 48000, 16000);
  for (std::size_t i = 200; i + 200 < got.size(); ++i) ASSERT_NEAR(got[i], 0, 1e-3) << i;
}

TEST(Resample, the_length_is_rounded_up) {
  EXPECT_EQ(resample(std::vector<float>(1001), 44100, 16000).size(), 364u);
  EXPECT_EQ(resample(std::vector<float>(1), 48000, 16000).size(), 1u);
  EXPECT_TRUE(resample({}, 48000, 16000).empty());
}

TEST(Resample, rates_of_no_sound_are_refused) {
  const std::vector<float> wave(10);
  EXPECT_THROW(resample(wave, 0, 16000), Error);
  EXPECT_THROW(resample(wave, 16000, -1), Error);
  EXPECT_THROW(resample(wave, 20'000'000, 16000), Error);
}

}  // namespace
}  // namespace rushes::audio
