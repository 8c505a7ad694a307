#include "rushes/audio/chunk_buffer.h"

#include <gtest/gtest.h>

#include <numeric>

#include "rushes/base/error.h"

namespace rushes::audio {
namespace {

std::vector<float> counting(std::size_t count) {
  std::vector<float> wave(count);
  std::iota(wave.begin(), wave.end(), 1.0f);
  return wave;
}

TEST(ChunkBuffer, windows_do_not_depend_on_how_the_sound_arrives) {
  const auto wave = counting(1000);
  ChunkBuffer whole({100, 20});
  const auto wanted = whole.feed(wave);
  for (const std::size_t piece : {1, 7, 99, 100, 333}) {
    SCOPED_TRACE(piece);
    ChunkBuffer buffer({100, 20});
    std::vector<std::vector<float>> got;
    for (std::size_t at = 0; at < wave.size(); at += piece)
      for (auto& window : buffer.feed(std::span(wave).subspan(at, std::min(piece, wave.size() - at))))
        got.push_back(window);
    EXPECT_EQ(got, wanted);
    EXPECT_EQ(buffer.flush(), ChunkBuffer(whole).flush());
  }
}

TEST(ChunkBuffer, the_last_window_is_filled_with_zeros) {
  ChunkBuffer buffer({10, 2});
  EXPECT_TRUE(buffer.feed(counting(4)).empty());
  EXPECT_EQ(buffer.flush(), (std::vector<float>{1, 2, 3, 4, 0, 0, 0, 0, 0, 0}));
  EXPECT_EQ(buffer.flush(), std::nullopt);
}

TEST(ChunkBuffer, a_fade_ends_in_silence) {
  ChunkBuffer buffer({8, 2, ChunkBuffer::Tail::fade_and_pad});
  buffer.feed(std::vector<float>{1, 1, 1});
  EXPECT_EQ(buffer.flush(), (std::vector<float>{1, 0.5f, 0, 0, 0, 0, 0, 0}));
}

TEST(ChunkBuffer, an_overlap_as_long_as_the_window_is_refused) {
  EXPECT_THROW(ChunkBuffer({10, 10}), Error);
  EXPECT_THROW(ChunkBuffer({0, 0}), Error);
  EXPECT_THROW(ChunkBuffer({10, -1}), Error);
}

TEST(ChunkBuffer, seconds_are_rounded_down_to_samples) {
  const auto options = ChunkBuffer::Options::of_seconds(0.3, 16000);
  EXPECT_EQ(options.chunk_samples, 4800);
  EXPECT_EQ(options.overlap_samples, 960);
  EXPECT_EQ(options.stride_samples(), 3840);
}

}  // namespace
}  // namespace rushes::audio
