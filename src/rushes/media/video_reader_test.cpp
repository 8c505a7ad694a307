#include "rushes/media/video_reader.h"

#include <gtest/gtest.h>

#include "rushes/media/test_audio.h"
#include "rushes/media/test_video.h"
#include "rushes/media/video_output.h"

namespace rushes::media {
namespace {

constexpr int64_t kWidth = 64, kHeight = 48;

std::shared_ptr<const Bytes> video(int64_t frames, double fps = 25) {
  const auto path =
      std::filesystem::temp_directory_path() / ("rushes_video_reader_" + std::to_string(getpid()) + ".mp4");
  const auto output = open_video_output({.target = path.string(), .width = kWidth, .height = kHeight, .fps = fps});
  for (int64_t i = 0; i < frames; ++i)
    EXPECT_EQ(output->write(test_frame(kWidth, kHeight, i).data(), 1), Reader::present);
  output->finish();
  auto bytes = read_video_file(path);
  std::filesystem::remove(path);
  return bytes;
}

/// Which of test_frame()'s pictures it is, by its colour.
int64_t number_of(const Image& image) {
  int64_t best = -1, least = 1 << 20;
  for (int64_t i = 0; i < 64; ++i) {
    const Bytes wanted = test_frame(1, 1, i);
    int64_t error = 0;
    for (int c = 0; c < 3; ++c)
      error += std::abs(image.rgb.get()[3 * (kWidth * kHeight / 2 + kWidth / 2) + c] - wanted[static_cast<size_t>(c)]);
    if (error < least) best = i, least = error;
  }
  return best;
}

std::vector<int64_t> numbers(VideoReader& reader) {
  std::vector<int64_t> seen;
  while (const auto image = reader.next()) {
    EXPECT_EQ(image->width, kWidth);
    EXPECT_EQ(image->height, kHeight);
    seen.push_back(number_of(*image));
  }
  return seen;
}

std::vector<int64_t> counted(int64_t count) {
  std::vector<int64_t> all;
  for (int64_t i = 0; i < count; ++i) all.push_back(i);
  return all;
}

ErrorCode refusal(const Bytes& bytes, const VideoLimits& limits = {}) {
  try {
    VideoReader reader(std::make_shared<const Bytes>(bytes), limits);
    while (reader.next()) {}
  } catch (const Error& error) {
    return error.code();
  }
  ADD_FAILURE() << "was read";
  return ErrorCode::internal;
}

TEST(VideoReader, gives_every_frame_once_and_in_order) {
  for (const double fps : {25.0, 29.97, 12.5}) {
    VideoReader reader(video(30, fps));
    EXPECT_NEAR(reader.fps(), fps, 0.01);
    EXPECT_EQ(numbers(reader), counted(30)) << fps;
    EXPECT_FALSE(reader.next());
  }
}

TEST(VideoReader, leaves_frames_out_above_sixty_a_second) {
  VideoReader reader(video(48, 120));
  EXPECT_EQ(reader.fps(), 60);
  const auto seen = numbers(reader);
  EXPECT_EQ(seen.size(), 24u);
  EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end()));
  EXPECT_GE(seen.back(), 45);
}

TEST(VideoReader, of_a_file_that_breaks_off_the_beginning_can_be_seen) {
  Bytes bytes = *video(60);
  bytes.resize(bytes.size() * 3 / 4);
  VideoReader reader(std::make_shared<const Bytes>(bytes));
  const auto seen = numbers(reader);
  EXPECT_GT(seen.size(), 20u);
  EXPECT_LT(seen.size(), 60u);
  EXPECT_EQ(seen, counted(static_cast<int64_t>(seen.size())));
}

TEST(VideoReader, refuses_what_is_no_video_with_the_code_that_says_why) {
  EXPECT_EQ(refusal({}), ErrorCode::corrupt_data);
  EXPECT_EQ(refusal(Bytes(1000, 7)), ErrorCode::unsupported);
  const std::string wav = wav_file(test_audio(16'000), 16'000);
  EXPECT_EQ(refusal(Bytes(wav.begin(), wav.end())), ErrorCode::unsupported);
  const Bytes good = *video(30);
  EXPECT_EQ(refusal(good, {.max_bytes = 100}), ErrorCode::too_large);
  EXPECT_EQ(refusal(good, {.max_seconds = 0.5}), ErrorCode::too_large);
  EXPECT_EQ(refusal(good, {.max_pixels = 1000}), ErrorCode::too_large);
  EXPECT_THROW(read_video_file("no/such/file.mp4"), Error);
}

}  // namespace
}  // namespace rushes::media
