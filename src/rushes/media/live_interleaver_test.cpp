#include "rushes/media/live_interleaver.h"

#include <gtest/gtest.h>

#include "rushes/media/audio_encoder.h"
#include "rushes/media/audio_unit_decoder.h"

namespace rushes::media {
namespace {

using Silence = LiveInterleaver::Silence;
constexpr int64_t kHz = 16'000, kBlockFrames = 5;
constexpr double kFps = 25;

Pts at(int64_t frame) { return frame_time(frame, kFps); }

AccessUnit picture(int64_t frame) {
  return {
      .bytes = std::make_shared<const Bytes>(8), .pts = at(frame), .dts = at(frame), .duration = at(1), .is_key = true};
}

struct Sent {
  std::vector<AccessUnit> pictures, audio;
  bool in_order = true;
  std::optional<Pts> newest;

  void take_from(LiveInterleaver& units) {
    while (const auto next = units.next()) {
      (next->is_audio ? audio : pictures).push_back(next->unit);
      in_order = in_order && (!newest || next->unit.dts >= *newest);
      newest = next->unit.dts;
    }
  }
  /// The longest time between the end of a unit of sound and the beginning of the next.
  double longest_hole() const {
    Pts hole{0};
    for (std::size_t i = 1; i < audio.size(); ++i)
      hole = std::max(hole, audio[i].pts - audio[i - 1].pts - audio[i - 1].duration);
    return static_cast<double>(hole.count()) / Pts::period::den;
  }
  double heard() const {
    return static_cast<double>((audio.back().pts + audio.back().duration - audio.front().pts).count()) / 9e4;
  }
};

/// Blocks of a talking head, of which those in [silent_from, silent_to) have no sound.
Sent talk(LiveInterleaver& units, int blocks, int silent_from = 0, int silent_to = 0) {
  Sent sent;
  std::optional<AudioEncoder> encoder;
  for (int block = 0; block < blocks; ++block) {
    std::vector<AccessUnit> audio;
    const bool silent = block >= silent_from && block < silent_to;
    if (silent && encoder) {
      audio = encoder->flush();
      encoder.reset();
    } else if (!silent) {
      if (!encoder) encoder.emplace(kHz);
      audio = encoder->encode(std::vector<float>(static_cast<std::size_t>(kBlockFrames * kHz / 25), 0.25f),
                              block * kBlockFrames * kHz / 25);
    }
    const int64_t first = block * kBlockFrames;
    units.add_block(at(first), at(first + kBlockFrames), audio);
    for (int64_t t = 0; t < kBlockFrames; ++t) units.add_picture(picture(first + t));
    sent.take_from(units);
  }
  if (encoder) units.add_block(at(blocks * kBlockFrames), at(blocks * kBlockFrames), encoder->flush());
  units.end();
  sent.take_from(units);
  return sent;
}

TEST(LiveInterleaver, gives_pictures_and_sound_in_the_order_of_their_times_and_all_of_them) {
  const AudioTrack track = AudioEncoder(kHz).track();
  LiveInterleaver units(&track, Silence::where_there_is_no_audio);
  EXPECT_EQ(units.audio_track()->config, track.config);
  const Sent sent = talk(units, 20);
  EXPECT_TRUE(sent.in_order);
  EXPECT_EQ(sent.pictures.size(), 100u);
  EXPECT_LT(sent.longest_hole(), 0.001);
  EXPECT_NEAR(sent.heard(), 4.0, 0.13);
}

TEST(LiveInterleaver, fills_holes_with_silence_that_decodes_to_silence) {
  const AudioTrack track = AudioEncoder(kHz).track();
  LiveInterleaver units(&track, Silence::where_there_is_no_audio);
  const Sent sent = talk(units, 40, 10, 30);
  EXPECT_TRUE(sent.in_order);
  EXPECT_EQ(sent.pictures.size(), 200u);
  EXPECT_LT(sent.longest_hole(), 0.04) << "half a unit is no hole";
  EXPECT_NEAR(sent.heard(), 8.0, 0.13);
  AudioUnitDecoder decoder(track);
  for (const AccessUnit& unit : sent.audio) {
    const double seconds = static_cast<double>(unit.pts.count()) / 9e4;
    const std::vector<float> samples = decoder.decode(unit);
    if (seconds < 2.4 || seconds > 5.6) continue;
    for (const float sample : samples) EXPECT_NEAR(sample, 0, 1e-3) << seconds;
  }
}

TEST(LiveInterleaver, gives_a_video_without_sound_a_silent_track_that_never_holds_pictures_back) {
  LiveInterleaver units(nullptr, Silence::where_there_is_no_audio);
  ASSERT_TRUE(units.audio_track());
  Sent sent;
  for (int64_t block = 0; block < 50; ++block) {
    const int64_t first = 1000 + block * kBlockFrames;  // a viewer from the middle on
    units.add_block(at(first), at(first + kBlockFrames), {});
    for (int64_t t = 0; t < kBlockFrames; ++t) units.add_picture(picture(first + t));
    sent.take_from(units);
    EXPECT_EQ(sent.pictures.size(), static_cast<std::size_t>((block + 1) * kBlockFrames));
  }
  EXPECT_TRUE(sent.in_order);
  EXPECT_EQ(sent.audio.front().pts, at(1000));
  EXPECT_LT(sent.longest_hole(), 0.001);
  EXPECT_NEAR(sent.heard(), 10.0, 0.03);
}

TEST(LiveInterleaver, leaves_all_as_it_is_where_no_silence_is_wanted) {
  LiveInterleaver silent(nullptr, Silence::none);
  EXPECT_FALSE(silent.audio_track());
  EXPECT_EQ(talk(silent, 3, 0, 3).pictures.size(), 15u);
  const AudioTrack track = AudioEncoder(kHz).track();
  LiveInterleaver units(&track, Silence::none);
  const Sent sent = talk(units, 40, 10, 30);
  EXPECT_EQ(sent.pictures.size(), 200u);
  EXPECT_GT(sent.longest_hole(), 3.5);
}

}  // namespace
}  // namespace rushes::media
