// What becomes of GOPs: made once, and the same bytes whether they come from memory, the recording, or one of an
// earlier process.
#include "rushes/delivery/packager.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <latch>

#include "rushes/base/error.h"
#include "rushes/base/scratch_folder.h"
#include "rushes/delivery/sinks/hls.h"
#include "rushes/generation/device_worker.h"
#include "rushes/generation/drawing_model.h"
#include "rushes/generation/drawing_talker.h"
#include "rushes/media/recorded_file.h"
#include "rushes/media/test_video.h"

namespace rushes::delivery {
namespace {
namespace fs = std::filesystem;
using generation::Session;

constexpr auto kPatience = std::chrono::seconds(120);

void expect_equal(const std::vector<media::AccessUnit>& units, const std::vector<media::AccessUnit>& wanted) {
  ASSERT_EQ(units.size(), wanted.size());
  for (std::size_t i = 0; i < units.size(); ++i) {
    EXPECT_EQ(units[i].pts, wanted[i].pts);
    EXPECT_EQ(units[i].dts, wanted[i].dts);
    EXPECT_EQ(units[i].duration, wanted[i].duration);
    EXPECT_EQ(units[i].is_key, wanted[i].is_key);
    EXPECT_EQ(*units[i].bytes, *wanted[i].bytes);
  }
}

class PackagerTest : public testing::Test {
 protected:
  /// A video that has ended.
  std::shared_ptr<EncodedStream> drawn(EncodedStreamOptions options = {}, int64_t side = 64) {
    generation::Request request;
    request.width = request.height = side;
    request.prompts = {"a red circle"};
    const auto session = std::make_shared<Session>(request, model_->plan(request));
    auto video = std::make_shared<EncodedStream>(session, options);
    generation::DeviceWorker worker;
    worker.submit(session, model_);
    EXPECT_TRUE(video->wait_until_ended(kPatience));
    return video;
  }

  /// A talking head that has ended, recorded; `gops` as they came from memory.
  std::shared_ptr<EncodedStream> spoken(std::vector<GopPtr>& gops) {
    const auto model = std::make_shared<generation::DrawingTalkModel>();
    generation::Request request;
    const auto pixel = std::make_shared<std::vector<uint8_t>>(3, 0);
    request.image = Image{.rgb = {pixel, pixel->data()}, .height = 1, .width = 1};
    const auto session = std::make_shared<Session>(request, model->plan(request));
    EncodedStreamOptions options;
    options.recording = path_ / "talk.mp4";
    auto video = std::make_shared<EncodedStream>(session, options);
    generation::DeviceWorker worker;
    worker.submit(session, model);
    const auto viewer = video->watch(EncodedStream::From::start);
    std::vector<float> wave(3200);
    for (std::size_t i = 0; i < wave.size(); ++i) wave[i] = static_cast<float>(i % 160) / 160 - 0.5f;
    for (int block = 0; block < 8; ++block) {
      session->feed_speech(wave);
      gops.push_back(viewer->next({}));
    }
    session->end_speech();
    while (const GopPtr gop = viewer->next({})) gops.push_back(gop);
    EXPECT_TRUE(video->wait_until_ended(kPatience));
    return video;
  }

  const ScratchFolder scratch_;
  const fs::path& path_ = scratch_.path;
  std::shared_ptr<const generation::DrawingModel> model_ = std::make_shared<generation::DrawingModel>();
};

TEST_F(PackagerTest, makes_a_piece_once_however_many_want_it_at_the_same_time) {
  constexpr int kViewers = 8, kPieces = 3;
  std::atomic<int> made = 0;
  Packager packager(
      drawn(),
      [&](std::span<const GopPtr> gops) {
        ++made;
        return as_fragments()(gops);
      },
      kPieces);
  SharedBytes got[kViewers][kPieces];
  std::latch ready(kViewers);
  std::vector<std::jthread> viewers;
  for (int viewer = 0; viewer < kViewers; ++viewer)
    viewers.emplace_back([&, viewer] {
      ready.arrive_and_wait();
      for (int piece = 0; piece < kPieces; ++piece) got[viewer][piece] = packager.piece(2 * piece, 2);
    });
  viewers.clear();
  EXPECT_EQ(made, kPieces);
  for (const auto& pieces : got)
    for (int piece = 0; piece < kPieces; ++piece) EXPECT_EQ(pieces[piece], got[0][piece]);
}

TEST_F(PackagerTest, keeps_only_the_newest_pieces) {
  int made = 0;
  Packager packager(
      drawn(),
      [&](std::span<const GopPtr> gops) {
        ++made;
        return as_fragments()(gops);
      },
      2);
  for (const int64_t first : {0, 1, 0, 2, 0}) packager.piece(first, 1);
  EXPECT_EQ(made, 4);
}

TEST_F(PackagerTest, tells_what_is_no_longer_kept_and_tries_again_the_next_time) {
  Packager packager(drawn({.memory_bytes = 1}), as_fragments(), 2);
  for (int i = 0; i < 2; ++i) try {
      packager.piece(0, 1);
      ADD_FAILURE();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::not_found);
    }
  EXPECT_FALSE(packager.piece(6, 1)->empty());
}

TEST_F(PackagerTest, hls_gives_all_viewers_the_same_bytes_without_a_copy) {
  const auto video = drawn();  // all in memory
  HlsStream hls(video);
  for (const HlsFormat format : {HlsFormat::fmp4, HlsFormat::mpeg_ts})
    EXPECT_EQ(hls.segment(3, format), hls.segment(3, format));
  EXPECT_EQ(hls.segment(3, HlsFormat::fmp4), video->gop(3)->fragment);
  EXPECT_EQ(hls.part(3), video->gop(3)->fragment);
  EXPECT_EQ(hls.init_segment(), video->init_segment());
}

TEST_F(PackagerTest, gops_are_the_same_from_memory_from_the_recording_and_from_one_of_an_earlier_process) {
  std::vector<GopPtr> in_memory;
  const auto video = spoken(in_memory);
  video->join();
  fs::copy(path_ / "talk.mp4", path_ / "copy.mp4");
  EncodedStreamOptions options;
  options.recording = path_ / "copy.mp4";
  const auto restored =
      std::make_shared<EncodedStream>(video->session(), media::read_recorded_file(path_ / "copy.mp4"), options);
  EXPECT_EQ(restored->track().parameter_sets, video->track().parameter_sets);
  ASSERT_EQ(video->status().gops, static_cast<int64_t>(in_memory.size()));
  ASSERT_EQ(restored->status().gops, video->status().gops);
  EXPECT_TRUE(in_memory.back()->pictures.empty()) << "the end of the audio";
  int64_t audio = 0;
  for (const GopPtr& gop : in_memory) {
    SCOPED_TRACE(gop->index);
    audio += static_cast<int64_t>(gop->audio.size());
    for (const auto& stream : {video, restored}) {
      const GopPtr again = stream->gop(gop->index);
      ASSERT_TRUE(again);
      EXPECT_NE(again, gop) << "not read back";
      EXPECT_EQ(again->index, gop->index);
      EXPECT_EQ(again->begin, gop->begin);
      EXPECT_EQ(again->duration, gop->duration);
      EXPECT_EQ(*again->fragment, *gop->fragment);
      expect_equal(again->pictures, gop->pictures);
      expect_equal(again->audio, gop->audio);
    }
  }
  EXPECT_GT(audio, 20);
  const auto mpeg_ts = as_mpeg_ts(*video, media::Pts{126'000});
  const auto fragments = as_fragments();
  std::vector<GopPtr> read_back;
  for (const GopPtr& gop : in_memory) read_back.push_back(restored->gop(gop->index));
  EXPECT_EQ(*mpeg_ts(in_memory), *mpeg_ts(read_back));
  EXPECT_EQ(*fragments(in_memory), *fragments(read_back));
}

TEST_F(PackagerTest, joined_videos_play_one_after_the_other) {
  const std::shared_ptr<const EncodedStream> one = drawn(), two = drawn();
  const std::shared_ptr<const EncodedStream> videos[] = {one, two};
  const auto frames = media::decode_bytes("joined.mp4", *joined_mp4(videos));
  ASSERT_EQ(frames.size(), 2u * 84);
  for (std::size_t i = 0; i < frames.size(); ++i) EXPECT_NEAR(frames[i].seconds, static_cast<double>(i) / 16, 1e-3);
}

TEST_F(PackagerTest, joined_videos_of_other_sizes_decode_to_the_end_in_their_own_sizes) {
  const std::shared_ptr<const EncodedStream> small = drawn(), large = drawn({}, 128);
  const std::shared_ptr<const EncodedStream> videos[] = {small, large, small};
  const auto frames = media::decode_bytes("joined.mp4", *joined_mp4(videos));
  ASSERT_EQ(frames.size(), 3u * 84);
  for (std::size_t i = 0; i < frames.size(); ++i) {
    EXPECT_EQ(frames[i].width, i / 84 == 1 ? 128 : 64) << i;
    EXPECT_NEAR(frames[i].seconds, static_cast<double>(i) / 16, 1e-3);
  }
}

TEST_F(PackagerTest, joined_videos_are_refused_where_a_part_is_gone) {
  EncodedStreamOptions forgetful;
  forgetful.memory_bytes = 1;
  const std::shared_ptr<const EncodedStream> videos[] = {drawn(), drawn(forgetful)};
  EXPECT_THROW(joined_mp4(videos), Error);
}

TEST_F(PackagerTest, joined_videos_are_silent_where_they_have_no_sound) {
  std::vector<GopPtr> gops;
  const std::shared_ptr<const EncodedStream> silent = drawn(), talking = spoken(gops);
  const std::shared_ptr<const EncodedStream> videos[] = {silent, talking};
  const SharedBytes mp4 = joined_mp4(videos);
  const auto frames = media::decode_bytes("joined.mp4", *mp4);
  EXPECT_EQ(frames.size(), 84u + static_cast<std::size_t>(media::decode_video(talking->recording_path()).size()));
  EXPECT_NE(std::search(mp4->begin(), mp4->end(), "mp4a", "mp4a" + 4), mp4->end());
}

}  // namespace
}  // namespace rushes::delivery
