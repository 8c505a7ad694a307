// What a piece is: a file, whatever its format and wherever it is cut, or bare samples, which nothing is to mistake.
#include "rushes/media/frame_formats.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <string_view>

#include "rushes/base/error.h"
#include "rushes/media/audio_decoder.h"
#include "rushes/media/audio_stream.h"
#include "rushes/media/late_index.h"
#include "rushes/media/piece_sorter.h"
#include "rushes/media/test_sound_files.h"

namespace rushes::media {
namespace {

using Kind = PieceSorter::Kind;

TEST(PieceSorter, a_file_is_known_as_one_in_one_piece_and_in_many_and_nothing_of_it_is_lost) {
  for (const auto& kind : kinds())
    for (const std::size_t size : {std::size_t{300}, std::size_t{777}, std::size_t{4000}, kind.bytes.size()}) {
      SCOPED_TRACE(fmt::format("{} in pieces of {} bytes", kind.name, size));
      PieceSorter sorter;
      Bytes told;
      for (std::size_t at = 0; at < kind.bytes.size() && told.empty(); at += size) {
        const auto sorted = sorter.sort(std::span(kind.bytes).subspan(at, std::min(size, kind.bytes.size() - at)));
        ASSERT_NE(sorted.kind, Kind::samples);
        told.assign(sorted.bytes.begin(), sorted.bytes.end());
      }
      ASSERT_FALSE(told.empty());
      EXPECT_TRUE(std::equal(told.begin(), told.end(), kind.bytes.begin()));
      EXPECT_LT(told.size(), std::max<std::size_t>(size + 1, 5000)) << "so much was held back";
    }
}

std::vector<float> noise(std::size_t samples, double deviation, std::mt19937& random) {
  std::normal_distribution<double> values(0, deviation);
  std::vector<float> wave(samples);
  for (float& value : wave) value = static_cast<float>(std::clamp(values(random), -1.0, 1.0));
  return wave;
}

/// As 16-bit, 16-bit big-endian, 32-bit floating point and 8-bit samples.
std::vector<Bytes> as_samples(const std::vector<float>& wave) {
  std::vector<Bytes> all(4);
  for (const float value : wave) {
    const auto word = static_cast<uint16_t>(static_cast<int16_t>(std::lround(value * 32767)));
    const auto low = static_cast<uint8_t>(word), high = static_cast<uint8_t>(word >> 8);
    all[0].insert(all[0].end(), {low, high});
    all[1].insert(all[1].end(), {high, low});
    const auto* bytes = reinterpret_cast<const uint8_t*>(&value);
    all[2].insert(all[2].end(), bytes, bytes + sizeof value);
    all[3].push_back(static_cast<uint8_t>(128 + std::lround(value * 127)));
  }
  return all;
}

TEST(PieceSorter, samples_of_noise_silence_and_sound_are_never_taken_for_a_file_and_hardly_ever_held_back) {
  std::mt19937 random(7);
  std::vector<std::vector<float>> waves{std::vector<float>(40'000, 0.0f), std::vector<float>(40'000, -1 / 32767.0f),
                                        std::vector<float>(40'000, 0x4747 / 32767.0f), test_audio(40'000)};
  for (const double deviation : {2e-5, 1e-4, 5e-4, 2e-3, 0.01, 0.05, 0.3, 3.0})
    waves.push_back(noise(40'000, deviation, random));
  int pieces = 0, held = 0;
  for (const auto& wave : waves)
    for (const Bytes& bytes : as_samples(wave))
      for (std::size_t at = 0; at + 4000 <= bytes.size(); at += 97) {
        PieceSorter sorter;
        ASSERT_NE(sorter.sort(std::span(bytes).subspan(at, 320)).kind, Kind::file) << at;
        PieceSorter whole;
        ASSERT_NE(whole.sort(std::span(bytes).subspan(at, 4000)).kind, Kind::file) << at;
        held += sorter.finish().bytes.empty() ? 0 : 1;
        ++pieces;
      }
  EXPECT_GT(pieces, 10'000);
  EXPECT_LT(held, pieces / 200);
}

TEST(PieceSorter, bytes_that_can_begin_no_file_are_samples_at_once) {
  for (const Bytes& begin : {Bytes{0x10, 0, 0, 0, 0}, Bytes{0, 0, 0, 0, 0}, Bytes{0xff, 0xff, 0xff, 0xff, 0xff},
                             Bytes{0xff, 0xfb, 0xff, 0xfb, 0xff}, Bytes{'G', 0xff, 0, 0, 0}, Bytes{0x0b, 0, 0, 0, 0}}) {
    PieceSorter sorter;
    const auto sorted = sorter.sort(begin);
    EXPECT_EQ(sorted.kind, Kind::samples) << int{begin[0]} << ' ' << int{begin[1]};
    EXPECT_THAT(sorted.bytes, testing::ElementsAreArray(begin));
  }
}

TEST(PieceSorter, what_was_held_back_at_the_end_is_samples_unless_two_frames_are_there) {
  PieceSorter sorter;
  const Bytes begin{0xff, 0xfb, 0x90, 0x64, 1};
  EXPECT_EQ(sorter.sort(begin).kind, Kind::undecided);
  const auto rest = sorter.finish();
  EXPECT_EQ(rest.kind, Kind::samples);
  EXPECT_THAT(rest.bytes, testing::ElementsAreArray(begin));
  Bytes frames(2 * 417);
  for (const std::size_t at : {0, 417}) std::copy_n(begin.begin(), 4, frames.begin() + static_cast<std::ptrdiff_t>(at));
  EXPECT_EQ(sorter.sort(frames).kind, Kind::undecided);
  EXPECT_EQ(sorter.finish().kind, Kind::file);
}

TEST(AudioPieces, a_tag_in_front_is_skipped_however_long_it_is) {
  for (const auto& kind : kinds()) {
    const std::string_view name = kind.name;
    if (name != "MP3 to a pipe" && name != "AAC" && name != "FLAC" && name != "AC-3" && name != "TTA") continue;
    Bytes file{'I', 'D', '3', 4, 0, 0, 0, 3, 0, 0};  // 3 << 14 bytes
    file.resize(10 + (3 << 14), 0xff);
    file.insert(file.end(), kind.bytes.begin(), kind.bytes.end());
    const auto wanted = static_cast<double>(decode_audio(kind.bytes).samples.size());
    for (const std::size_t size : {std::size_t{7}, std::size_t{777}, file.size()}) {
      SCOPED_TRACE(fmt::format("{} in pieces of {} bytes", name, size));
      AudioPieces pieces(100);
      std::size_t heard = 0;
      for (std::size_t at = 0; at < file.size(); at += size)
        heard += pieces.feed(std::span(file).subspan(at, std::min(size, file.size() - at))).samples.size();
      heard += pieces.finish().samples.size();
      EXPECT_NEAR(static_cast<double>(heard), wanted, 0.05 * wanted);
    }
  }
}

TEST(AudioPieces, a_media_type_tells_what_a_stream_that_was_joined_in_its_middle_is) {
  EXPECT_EQ(frame_format_of_media_type("Audio/MPEG; charset=x"), "mp3");
  EXPECT_EQ(frame_format_of_media_type("video/mp2t"), "mpegts");
  EXPECT_EQ(frame_format_of_media_type("audio/wav"), "");
  for (const auto& [name, type] : {std::pair{"MP3 to a pipe", "audio/mpeg"}, {"AAC", "audio/aac"}}) {
    for (const auto& kind : kinds()) {
      if (std::string_view(kind.name) != name) continue;
      const auto file = std::span(kind.bytes).subspan(1001);
      AudioPieces pieces(100);
      std::size_t heard = 0;
      for (std::size_t at = 0; at < file.size(); at += 300)
        heard +=
            pieces
                .feed(file.subspan(at, std::min<std::size_t>(300, file.size() - at)), frame_format_of_media_type(type))
                .samples.size();
      heard += pieces.finish().samples.size();
      EXPECT_GT(static_cast<double>(heard), 1.6 * 24'000) << name;
    }
  }
}

TEST(AudioPieces, of_a_stream_of_which_nothing_can_be_heard_the_end_is_an_error_and_the_next_one_is_heard) {
  for (const auto& kind : kinds()) {
    const std::string_view name = kind.name;
    if (name.find("at its end") == std::string_view::npos && name != "WebM file") continue;
    SCOPED_TRACE(name);
    const std::size_t size = name == "WebM file" ? 300 : kind.bytes.size() - 100;
    AudioPieces pieces(100);
    std::size_t heard = 0;
    for (const Bytes& piece : cut({kind.bytes.begin(), kind.bytes.begin() + static_cast<std::ptrdiff_t>(size)}, 1, 90))
      heard += pieces.feed(piece).samples.size();
    EXPECT_EQ(heard, 0u);
    EXPECT_THROW(pieces.finish(), Error);
    EXPECT_FALSE(pieces.goes_on());
    EXPECT_EQ(pieces.kept_bytes(), 0u);
    heard += pieces.feed(kind.bytes).samples.size() + pieces.finish().samples.size();
    EXPECT_GT(heard, 30'000u);
  }
}

TEST(AudioPieces, a_file_whose_index_comes_last_is_kept_within_a_limit) {
  const Bytes file = file_of("mov", "pcm_s16le", 16'000, false);
  AudioPieces pieces(100, 10'000);
  EXPECT_THROW(pieces.feed(std::span(file).first(4000)), Error) << "since it says that it will be longer";
  EXPECT_FALSE(pieces.goes_on());
  AudioPieces more(100, 100'000);
  more.feed(std::span(file).first(4000));
  EXPECT_EQ(more.kept_bytes(), 4000u);
  more.drop_kept();
  EXPECT_EQ(more.kept_bytes(), 0u);
}

TEST(AudioPieces, a_stream_of_frames_ends_where_one_of_another_format_begins) {
  std::size_t heard = 0;
  AudioPieces pieces(100);
  for (const auto& kind : kinds())
    for (const char* name : {"MP3 to a pipe", "AAC", "AC-3"})
      if (std::string_view(kind.name) == name)
        for (std::size_t at = 0; at < kind.bytes.size(); at += 4000) {
          const auto audio =
              pieces.feed(std::span(kind.bytes).subspan(at, std::min<std::size_t>(4000, kind.bytes.size() - at)));
          heard += audio.samples.size() * 48'000 / static_cast<std::size_t>(std::max<int64_t>(audio.hz, 1));
        }
  EXPECT_NEAR(static_cast<double>(heard), 3.0 * 2 * 48'000, 0.4 * 48'000);
}

}  // namespace
}  // namespace rushes::media
