#include "rushes/media/video_reader.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

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

/// The display matrix of an MP4's first track: ISO/IEC 14496-12, 8.3.2, version 0.
std::shared_ptr<const Bytes> turned_by_90(const Bytes& file) {
  Bytes bytes = file;
  const std::string_view mark = "tkhd";
  const auto found = std::search(bytes.begin(), bytes.end(), mark.begin(), mark.end());
  EXPECT_NE(found, bytes.end());
  const int32_t matrix[] = {0, 1 << 16, 0, -(1 << 16), 0, 0, kHeight << 16, 0, 1 << 30};
  const std::ptrdiff_t at = found - bytes.begin() + 4 + 40;
  for (int i = 0; i < 9; ++i)
    for (int k = 0; k < 4; ++k)
      bytes[static_cast<std::size_t>(at + 4 * i + k)] =
          static_cast<uint8_t>(static_cast<uint32_t>(matrix[i]) >> (24 - 8 * k));
  return std::make_shared<const Bytes>(std::move(bytes));
}

TEST(VideoReader, turns_what_a_phone_recorded_upright) {
  VideoReader reader(turned_by_90(*video(10)));
  const auto image = reader.next();
  ASSERT_TRUE(image.has_value());
  EXPECT_EQ(image->width, kHeight);
  EXPECT_EQ(image->height, kWidth);
}

/// Frames of test_frame() that are shown from these times on, in seconds, in Matroska; of other sizes from `larger` on.
std::shared_ptr<const Bytes> frames_at(const std::vector<double>& times, std::size_t larger = 1000,
                                       AVRational pixel_aspect = {0, 1}, const char* container = "matroska") {
  libav::set_up();
  AVFormatContext* muxer = nullptr;
  libav::check(avformat_alloc_output_context2(&muxer, nullptr, container, nullptr), container);
  const std::unique_ptr<AVFormatContext, void (*)(AVFormatContext*)> owner(muxer, avformat_free_context);
  AVStream* stream = avformat_new_stream(muxer, nullptr);
  stream->codecpar->codec_type = AVMEDIA_TYPE_VIDEO;
  stream->codecpar->codec_id = AV_CODEC_ID_MJPEG;
  stream->codecpar->width = kWidth;
  stream->codecpar->height = kHeight;
  stream->sample_aspect_ratio = stream->codecpar->sample_aspect_ratio = pixel_aspect;
  stream->time_base = {1, 1000};
  libav::check(avio_open_dyn_buf(&muxer->pb), container);
  libav::check(avformat_write_header(muxer, nullptr), container);
  const auto packet = libav::owned(av_packet_alloc(), "packet");
  for (std::size_t i = 0; i < times.size(); ++i) {
    const int64_t scale = i >= larger ? 2 : 1;
    const Bytes rgb = test_frame(scale * kWidth, scale * kHeight, static_cast<int64_t>(i));
    const Bytes jpeg = encode_jpeg(rgb.data(), scale * kWidth, scale * kHeight, 95);
    libav::check(av_new_packet(packet.get(), static_cast<int>(jpeg.size())), "packet");
    std::copy(jpeg.begin(), jpeg.end(), packet->data);
    packet->pts = packet->dts = std::llround(times[i] * 1000);
    packet->duration = 40;
    av_packet_rescale_ts(packet.get(), {1, 1000}, stream->time_base);
    packet->flags = AV_PKT_FLAG_KEY;
    libav::check(av_interleaved_write_frame(muxer, packet.get()), container);
  }
  libav::check(av_write_trailer(muxer), container);
  uint8_t* data = nullptr;
  const int size = avio_close_dyn_buf(muxer->pb, &data);
  muxer->pb = nullptr;
  auto bytes = std::make_shared<const Bytes>(data, data + size);
  av_free(data);
  return bytes;
}

TEST(VideoReader, holds_a_picture_over_a_pause) {
  std::vector<double> times;
  for (int i = 0; i < 10; ++i) times.push_back(0.04 * i);
  for (int i = 0; i < 10; ++i) times.push_back(0.8 + 0.04 * i);
  VideoReader reader(frames_at(times));
  const auto seen = numbers(reader);
  const double fps = reader.fps();
  EXPECT_NEAR(static_cast<double>(seen.size()) / fps, 1.2, 0.06);
  for (std::size_t i = 0; i < seen.size(); ++i) {
    const double time = static_cast<double>(i) / fps;
    if (time > 0.42 && time < 0.74) {
      EXPECT_EQ(seen[i], 9) << time;
    }
    if (time > 0.86) {
      EXPECT_NEAR(static_cast<double>(seen[i]), 10 + (time - 0.8) / 0.04, 1.1) << time;
    }
  }
}

TEST(VideoReader, goes_on_when_the_size_changes) {
  std::vector<double> times;
  for (int i = 0; i < 20; ++i) times.push_back(0.04 * i);
  VideoReader reader(frames_at(times, 10));
  EXPECT_EQ(numbers(reader), counted(20));  // all of the first one's size
}

TEST(VideoReader, shows_pixels_that_are_not_square_in_the_proportions_that_the_file_says) {
  struct Case {
    AVRational pixel_aspect;
    int64_t width, height;
    int64_t max_pixels = VideoLimits{}.max_pixels;
  };
  for (const char* container : {"matroska", "mov"})
    for (const Case& c :
         {Case{{2, 1}, 2 * kWidth, kHeight}, Case{{3, 4}, kWidth * 3 / 4, kHeight}, Case{{1, 1}, kWidth, kHeight},
          Case{{0, 1}, kWidth, kHeight}, Case{{2, 1}, kWidth, kHeight / 2, kWidth * kHeight}}) {
      SCOPED_TRACE(fmt::format("{}, {}:{}", container, c.pixel_aspect.num, c.pixel_aspect.den));
      VideoReader reader(frames_at({0, 0.04, 0.08}, 1000, c.pixel_aspect, container), {.max_pixels = c.max_pixels});
      for (int64_t i = 0; i < 3; ++i) {
        const auto image = reader.next();
        ASSERT_TRUE(image.has_value());
        EXPECT_EQ(image->width, c.width);
        EXPECT_EQ(image->height, c.height);
      }
    }
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
