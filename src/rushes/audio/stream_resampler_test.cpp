#include "rushes/audio/stream_resampler.h"

#include <gtest/gtest.h>

#include <cmath>

#include "rushes/audio/resample.h"
#include "rushes/base/error.h"

namespace rushes::audio {
namespace {

std::vector<float> tone(std::size_t samples) {
  std::vector<float> wave(samples);
  for (std::size_t i = 0; i < samples; ++i) wave[i] = std::sin(static_cast<float>(i) * 0.09f);
  return wave;
}

std::vector<float> in_pieces(StreamResampler& resampler, const std::vector<float>& wave, std::size_t piece) {
  std::vector<float> out;
  const auto append = [&](const std::vector<float>& more) { out.insert(out.end(), more.begin(), more.end()); };
  for (std::size_t at = 0; at < wave.size(); at += piece)
    append(resampler.feed({wave.data() + at, std::min(piece, wave.size() - at)}));
  append(resampler.flush());
  return out;
}

TEST(StreamResampler, pieces_joined_equal_the_whole) {
  const std::vector<float> wave = tone(24'011);
  for (const int64_t rate : {8000, 16'000, 22'050, 24'000, 44'100, 48'000}) {
    const std::vector<float> whole = resample(wave, rate, 16'000);
    for (const std::size_t piece : {1u, 480u, 7001u, 100'000u}) {
      StreamResampler resampler(rate, 16'000);
      const std::vector<float> joined = in_pieces(resampler, wave, piece);
      ASSERT_EQ(joined.size(), whole.size()) << rate << " " << piece;
      double worst = 0;
      for (std::size_t i = 0; i < whole.size(); ++i) worst = std::max<double>(worst, std::abs(joined[i] - whole[i]));
      EXPECT_LT(worst, 1e-4) << rate << " " << piece;
    }
  }
}

TEST(StreamResampler, begins_anew_after_the_end) {
  StreamResampler resampler(24'000, 16'000);
  const std::vector<float> first = in_pieces(resampler, tone(3000), 700),
                           second = in_pieces(resampler, tone(3000), 700);
  EXPECT_EQ(first.size(), 2000u);
  EXPECT_EQ(first, second);
  EXPECT_TRUE(resampler.flush().empty());
}

TEST(StreamResampler, a_piece_without_samples_is_not_the_end) {
  const std::vector<float> wave = tone(3000), nothing;
  StreamResampler plain(24'000, 16'000), interrupted(24'000, 16'000);
  EXPECT_TRUE(interrupted.feed(nothing).empty());
  std::vector<float> out = interrupted.feed({wave.data(), 1000});
  const auto append = [&](const std::vector<float>& more) { out.insert(out.end(), more.begin(), more.end()); };
  append(interrupted.feed(nothing));
  append(interrupted.feed({wave.data() + 1000, 0}));
  append(interrupted.feed({wave.data() + 1000, 2000}));
  append(interrupted.flush());
  EXPECT_EQ(out, in_pieces(plain, wave, 1000));
}

TEST(StreamResampler, refuses_rates_that_are_none) {
  EXPECT_THROW(StreamResampler(0, 16'000), Error);
  EXPECT_THROW(StreamResampler(16'000, 100'000'000), Error);
}

}  // namespace
}  // namespace rushes::audio
