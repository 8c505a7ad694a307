#include "rushes/audio/downmix.h"

#include <gtest/gtest.h>

#include <cmath>
#include <span>
#include <vector>

#include "rushes/base/error.h"

namespace rushes::audio {
namespace {

constexpr int64_t kHz = 16'000;

float voice(int64_t i) { return static_cast<float>(0.5 * std::sin(2 * M_PI * 200 * static_cast<double>(i) / kHz)); }
float other(int64_t i) { return static_cast<float>(0.5 * std::sin(2 * M_PI * 347 * static_cast<double>(i) / kHz)); }

double rms(const std::vector<float>& wave) {
  double sum = 0;
  for (const float value : wave) sum += static_cast<double>(value) * value;
  return std::sqrt(sum / static_cast<double>(wave.size()));
}

/// One second of channels that have so much of the voice.
std::vector<float> channels(const std::vector<float>& shares) {
  std::vector<float> wave;
  for (int64_t i = 0; i < kHz; ++i)
    for (const float share : shares) wave.push_back(share * voice(i));
  return wave;
}

/// All of it at once.
std::vector<float> mixed_down(std::span<const float> interleaved, int64_t channels, int64_t hz) {
  Downmix downmix(channels, hz);
  std::vector<float> mono;
  downmix.feed(interleaved, mono);
  downmix.flush(mono);
  return mono;
}

TEST(Downmix, is_the_mean_where_nothing_is_lost) {
  for (const std::vector<float>& shares :
       std::vector<std::vector<float>>{{1}, {1, 1}, {1, 0}, {0.3f, 1}, {1, 1, 1, 1, 1, 1}, {1, 0.8f, 1, 0.5f}}) {
    float mean = 0;
    for (const float share : shares) mean += share / static_cast<float>(shares.size());
    const auto mono = mixed_down(channels(shares), static_cast<int64_t>(shares.size()), kHz);
    ASSERT_EQ(mono.size(), static_cast<std::size_t>(kHz));
    for (int64_t i = 0; i < kHz; i += 7) ASSERT_NEAR(mono[static_cast<std::size_t>(i)], mean * voice(i), 1e-6);
  }
}

TEST(Downmix, is_the_loudest_channel_where_the_mean_would_lose_it) {
  struct Case {
    std::vector<float> shares;
    float loudest;
  };
  for (const Case& c : {Case{{1, -1}, 1}, Case{{0.5f, -1}, -1}, Case{{-1, 0.4f}, -1}, Case{{0, 0, 1, 0, 0, 0}, 1},
                        Case{{1, -1, 1, -1, 0, 0}, 1}, Case{{0.2f, -0.9f, 0.7f}, -0.9f}}) {
    const auto mono = mixed_down(channels(c.shares), static_cast<int64_t>(c.shares.size()), kHz);
    ASSERT_EQ(mono.size(), static_cast<std::size_t>(kHz));
    for (int64_t i = 0; i < kHz; i += 7) ASSERT_NEAR(mono[static_cast<std::size_t>(i)], c.loudest * voice(i), 1e-6);
  }
}

TEST(Downmix, tells_that_channels_cancel) {
  std::vector<float> mono;
  Downmix inverted(2, kHz), alike(2, kHz);
  inverted.feed(channels({1, -1}), mono);
  alike.feed(channels({1, 0.5f}), mono);
  EXPECT_TRUE(inverted.cancels());
  EXPECT_FALSE(alike.cancels());
}

TEST(Downmix, two_voices_are_both_heard) {
  std::vector<float> wave;
  for (int64_t i = 0; i < kHz; ++i) wave.insert(wave.end(), {voice(i), other(i)});
  const auto mono = mixed_down(wave, 2, kHz);
  for (int64_t i = 0; i < kHz; i += 7) ASSERT_NEAR(mono[static_cast<std::size_t>(i)], (voice(i) + other(i)) / 2, 1e-6);
}

TEST(Downmix, goes_from_one_to_the_other_without_a_click) {
  std::vector<float> wave;
  for (int64_t i = 0; i < kHz; ++i) {
    const float sign = i / 4000 % 2 == 0 ? 1.0f : -1.0f;
    wave.insert(wave.end(), {voice(i), sign * voice(i)});
  }
  const auto mono = mixed_down(wave, 2, kHz);
  for (std::size_t i = 1; i < mono.size(); ++i) ASSERT_LT(std::abs(mono[i] - mono[i - 1]), 0.08) << i;
  EXPECT_NEAR(rms(mono), rms(channels({1})), 0.02);
}

TEST(Downmix, pieces_give_what_the_whole_gives) {
  const auto wave = channels({0.6f, -1});
  const auto whole = mixed_down(wave, 2, kHz);
  Downmix downmix(2, kHz);
  std::vector<float> mono;
  for (std::size_t at = 0; at < wave.size(); at += 333)
    downmix.feed(std::span(wave).subspan(at, std::min<std::size_t>(333, wave.size() - at)), mono);
  downmix.flush(mono);
  EXPECT_EQ(mono, whole);
}

TEST(Downmix, refuses_channels_that_cannot_be) {
  EXPECT_THROW(Downmix(0, kHz), Error);
  EXPECT_THROW(Downmix(65, kHz), Error);
  EXPECT_THROW(Downmix(2, 0), Error);
}

}  // namespace
}  // namespace rushes::audio
