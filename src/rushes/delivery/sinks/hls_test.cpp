#include "rushes/delivery/sinks/hls.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "rushes/base/error.h"
#include "rushes/base/scratch_folder.h"
#include "rushes/generation/device_worker.h"
#include "rushes/generation/drawing_model.h"
#include "rushes/media/test_video.h"

namespace rushes::delivery {
namespace {
namespace fs = std::filesystem;
using generation::DeviceWorker;
using generation::DrawingModel;
using media::frame_time;
using testing::HasSubstr;
using testing::Not;

constexpr auto kPatience = std::chrono::seconds(120);
constexpr double kFps = 16;

/// Times of blocks with these numbers of video frames.
std::vector<GopTimes> blocks(const std::vector<int64_t>& video_frames) {
  std::vector<GopTimes> times;
  int64_t first = 0;
  for (const int64_t count : video_frames) {
    times.push_back({.pts = frame_time(first, kFps),
                     .duration = frame_time(first + count, kFps) - frame_time(first, kFps),
                     .bytes = 1000 * count,
                     .out = std::chrono::system_clock::time_point(std::chrono::milliseconds(1'700'000'000'250))});
    first += count;
  }
  return times;
}

TEST(HlsPlaylist, lists_what_is_complete_and_ends_only_when_the_video_does) {
  HlsSegments segments;
  segments.add(blocks({9, 12, 12}));
  EXPECT_EQ(media_playlist({}, segments),
            "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:1\n#EXT-X-MEDIA-SEQUENCE:0\n#EXT-X-PLAYLIST-TYPE:EVENT\n"
            "#EXT-X-INDEPENDENT-SEGMENTS\n#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES\n#EXT-X-MAP:URI=\"init.mp4\"\n"
            "#EXT-X-PROGRAM-DATE-TIME:2023-11-14T22:13:20.250Z\n"
            "#EXTINF:0.56250,\n0.m4s\n#EXTINF:0.75000,\n1.m4s\n#EXTINF:0.75000,\n2.m4s\n");
  const std::string ended = media_playlist({.format = HlsFormat::mpeg_ts, .ended = true, .from_start = true}, segments);
  EXPECT_TRUE(ended.ends_with("2.ts\n#EXT-X-ENDLIST\n")) << ended;
  EXPECT_THAT(ended, HasSubstr("#EXT-X-START:TIME-OFFSET=0"));
  EXPECT_THAT(ended, Not(HasSubstr("EXT-X-MAP")));
}

TEST(HlsPlaylist, has_parts_at_its_live_end_for_low_latency) {
  HlsSegments segments;
  segments.add(blocks({9, 12, 12, 12, 12, 12, 4}));
  const std::string text = media_playlist({.part_target = frame_time(12, kFps)}, segments);
  EXPECT_THAT(
      text,
      HasSubstr(
          "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=2.25000\n#EXT-X-PART-INF:PART-TARGET=0.75000\n"));
  EXPECT_THAT(text, HasSubstr("#EXTINF:0.75000,\n1.m4s\n#EXT-X-PART:DURATION=0.75000,URI=\"part2.m4s\",INDEPENDENT="
                              "YES\n#EXTINF:0.75000,\n2.m4s\n"));
  EXPECT_TRUE(
      text.ends_with("5.m4s\n#EXT-X-PART:DURATION=0.25000,URI=\"part6.m4s\",INDEPENDENT=YES\n#EXT-X-PRELOAD-HINT:TYPE="
                     "PART,URI=\"part7.m4s\"\n"))
      << text;
  segments.end();
  EXPECT_THAT(media_playlist({.ended = true, .part_target = frame_time(12, kFps)}, segments), Not(HasSubstr("PART")));
}

TEST(HlsPlaylist, says_of_the_audio_that_ends_an_utterance_that_nothing_begins_there) {
  HlsSegments segments;
  segments.add(blocks({12, 0}));
  EXPECT_THAT(media_playlist({.part_target = frame_time(12, kFps)}, segments),
              HasSubstr("#EXT-X-PART:DURATION=0.75000,URI=\"part0.m4s\",INDEPENDENT=YES\n"
                        "#EXT-X-PART:DURATION=0.00000,URI=\"part1.m4s\"\n"));
}

TEST(HlsPlaylist, of_an_endless_video_moves_on_with_its_dates) {
  HlsSegments segments;
  segments.add(blocks({9, 12, 12, 12}));
  const std::string text = media_playlist({.first = 2, .event = false}, segments);
  EXPECT_THAT(text, HasSubstr("#EXT-X-MEDIA-SEQUENCE:2\n"));
  EXPECT_THAT(text, Not(HasSubstr("PLAYLIST-TYPE")));
  EXPECT_THAT(text, HasSubstr("22:13:21.562Z\n#EXTINF:0.75000,\n2.m4s"));
  EXPECT_THAT(text, Not(HasSubstr("1.m4s")));
}

TEST(HlsSegments, join_very_short_blocks) {
  HlsSegments segments;
  segments.add(blocks({1, 4, 4, 4, 4, 4}));
  ASSERT_EQ(segments.complete().size(), 2u);
  EXPECT_EQ(segments.complete()[0].gops, 3);
  EXPECT_EQ(segments.complete()[1].first_gop, 3);
  segments.end();
  ASSERT_EQ(segments.complete().size(), 3u);
  EXPECT_EQ(segments.complete()[2].gops, 1);
}

TEST(HlsPlaylist, target_duration_is_known_from_the_first_block) {
  for (const int64_t latent_frames : {1, 2, 3, 7, 21}) {
    const int64_t first = 1 + 4 * (latent_frames - 1), later = 4 * latent_frames;
    HlsSegments segments;
    segments.add(blocks({first, later, later, later, later}));
    const int64_t target = target_seconds(segments.complete()[0].duration, kFps);
    for (const HlsSegment& segment : segments.complete())
      EXPECT_LE(segment.duration, media::Pts{target * 90'000 + 45'000}) << latent_frames;
    EXPECT_LE(target, std::max<int64_t>(1, (later + 15) / 16)) << latent_frames;
  }
}

TEST(HlsPlaylist, master_names_codec_size_and_rate) {
  media::VideoTrack track{
      .width = 832, .height = 480, .fps = 16, .parameter_sets = {0, 0, 0, 1, 0x67, 0x42, 0xc0, 0x1f}};
  HlsSegments segments;
  segments.add(blocks({16, 16}));
  EXPECT_THAT(master_playlist(track, segments.complete(), "video.m3u8"),
              HasSubstr("#EXT-X-STREAM-INF:BANDWIDTH=128000,AVERAGE-BANDWIDTH=128000,CODECS=\"avc1.42C01F\",RESOLUTION="
                        "832x480,FRAME-RATE=16.000\nvideo.m3u8\n"));
  EXPECT_THAT(master_playlist(track, {}, "ts.m3u8"), HasSubstr("BANDWIDTH=638976,"));
}

class HlsStreamTest : public testing::Test {
 protected:
  std::shared_ptr<EncodedStream> run(EncodedStreamOptions options) {
    generation::Request request;
    request.prompts = {"a red circle"};
    const auto session = std::make_shared<generation::Session>(request, model_->plan(request));
    auto video = std::make_shared<EncodedStream>(session, options);
    DeviceWorker worker;
    worker.submit(session, model_);
    EXPECT_TRUE(video->wait_until_ended(kPatience));
    return video;
  }
  /// Writes playlist and segments below one another as the URLs say.
  fs::path save(HlsStream& hls, HlsFormat format) {
    const auto write = [&](const std::string& name, const auto& bytes) {
      std::ofstream(path_ / name, std::ios::binary)
          .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    };
    write("init.mp4", *hls.init_segment());
    for (int64_t i = 0; i < hls.segments(); ++i)
      write(std::to_string(i) + (format == HlsFormat::fmp4 ? ".m4s" : ".ts"), *hls.segment(i, format));
    write("list.m3u8", hls.playlist(format));
    return path_ / "list.m3u8";
  }

  const ScratchFolder scratch_;
  const fs::path& path_ = scratch_.path;
  std::shared_ptr<const DrawingModel> model_ = std::make_shared<DrawingModel>();
};

TEST_F(HlsStreamTest, plays_in_both_formats_from_memory_and_from_the_recording) {
  for (const int64_t memory_bytes : {1, 1 << 20}) {
    const auto video =
        run({.recording = path_ / (std::to_string(memory_bytes) + ".mp4"), .memory_bytes = memory_bytes});
    HlsStream hls(video);
    for (const HlsFormat format : {HlsFormat::fmp4, HlsFormat::mpeg_ts}) {
      const auto frames = media::decode_video(save(hls, format));
      ASSERT_EQ(frames.size(), 84u);
      for (std::size_t i = 0; i < frames.size(); ++i)
        EXPECT_NEAR(frames[i].seconds - frames[0].seconds, static_cast<double>(i) / kFps, 1e-3);
    }
  }
}

TEST_F(HlsStreamTest, lists_only_what_can_be_had) {
  const auto video = run({.memory_bytes = 1});  // no recording
  HlsStream hls(video);
  EXPECT_THAT(hls.playlist(HlsFormat::fmp4), HasSubstr("#EXT-X-MEDIA-SEQUENCE:6\n"));
  EXPECT_NO_THROW(hls.segment(6, HlsFormat::mpeg_ts));
  for (const int64_t missing : {-1, 0, 7}) try {
      hls.segment(missing, HlsFormat::fmp4);
      ADD_FAILURE() << missing;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::not_found);
    }
}

}  // namespace
}  // namespace rushes::delivery
