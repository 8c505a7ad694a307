// Pictures and sound as WebRTC viewers get them: of a session that runs, of one that has ended, and of its recording.
#include "rushes/delivery/sinks/unit_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <optional>

#include "rushes/base/scratch_folder.h"
#include "rushes/generation/device_worker.h"
#include "rushes/generation/drawing_talker.h"
#include "rushes/media/audio_encoder.h"
#include "rushes/media/audio_unit_decoder.h"
#include "rushes/media/recorded_file.h"

namespace rushes::delivery {
namespace {
namespace fs = std::filesystem;
using generation::DrawingTalker;
using media::AccessUnit;
using media::Pts;

constexpr auto kPatience = std::chrono::seconds(120);
constexpr int64_t kHz = DrawingTalker::kHz;

/// Silence with a click of 2 ms in the middle of each half second.
std::vector<float> clicks(double seconds) {
  std::vector<float> wave(static_cast<std::size_t>(seconds * kHz));
  for (std::size_t i = 0; i < wave.size(); ++i)
    if (i % (kHz / 2) >= kHz / 4 && i % (kHz / 2) < kHz / 4 + kHz / 500) wave[i] = i % 2 ? 0.8f : -0.8f;
  return wave;
}

class UnitSourceTest : public testing::Test {
 protected:
  void SetUp() override {
    scratch_.emplace();
    generation::Request request;
    const auto pixel = std::make_shared<std::vector<uint8_t>>(3, 0);
    request.image = {.rgb = {pixel, pixel->data()}, .height = 1, .width = 1};
    session_ = std::make_shared<generation::Session>(request, model_->plan(request));
    EncodedStreamOptions options;
    options.recording = scratch_->path / "video.mp4";
    video_ = std::make_shared<EncodedStream>(session_, options);
    worker_.submit(session_, model_);
  }
  void TearDown() override {
    session_->stop();
    video_->join();
  }
  void speak(const std::vector<float>& wave) {
    session_->feed_speech(wave);
    session_->end_speech();
  }

  std::optional<ScratchFolder> scratch_;  // a new one with each SetUp(), of which a test may have several
  std::shared_ptr<const generation::DrawingTalkModel> model_ = std::make_shared<generation::DrawingTalkModel>();
  std::shared_ptr<generation::Session> session_;
  std::shared_ptr<EncodedStream> video_;
  generation::DeviceWorker worker_;
};

Gop read_all(UnitSource& source, Hearing hearing) {
  Gop all;
  for (;;) {
    Gop gop = source.next({}, hearing);
    if (gop.empty()) return all;
    all.pictures.insert(all.pictures.end(), gop.pictures.begin(), gop.pictures.end());
    all.audio.insert(all.audio.end(), gop.audio.begin(), gop.audio.end());
  }
}

/// Seconds at which clicks begin in what listeners hear.
std::vector<double> heard(const std::vector<AccessUnit>& units) {
  media::AudioUnitDecoder decoder({.codec = media::AudioCodec::opus});
  std::vector<double> at;
  for (const AccessUnit& unit : units) {
    const std::vector<float> samples = decoder.decode(unit);
    for (std::size_t i = 0; i < samples.size(); ++i) {
      const double time = static_cast<double>(unit.pts.count()) / Pts::period::den +
                          static_cast<double>(i) / static_cast<double>(decoder.hz());
      if (std::abs(samples[i]) > 0.25 && (at.empty() || time > at.back() + 0.2)) at.push_back(time);
    }
  }
  return at;
}

void expect_in_time(const Gop& all, double seconds) {
  EXPECT_EQ(all.pictures.size(), static_cast<std::size_t>(seconds * 25));
  const std::vector<double> clicks = heard(all.audio);
  ASSERT_EQ(clicks.size(), static_cast<std::size_t>(seconds * 2));
  for (std::size_t i = 0; i < clicks.size(); ++i)
    EXPECT_NEAR(clicks[i], 0.25 + 0.5 * static_cast<double>(i), 0.01) << "click " << i;
  for (std::size_t i = 1; i < all.audio.size(); ++i)
    EXPECT_NEAR(static_cast<double>((all.audio[i].pts - all.audio[i - 1].pts).count()), 1800, 12);
}

TEST_F(UnitSourceTest, a_session_that_runs_has_its_sound_beside_the_pictures_of_the_same_time) {
  if (!media::AudioEncoder::knows(media::AudioCodec::opus)) GTEST_SKIP() << "libavcodec was built without libopus";
  for (const bool vp8 : {false, true}) {
    if (vp8) {
      TearDown();
      SetUp();
    }
    SCOPED_TRACE(vp8 ? "VP8" : "H.264");
    const auto source = vp8 ? vp8_source(session_) : h264_source(video_);
    const std::vector<float> wave = clicks(3);
    // Block by block, so that nobody lags.
    Gop all;
    for (std::size_t at = 0; at < wave.size(); at += 3200) {
      session_->feed_speech({wave.data() + at, 3200});
      const Gop gop = source->next({}, Hearing::somebody);
      ASSERT_EQ(gop.pictures.size(), 5u);
      ASSERT_FALSE(gop.audio.empty());
      const Pts behind =
          gop.pictures.back().pts + gop.pictures.back().duration - (gop.audio.back().pts + gop.audio.back().duration);
      EXPECT_LT(behind, Pts{90 * 10}) << "sound of a block comes with it, but for some milliseconds";
      all.pictures.insert(all.pictures.end(), gop.pictures.begin(), gop.pictures.end());
      all.audio.insert(all.audio.end(), gop.audio.begin(), gop.audio.end());
    }
    session_->end_speech();
    const Gop rest = read_all(*source, Hearing::somebody);
    all.audio.insert(all.audio.end(), rest.audio.begin(), rest.audio.end());
    expect_in_time(all, 3);
  }
}

TEST_F(UnitSourceTest, a_session_that_has_ended_and_its_recording_sound_as_they_did) {
  if (!media::AudioEncoder::knows(media::AudioCodec::opus)) GTEST_SKIP() << "libavcodec was built without libopus";
  speak(clicks(3));
  ASSERT_TRUE(video_->wait_until_ended(kPatience));
  expect_in_time(read_all(*h264_source(video_), Hearing::somebody), 3);
  video_->join();
  fs::copy(scratch_->path / "video.mp4", scratch_->path / "copy.mp4");
  EncodedStreamOptions options;
  options.recording = scratch_->path / "copy.mp4";
  const auto recorded =
      std::make_shared<EncodedStream>(session_, media::read_recorded_file(scratch_->path / "copy.mp4"), options);
  expect_in_time(read_all(*h264_source(recorded), Hearing::somebody), 3);
}

TEST_F(UnitSourceTest, sound_begins_when_somebody_hears_it_and_keeps_its_times) {
  if (!media::AudioEncoder::knows(media::AudioCodec::opus)) GTEST_SKIP() << "libavcodec was built without libopus";
  speak(clicks(3));
  ASSERT_TRUE(video_->wait_until_ended(kPatience));
  EXPECT_TRUE(read_all(*h264_source(video_), Hearing::nobody).audio.empty());
  const auto source = h264_source(video_);
  for (int i = 0; i < 8; ++i) EXPECT_TRUE(source->next({}, Hearing::nobody).audio.empty());
  const std::vector<double> times = heard(read_all(*source, Hearing::somebody).audio);
  ASSERT_EQ(times.size(), 3u);  // of six, 1.6 s have passed, of the sound a little less
  EXPECT_NEAR(times[0], 1.75, 0.01);
}

}  // namespace
}  // namespace rushes::delivery
