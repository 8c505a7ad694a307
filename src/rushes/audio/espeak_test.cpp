#include "rushes/audio/espeak.h"

#include <gtest/gtest.h>

#include <cmath>
#include <thread>

#include "rushes/base/error.h"

namespace rushes::audio {
namespace {

double seconds(const SpokenText& spoken) {
  return static_cast<double>(spoken.samples.size()) / static_cast<double>(spoken.hz);
}

#define SPEAK_OR_SKIP(name, text, voice)             \
  SpokenText name;                                   \
  try {                                              \
    name = speak_text(text, voice);                  \
  } catch (const Error& error) {                     \
    ASSERT_EQ(error.code(), ErrorCode::unavailable); \
    GTEST_SKIP() << error.what();                    \
  }

TEST(Espeak, speaks_for_about_as_long_as_a_person_would_and_tells_its_phonemes) {
  SPEAK_OR_SKIP(spoken, "Good morning, my friend.", Voice());
  EXPECT_GT(seconds(spoken), 0.8);
  EXPECT_LT(seconds(spoken), 4.0);
  double energy = 0;
  for (const float sample : spoken.samples) {
    ASSERT_LE(std::abs(sample), 1.0f);
    energy += static_cast<double>(sample) * sample;
  }
  EXPECT_GT(std::sqrt(energy / static_cast<double>(spoken.samples.size())), 0.02);
  ASSERT_GT(spoken.phonemes.size(), 10u);
  for (std::size_t i = 1; i < spoken.phonemes.size(); ++i)
    EXPECT_LE(spoken.phonemes[i - 1].seconds, spoken.phonemes[i].seconds);
  EXPECT_LE(spoken.phonemes.back().seconds, seconds(spoken));
}

TEST(Espeak, texts_of_several_threads_do_not_mix) {
  SPEAK_OR_SKIP(before, "One two three.", Voice{.name = "en-us+f3"});
  std::jthread other([] {
    for (int i = 0; i < 5; ++i) speak_text("Something else entirely.", Voice{.name = "en-us", .words_per_minute = 200});
  });
  for (int i = 0; i < 5; ++i) {
    // Its voices flutter at random, its phonemes do not.
    const SpokenText again = speak_text("One two three.", Voice{.name = "en-us+f3"});
    EXPECT_NEAR(seconds(again), seconds(before), 0.1);
    ASSERT_EQ(again.phonemes.size(), before.phonemes.size());
    for (std::size_t k = 0; k < before.phonemes.size(); ++k) EXPECT_EQ(again.phonemes[k].name, before.phonemes[k].name);
  }
}

TEST(Espeak, a_voice_that_does_not_exist_is_named) {
  SPEAK_OR_SKIP(spoken, "x", Voice());
  try {
    speak_text("x", Voice{.name = "xx-nowhere"});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::not_found);
    EXPECT_NE(std::string(error.what()).find("xx-nowhere"), std::string::npos);
  }
}

TEST(Espeak, bytes_that_are_no_text_do_no_harm) {
  SPEAK_OR_SKIP(spoken, std::string("\xff\xfe\xc3 <a [[x]] \x01\xf0\x9f"), Voice());
  EXPECT_LT(seconds(spoken), 30.0);
}

}  // namespace
}  // namespace rushes::audio
