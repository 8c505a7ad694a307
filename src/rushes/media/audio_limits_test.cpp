// What decoded sound may take: its rate, and its memory, which is asked for before it is held.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <string_view>

#include "rushes/base/error.h"
#include "rushes/media/audio_decoder.h"
#include "rushes/media/audio_stream.h"
#include "rushes/media/test_audio.h"
#include "rushes/media/test_sound_files.h"

namespace rushes::media {
namespace {

/// The ways that a file comes.
struct Bounded {
  const char* name;
  std::function<DecodedAudio(const Bytes& file, const AudioLimits& limits)> decode;
};
const Bounded kBounded[] = {
    {"whole", [](const Bytes& file, const AudioLimits& limits) { return decode_audio(file, limits); }},
    {"in one piece",
     [](const Bytes& file, const AudioLimits& limits) {
       AudioPieces pieces(limits);
       DecodedAudio audio = pieces.feed(file);
       const DecodedAudio rest = pieces.finish();
       audio.samples.insert(audio.samples.end(), rest.samples.begin(), rest.samples.end());
       return audio;
     }},
    {"in pieces", [](const Bytes& file, const AudioLimits& limits) {
       AudioPieces pieces(limits);
       DecodedAudio all;
       const auto hear = [&](const DecodedAudio& audio) {
         if (audio.hz > 0) all.hz = audio.hz;
         all.samples.insert(all.samples.end(), audio.samples.begin(), audio.samples.end());
       };
       for (const Bytes& piece : cut(file, 7, 5000)) hear(pieces.feed(piece));
       hear(pieces.finish());
       return all;
     }}};
constexpr int kHighHz = 655'340;  // the highest that FFmpeg writes into FLAC

TEST(AudioLimits, sound_of_a_high_rate_is_resampled_while_it_is_decoded_and_asks_for_its_memory) {
  const Bytes file = file_of("flac", "flac", kHighHz, false, "", AV_SAMPLE_FMT_S16);
  const std::vector<float> wanted = test_audio(2 * kMostSpeechHz, kMostSpeechHz);
  for (const Bounded& way : kBounded) {
    SCOPED_TRACE(way.name);
    int64_t most = 0;
    const DecodedAudio audio =
        way.decode(file, {.max_hz = kMostSpeechHz, .admit = [&](int64_t bytes) { most = std::max(most, bytes); }});
    EXPECT_EQ(audio.hz, kMostSpeechHz);
    EXPECT_NEAR(static_cast<double>(audio.samples.size()), static_cast<double>(wanted.size()), 2);
    double most_wrong = 0;
    for (std::size_t i = 4800; i + 4800 < std::min(audio.samples.size(), wanted.size()); ++i)
      most_wrong = std::max<double>(most_wrong, std::abs(audio.samples[i] - wanted[i]));
    EXPECT_LT(most_wrong, 0.02);
    EXPECT_GT(most, 0);
    EXPECT_LE(most, audio.bytes());
    EXPECT_TRUE(most == audio.bytes() || way.name != std::string_view("whole")) << most;
  }
}

TEST(AudioLimits, sound_for_which_there_is_no_room_is_refused_before_it_is_held) {
  constexpr int64_t kRoom = 50'000, kFrame = 8'192;  // bytes; of what one frame becomes
  for (const Bytes& file : {file_of("flac", "flac", kHighHz, false, "", AV_SAMPLE_FMT_S16),
                            file_of("flac", "flac", 16'000, false, "", AV_SAMPLE_FMT_S16)})
    for (const bool at_once : {true, false}) {
      int64_t most = 0;
      const AudioLimits limits{.max_hz = kMostSpeechHz, .admit = [&](int64_t bytes) {
                                 most = std::max(most, bytes);
                                 require(bytes <= kRoom, ErrorCode::exhausted, "no room");
                               }};
      try {
        if (at_once)
          decode_audio(file, limits);
        else
          AudioPieces(limits).feed(file);
        ADD_FAILURE() << "was decoded";
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::exhausted) << error.what();
      }
      EXPECT_GT(most, kRoom);
      EXPECT_LE(most, kRoom + 4 * kFrame);
    }
}

TEST(AudioLimits, a_stream_of_which_a_piece_had_no_room_ends_and_the_next_file_is_heard) {
  const Bytes file = file_of("flac", "flac", 16'000, false, "", AV_SAMPLE_FMT_S16);
  bool is_full = false;
  AudioPieces pieces(AudioLimits{.admit = [&](int64_t) { require(!is_full, ErrorCode::exhausted, "no room"); }});
  const auto half = std::span(file).first(file.size() / 2);
  pieces.feed(half);
  is_full = true;
  EXPECT_THROW(pieces.feed(std::span(file).subspan(half.size())), Error);
  is_full = false;
  EXPECT_FALSE(pieces.goes_on());
  const std::size_t heard = pieces.feed(file).samples.size() + pieces.finish().samples.size();
  EXPECT_EQ(heard, decode_audio(file).samples.size());
}

TEST(AudioLimits, samples_without_a_codec_are_asked_for_too) {
  const std::string wav = wav_file(test_audio(1000), 16'000);
  int64_t most = 0;
  AudioPieces pieces(AudioLimits{.admit = [&](int64_t bytes) { most = std::max(most, bytes); }});
  const DecodedAudio audio = pieces.feed(Bytes(wav.begin(), wav.end()));
  EXPECT_EQ(audio.samples.size(), 1000u);
  EXPECT_EQ(most, audio.bytes());
}

}  // namespace
}  // namespace rushes::media
