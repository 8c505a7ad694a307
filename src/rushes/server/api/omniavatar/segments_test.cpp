// Where segments end, and files that a client can join without encoding them anew.
#include "rushes/server/api/omniavatar/segments.h"

#include <gmock/gmock.h>

#include "rushes/media/audio_decoder.h"
#include "rushes/media/test_audio.h"
#include "rushes/media/test_video.h"
#include "rushes/media/video_encoder.h"
#include "rushes/server/api/omniavatar/frames.h"
#include "rushes/server/family_test_server.h"

namespace rushes::server::omniavatar {
namespace {

/// Of blocks with so many frames: the frames of each segment, in order, and how many were announced.
std::pair<std::vector<int64_t>, int64_t> segments_of(const generation::VideoFormat& format,
                                                     const std::vector<int64_t>& blocks) {
  Segmentation segmentation(format);
  std::vector<int64_t> frames;
  int64_t begin = 0, in_segment = 0;
  for (const int64_t count : blocks) {
    generation::FrameBlock block;
    block.first_video_frame = begin;
    block.video_frames = count;
    begin += count;
    in_segment += count;
    if (!segmentation.completes(block)) continue;
    frames.push_back(in_segment);
    in_segment = 0;
  }
  if (in_segment > 0) frames.push_back(in_segment);
  return {frames, segmentation.total()};
}

TEST(Segmentation, makes_as_many_as_it_announces_of_whole_blocks) {
  const auto causal = [](int64_t frames) { return generation::VideoFormat{.fps = 16, .video_frames = frames}; };
  const struct {
    const char* name;
    generation::VideoFormat format;
    std::vector<int64_t> blocks, segments;
  } kCases[] = {
      {"one block", causal(9), {9}, {9}},
      {"just short of two", causal(79), {9, 12, 12, 12, 12, 12, 10}, {79}},
      {"two", causal(81), {9, 12, 12, 12, 12, 12, 12}, {45, 36}},
      {"three and a rest", causal(125), {9, 12, 12, 12, 12, 12, 12, 12, 12, 12, 8}, {45, 36, 44}},
      {"segments of the model",
       {.fps = 25, .video_frames = 145, .segments = 3, .blocks_per_segment = 1},
       {57, 44, 44},
       {57, 44, 44}},
      {"segments of several blocks",
       {.fps = 25, .video_frames = 50, .segments = 2, .blocks_per_segment = 3, .blocks_per_later_segment = 2},
       {10, 10, 10, 10, 10},
       {30, 20}},
      {"a single one of the model",
       {.fps = 25, .video_frames = 201, .segments = 1, .blocks_per_segment = 1},
       {201},
       {201}},
  };
  for (const auto& [name, format, blocks, segments] : kCases) {
    SCOPED_TRACE(name);
    const auto [frames, total] = segments_of(format, blocks);
    EXPECT_EQ(frames, segments);
    EXPECT_EQ(total, static_cast<int64_t>(segments.size()));
  }
  for (int64_t frames = 1; frames < 400; ++frames) {
    std::vector<int64_t> blocks{std::min<int64_t>(9, frames)};
    for (int64_t left = frames - blocks[0]; left > 0; left -= blocks.back())
      blocks.push_back(std::min<int64_t>(12, left));
    const auto [made, total] = segments_of(causal(frames), blocks);
    EXPECT_EQ(static_cast<int64_t>(made.size()), total) << frames;
  }
}

TEST(BlockCount, follows_the_model_or_the_first_block) {
  EXPECT_EQ(count_blocks({.video_frames = 33}, 9), 3);
  EXPECT_EQ(count_blocks({.video_frames = 9}, 9), 1);
  EXPECT_EQ(count_blocks({.video_frames = 10}, 9), 2);
  EXPECT_EQ(count_blocks({.video_frames = 25}, 6), 5);
  EXPECT_EQ(count_blocks({.segments = 2, .blocks_per_segment = 3, .blocks_per_later_segment = 2}, 9), 5);
}

TEST(SoundOfFrame, is_cut_at_whole_samples_and_followed_by_silence) {
  media::DecodedAudio speech{.samples = std::vector<float>(100, 0.5f), .hz = 1000};
  std::size_t sum = 0;
  for (int64_t number = 1; number <= 16; ++number) sum += sound_of_frame(speech, number, 16).size();
  EXPECT_EQ(sum, 1000u);
  EXPECT_EQ(sound_of_frame(speech, 1, 16).size(), 62u);
  EXPECT_EQ(sound_of_frame(speech, 2, 16).size(), 63u);
  EXPECT_EQ(sound_of_frame(speech, 2, 16).at(37), 0.5f);
  EXPECT_EQ(sound_of_frame(speech, 2, 16).at(38), 0.0f);
}

class SegmentFiles : public testing::TestWithParam<int64_t> {
 protected:
  static std::vector<delivery::GopPtr> gops(const std::vector<int64_t>& blocks, media::VideoTrack& track) {
    constexpr double kFps = 16;
    media::VideoEncoder encoder({.width = 64, .height = 48, .fps = kFps});
    std::vector<delivery::GopPtr> all;
    int64_t frame = 0;
    for (const int64_t count : blocks) {
      delivery::Gop gop;
      gop.index = static_cast<int64_t>(all.size());
      gop.begin = media::frame_time(frame, kFps);
      for (int64_t t = 0; t < count; ++t, ++frame)
        for (auto& unit : encoder.encode(media::test_frame(64, 48, frame).data(), media::frame_time(frame, kFps),
                                         t == 0 ? media::Key::forced : media::Key::automatic))
          gop.pictures.push_back(std::move(unit));
      gop.duration = media::frame_time(frame, kFps) - gop.begin;
      all.push_back(std::make_shared<const delivery::Gop>(std::move(gop)));
    }
    track = encoder.track();
    return all;
  }
};

TEST_P(SegmentFiles, hold_all_pictures_from_zero_on_and_all_units_of_the_sound_once) {
  const int64_t hz = GetParam();
  media::VideoTrack track;
  const auto all = gops({9, 12, 12, 12}, track);
  const auto speech = std::make_shared<Speech>();
  speech->audio = {.samples = media::test_audio(static_cast<std::size_t>(2 * hz)), .hz = hz};
  SegmentSound sound(speech);
  std::size_t pictures = 0;
  for (const std::size_t first : {0u, 2u}) {
    const std::span<const delivery::GopPtr> two(all.data() + first, 2);
    const media::Bytes mp4 = segment_file(track, two, &sound);
    const auto decoded = media::decode_bytes("segment.mp4", mp4);
    pictures += decoded.size();
    EXPECT_EQ(decoded.at(0).seconds, 0);
    EXPECT_TRUE(decoded.at(0).is_key);
    const double length = static_cast<double>(decoded.size()) / 16;
    EXPECT_NEAR(seconds_in_header({mp4.begin(), mp4.end()}), length, 1e-4)
        << "the sound that reaches beyond does not make it longer";
    EXPECT_NEAR(media::decode_audio(mp4).seconds(), length, 2 * 1024.0 / static_cast<double>(hz));
  }
  EXPECT_EQ(pictures, 45u);
}

TEST_P(SegmentFiles, take_each_unit_of_the_sound_once) {
  const int64_t hz = GetParam();
  const auto speech = std::make_shared<Speech>();
  speech->audio = {.samples = media::test_audio(static_cast<std::size_t>(hz)), .hz = hz};
  SegmentSound sound(speech);
  media::Pts next{0};
  for (const int64_t end : {50'000, 50'001, 120'000, 250'000}) {  // beyond the speech too
    for (const media::AccessUnit& unit : sound.take_until(media::Pts(end))) {
      EXPECT_NEAR(static_cast<double>(unit.pts.count()), static_cast<double>(next.count()), 1);
      EXPECT_LT(unit.pts, media::Pts(end));
      next = unit.pts + unit.duration;
    }
    EXPECT_GE(next, media::Pts(end));
  }
}

INSTANTIATE_TEST_SUITE_P(Rates, SegmentFiles, testing::Values(16'000, 24'000, 44'100, 48'000));

}  // namespace
}  // namespace rushes::server::omniavatar
