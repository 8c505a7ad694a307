#include "rushes/ingest/live_speech.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "rushes/generation/drawing_talker.h"

namespace rushes::ingest {
namespace {

constexpr int64_t kStep = 640;  // 40 ms at 16 kHz

std::shared_ptr<generation::Session> talk_session() {
  generation::Request request;
  request.image.emplace();
  return std::make_shared<generation::Session>(request, generation::DrawingTalkModel().plan(request));
}

std::vector<float> loud(int64_t samples, float value = 0.5f) {
  return std::vector<float>(static_cast<std::size_t>(samples), value);
}

TEST(LiveSpeech, gives_a_frame_of_what_was_heard_for_each_step) {
  const auto session = talk_session();
  LiveSpeech speech(session);
  EXPECT_EQ(speech.step_samples(), kStep);
  speech.hear(loud(kStep, 0.25f));
  speech.hear(loud(kStep / 2));
  EXPECT_EQ(speech.step(0), loud(kStep, 0.25f));
  speech.hear(loud(kStep / 2));
  EXPECT_EQ(speech.step(0), loud(kStep));
  auto all = loud(kStep, 0.25f);
  const auto second = loud(kStep);
  all.insert(all.end(), second.begin(), second.end());
  EXPECT_EQ(session->take_inbox().speech, all);
}

TEST(LiveSpeech, is_silent_at_once_before_anybody_speaks) {
  LiveSpeech speech(talk_session());
  EXPECT_EQ(speech.step(0), loud(kStep, 0));
}

TEST(LiveSpeech, waits_for_a_late_speaker_and_then_fills_up_with_silence) {
  LiveSpeech speech(talk_session());
  speech.hear(loud(100));
  int waited = 0;
  std::optional<std::vector<float>> samples;
  while (!(samples = speech.step(0))) ++waited;
  EXPECT_EQ(waited, 3);
  auto expected = loud(kStep, 0);
  std::fill_n(expected.begin(), 100, 0.5f);
  EXPECT_EQ(samples, expected);
  EXPECT_EQ(speech.step(0), loud(kStep, 0));
}

TEST(LiveSpeech, of_a_flood_the_newest_second_is_kept) {
  LiveSpeech speech(talk_session());
  speech.hear(loud(50'000, 0.1f));
  speech.hear(loud(15 * kStep, 0.2f));
  int old = 0;
  for (int i = 0; i < 25; ++i) old += speech.step(0)->front() == 0.1f;
  EXPECT_EQ(old, 10);
  EXPECT_EQ(speech.step(0), std::nullopt);  // nothing is left of it
}

TEST(LiveSpeech, drops_speech_while_the_generator_is_slower_than_life) {
  LiveSpeech speech(talk_session());
  int fed = 0;
  for (int i = 0; i < 60; ++i) {
    speech.hear(loud(kStep));
    fed += speech.step(0).has_value();
  }
  EXPECT_EQ(fed, 50);
  EXPECT_TRUE(speech.step(1).has_value());  // a frame was shown: there is room
  EXPECT_FALSE(speech.step(1).has_value());
}

TEST(LiveSpeech, says_what_it_is_told_to_before_what_it_hears_however_long_that_is) {
  LiveSpeech speech(talk_session());
  speech.say(loud(30 * kStep + 10, 0.25f));
  speech.hear(loud(kStep));
  for (int i = 0; i < 30; ++i) {
    EXPECT_TRUE(speech.says());
    EXPECT_EQ(speech.step(i), loud(kStep, 0.25f));
  }
  const auto last = speech.step(30);
  ASSERT_TRUE(last);
  EXPECT_EQ(std::count(last->begin(), last->end(), 0.25f), 10);
  EXPECT_FALSE(speech.says());
  EXPECT_EQ(speech.step(31), loud(kStep));
}

}  // namespace
}  // namespace rushes::ingest
