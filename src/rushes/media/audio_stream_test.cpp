// Sound that comes in pieces: whatever the container and wherever it is cut, what comes out is what the whole has.
#include "rushes/media/audio_stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <numeric>

#include "rushes/audio/wav.h"
#include "rushes/base/error.h"
#include "rushes/media/audio_decoder.h"
#include "rushes/media/pcm.h"
#include "rushes/media/test_audio.h"
#include "rushes/media/test_sound_files.h"

namespace rushes::media {
namespace {

std::vector<float> whole(const Bytes& bytes) { return decode_audio(bytes).samples; }

/// For each of `kinds()`, with its name where it fails.
void for_each_kind(const std::function<void(const Kind&)>& test) {
  for (const Kind& kind : kinds()) {
    SCOPED_TRACE(kind.name);
    EXPECT_NO_THROW(test(kind));
  }
}

double difference(const std::vector<float>& a, const std::vector<float>& b) {
  double most = 0;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) most = std::max<double>(most, std::abs(a[i] - b[i]));
  return most;
}

/// The difference at the best of shifts: codecs' delays are cut off where a file tells them, which a stream may not.
double best_match(const std::vector<float>& heard, const std::vector<float>& wanted) {
  double best = 10;
  for (std::size_t shift = 0; shift <= 2400 && shift < heard.size(); ++shift) {
    double most = 0;
    for (std::size_t i = 0; i + shift < heard.size() && i < wanted.size() && most < best; i += 97)
      most = std::max<double>(most, std::abs(heard[i + shift] - wanted[i]));
    best = std::min(best, most);
  }
  return best;
}

TEST(AudioPieces, a_file_that_is_cut_anywhere_is_heard_as_a_whole) {
  for_each_kind([](const Kind& kind) {
    for (const std::size_t most : {31, 700, 5000, 60'000}) {
      SCOPED_TRACE(fmt::format("in pieces of up to {} bytes", most));
      const std::vector<float> wanted = whole(kind.bytes);
      AudioPieces pieces(100);
      std::vector<float> heard;
      int64_t hz = 0;
      std::size_t fed = 0;
      double late = 0;
      for (const Bytes& piece : cut(kind.bytes, most, most)) {
        const DecodedAudio audio = pieces.feed(piece);
        if (audio.hz > 0) hz = audio.hz;
        heard.insert(heard.end(), audio.samples.begin(), audio.samples.end());
        fed += piece.size();
        // What has come is heard at once, but for what the container keeps together.
        const double share = static_cast<double>(fed) / static_cast<double>(kind.bytes.size());
        const double seconds = static_cast<double>(heard.size()) / static_cast<double>(std::max<int64_t>(hz, 1));
        late = std::max(late, 2 * share - seconds);
      }
      EXPECT_LT(late, 0.2 + kind.held_back);
      const DecodedAudio rest = pieces.finish();
      heard.insert(heard.end(), rest.samples.begin(), rest.samples.end());
      EXPECT_NEAR(static_cast<double>(heard.size()), static_cast<double>(wanted.size()), 0.1 * static_cast<double>(hz));
      EXPECT_LT(best_match(heard, wanted), 0.02);
    }
  });
}

TEST(AudioPieces, complete_files_are_heard_to_their_end_each_at_once) {
  for_each_kind([](const Kind& kind) {
    const std::string_view name = kind.name;  // FFmpeg gives a W64 file's samples when another file begins
    if (name.find("pipe") != std::string_view::npos || name == "W64") return;
    const std::vector<float> wanted = whole(kind.bytes);
    AudioPieces pieces(100);
    std::size_t heard = 0;
    for (int i = 1; i <= 3; ++i) {
      heard += pieces.feed(kind.bytes).samples.size();
      EXPECT_GE(static_cast<double>(heard), 0.95 * i * static_cast<double>(wanted.size()));
    }
    heard += pieces.finish().samples.size();
    EXPECT_NEAR(static_cast<double>(heard), 3.0 * static_cast<double>(wanted.size()),
                0.15 * static_cast<double>(wanted.size()));
  });
}

/// 1: the same but for a shift and the loudness.
double likeness(const std::vector<float>& heard, const std::vector<float>& wanted) {
  double best = 0;
  for (std::size_t shift = 0; shift <= 2400; shift += 3) {
    double product = 0, heard_square = 1e-9, wanted_square = 1e-9;
    for (std::size_t i = 0; i + shift < heard.size() && i < wanted.size(); i += 7) {
      product += static_cast<double>(heard[i + shift]) * wanted[i];
      heard_square += static_cast<double>(heard[i + shift]) * heard[i + shift];
      wanted_square += static_cast<double>(wanted[i]) * wanted[i];
    }
    best = std::max(best, product / std::sqrt(heard_square * wanted_square));
  }
  return best;
}

TEST(DecodeAudio, the_codecs_of_telephones_and_recorders_are_heard_in_their_containers) {
  struct Spelling {
    const char *container, *encoder;
    int hz;
    AVSampleFormat format = AV_SAMPLE_FMT_NONE;
    int channels = 1;
  };
  for (const Spelling& one :
       {Spelling{"wav", "libgsm_ms", 8000}, Spelling{"wav", "adpcm_ms", 8000}, Spelling{"wav", "adpcm_ima_wav", 8000},
        Spelling{"wav", "adpcm_yamaha", 8000}, Spelling{"wav", "pcm_alaw", 8000}, Spelling{"wav", "pcm_mulaw", 8000},
        Spelling{"wav", "g726", 8000}, Spelling{"wav", "g722", 16'000},
        Spelling{"wav", "libmp3lame", 24'000, AV_SAMPLE_FMT_FLTP}, Spelling{"wav", "ac3", 48'000, AV_SAMPLE_FMT_FLTP},
        Spelling{"au", "pcm_mulaw", 8000}, Spelling{"aiff", "pcm_s16be", 16'000}, Spelling{"caf", "pcm_s16le", 16'000},
        Spelling{"mov", "adpcm_ima_qt", 16'000}, Spelling{"ogg", "libspeex", 16'000},
        Spelling{"asf", "wmav2", 16'000, AV_SAMPLE_FMT_FLTP}, Spelling{"vob", "pcm_dvd", 48'000, AV_SAMPLE_FMT_S16, 2},
        Spelling{"vob", "pcm_dvd", 48'000, AV_SAMPLE_FMT_S32, 2}}) {
    SCOPED_TRACE(fmt::format("{} in {}", one.encoder, one.container));
    const Bytes file = file_of(one.container, one.encoder, one.hz, false, "", one.format, 0, one.channels);
    if (file.empty()) continue;  // this FFmpeg cannot write it
    const DecodedAudio heard = decode_audio(file);
    EXPECT_EQ(heard.hz, one.hz);
    EXPECT_NEAR(heard.seconds(), 2, 0.2);
    EXPECT_GT(likeness(heard.samples, test_audio(static_cast<std::size_t>(2 * one.hz), one.hz)), 0.9);
  }
}

TEST(DecodeAudio, a_codec_that_is_not_decoded_is_named_also_where_its_container_says_nothing_of_it) {
  const Bytes file = file_of("mpegts", "s302m", 48'000, true, "", AV_SAMPLE_FMT_S16, 0, 2);
  if (file.empty()) GTEST_SKIP() << "no s302m in this FFmpeg";
  const auto refusal = [&] {
    try {
      decode_audio(file);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("it was read");
  };
  EXPECT_THAT(refusal(), testing::HasSubstr("s302m inside, which is not decoded here"));
}

TEST(DecodeAudio, a_wav_file_with_the_most_significant_byte_first_is_heard) {
  const auto wave = test_audio(16'000);
  for (const auto& [bits, floating] : {std::pair{16, false}, {24, false}, {32, false}, {32, true}}) {
    SCOPED_TRACE(fmt::format("{} bits{}", bits, floating ? " of floating point" : ""));
    const std::string file = big_endian_wav_file(wave, 16'000, bits, floating);
    const DecodedAudio heard = decode_audio(Bytes(file.begin(), file.end()));
    EXPECT_EQ(heard.hz, 16'000);
    ASSERT_EQ(heard.samples.size(), wave.size());
    EXPECT_LT(difference(heard.samples, wave), 1e-4);
  }
}

TEST(DecodeAudio, a_pause_between_time_stamps_is_silence) {
  constexpr int kHz = 48'000, kPause = kHz / 2;
  const Bytes whole_file = file_of("webm", "libopus", kHz, false),
              paused = file_of("webm", "libopus", kHz, false, "", AV_SAMPLE_FMT_NONE, kPause);
  if (paused.empty()) GTEST_SKIP() << "no libopus in this FFmpeg";
  const std::vector<float> plain = whole(whole_file), heard = whole(paused);
  EXPECT_NEAR(static_cast<double>(heard.size()) - static_cast<double>(plain.size()), kPause, kHz * 0.03);
  for (std::size_t i = kHz + kHz / 10; i < kHz + kPause - kHz / 10; ++i) ASSERT_LT(std::abs(heard[i]), 0.01) << i;
  // The encoder's packets are not those of its input: up to a packet more comes before the pause. WebM's time stamps
  // are whole milliseconds: it goes on a few samples sooner or later.
  constexpr int kAfter = kHz + kHz / 20;
  EXPECT_LT(
      best_match({heard.begin() + kAfter + kPause - kHz / 500, heard.end()}, {plain.begin() + kAfter, plain.end()}),
      0.05);
}

TEST(AudioPieces, bare_samples_behind_a_wav_header_go_on_with_its_sound) {
  const auto wave = test_audio(16'000);
  for (const int64_t claimed : {int64_t{3200}, int64_t{0xffffffff}, int64_t{32'000}, int64_t{0}}) {
    SCOPED_TRACE(claimed);
    const std::string file = wav_file(wave, 16'000, 1, claimed);
    AudioPieces pieces(100);
    std::vector<float> heard;
    for (std::size_t at = 0; at < file.size();) {
      const std::size_t size = std::min<std::size_t>(at == 0 ? 44 + 3200 : 801, file.size() - at);
      const auto audio = pieces.feed({reinterpret_cast<const uint8_t*>(file.data()) + at, size});
      heard.insert(heard.end(), audio.samples.begin(), audio.samples.end());
      at += size;
    }
    const auto rest = pieces.finish();
    heard.insert(heard.end(), rest.samples.begin(), rest.samples.end());
    ASSERT_EQ(heard.size(), wave.size());
    EXPECT_LT(difference(heard, wave), 1e-4);
  }
}

std::string list_chunk() {
  std::string chunk = "LIST";
  append_number(chunk, 21, 4);
  return chunk + "INFOISFT" + std::string("\x09\0\0\0", 4) + "a program" + std::string(1, '\0');
}

TEST(AudioPieces, what_is_behind_the_samples_of_a_wav_file_is_not_heard_and_another_file_is) {
  const auto first = test_audio(1601), second = test_audio(3200, 8000);
  const std::string files =
      wav_file(first, 16'000) + list_chunk() + list_chunk() + wav_file(second, 8000) + list_chunk();
  for (const std::size_t most : {1, 7, 31, 700, 1'000'000}) {
    SCOPED_TRACE(most);
    AudioPieces pieces(100);
    std::vector<float> heard;
    double seconds = 0;
    const auto hear = [&](const DecodedAudio& audio) {
      heard.insert(heard.end(), audio.samples.begin(), audio.samples.end());
      seconds += audio.seconds();
    };
    for (const Bytes& piece : cut({files.begin(), files.end()}, 3, most)) hear(pieces.feed(piece));
    hear(pieces.finish());
    EXPECT_NEAR(seconds, 0.1 + 0.4, 0.01);
    ASSERT_GE(heard.size(), second.size());
    EXPECT_LT(difference({heard.end() - static_cast<std::ptrdiff_t>(second.size()), heard.end()}, second), 1e-4);
    if (most < files.size()) {  // else the first is resampled
      EXPECT_LT(difference(heard, {first.begin(), first.begin() + 1500}), 1e-4);
    }
  }
}

/// 1601 samples of 8 bits, with the byte behind them that makes their number even.
std::string wav_of_8_bits() {
  std::string file = wav_file(std::vector<float>(1600, 0.0f), 16'000).substr(0, 44);
  file[4] = static_cast<char>(0x66), file[5] = 6;  // 36 + 1602 bytes
  file[28] = static_cast<char>(0x80), file[29] = 0x3e, file[32] = 1, file[34] = 8;
  file[40] = 0x41, file[41] = 6;
  return file + std::string(1601, static_cast<char>(128)) + std::string(1, '\0');
}

TEST(AudioPieces, a_file_of_any_format_behind_a_wav_file_is_heard_wherever_they_are_cut) {
  for (const std::string& wav : {wav_file(test_audio(1601), 16'000), wav_of_8_bits()})
    for_each_kind([&](const Kind& kind) {
      const std::vector<float> wanted = whole(kind.bytes);
      Bytes files(wav.begin(), wav.end());
      files.insert(files.end(), kind.bytes.begin(), kind.bytes.end());
      for (const auto& [before, count] :
           {std::pair<std::size_t, std::size_t>{1000, 1500}, {1000, 1001}, {1000, 4000}, {1, 2}}) {
        SCOPED_TRACE(fmt::format("cut {} bytes before the border, and {} bytes later", before, count));
        AudioPieces pieces(100);
        std::vector<float> heard;
        double seconds = 0;
        const auto hear = [&](const DecodedAudio& audio) {
          heard.insert(heard.end(), audio.samples.begin(), audio.samples.end());
          seconds += audio.hz > 0 ? audio.seconds() : 0;
        };
        const std::span<const uint8_t> all(files);
        const std::size_t cut = wav.size() - before;
        hear(pieces.feed(all.first(cut)));
        hear(pieces.feed(all.subspan(cut, count)));
        hear(pieces.feed(all.subspan(cut + count)));
        hear(pieces.finish());
        EXPECT_NEAR(seconds, 0.1 + decode_audio(kind.bytes).seconds(), 0.1);
        // Codecs' delays are at either end.
        const std::size_t last = std::min(heard.size(), wanted.size() + 1200);
        EXPECT_LT(best_match({heard.end() - static_cast<std::ptrdiff_t>(last), heard.end()}, wanted), 0.1);
      }
    });
}

TEST(DecodeAudio, another_file_behind_a_wav_file_is_warned_of) {
  const std::string wav = wav_file(test_audio(1601), 16'000), more = wav_file(test_audio(800), 16'000);
  for (const std::string& first : {wav, wav + list_chunk(), wav_of_8_bits()}) {
    const auto decode = [&](const std::string& behind) {
      const std::string file = first + behind;
      return decode_audio(Bytes(file.begin(), file.end()));
    };
    EXPECT_THAT(decode("").warnings, testing::IsEmpty());
    EXPECT_THAT(decode(std::string(100, 'x')).warnings, testing::IsEmpty());
    for (const std::string& behind : {more, "fLaC" + std::string(100, '\0')}) {
      const DecodedAudio heard = decode(behind);
      EXPECT_EQ(heard.samples.size(), 1601u);
      EXPECT_THAT(heard.warnings,
                  testing::ElementsAre(testing::HasSubstr(fmt::format("its {} bytes are not heard", behind.size()))));
    }
  }
}

TEST(AudioPieces, one_piece_has_a_limited_number_of_files) {
  std::string files;
  for (int i = 0; i < 1000; ++i) files += wav_file(test_audio(2), 8000 + i);
  AudioPieces pieces(100);
  EXPECT_THROW(pieces.feed({reinterpret_cast<const uint8_t*>(files.data()), files.size()}), Error);
}

TEST(AudioPieces, of_a_codec_that_nobody_knows_are_refused_and_not_silent) {
  std::string file = wav_file(test_audio(16'000), 16'000);
  file[20] = 0x34, file[21] = 0x52;
  AudioPieces pieces(100);
  std::string message;
  for (std::size_t at = 0; at < file.size() && message.empty(); at += 1000) try {
      pieces.feed({reinterpret_cast<const uint8_t*>(file.data()) + at, std::min<std::size_t>(1000, file.size() - at)});
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::unsupported);
      message = error.what();
    }
  EXPECT_THAT(message, testing::HasSubstr("unknown codec (0x5234)"));
}

TEST(AudioPieces, what_is_no_sound_is_refused_and_the_next_piece_is_heard) {
  AudioPieces pieces(100);
  const std::string text(5000, 'x');
  EXPECT_THROW(pieces.feed({reinterpret_cast<const uint8_t*>(text.data()), text.size()}), Error);
  const std::string file = wav_file(test_audio(1600), 16'000);
  EXPECT_EQ(pieces.feed({reinterpret_cast<const uint8_t*>(file.data()), file.size()}).samples.size(), 1600u);
}

TEST(AudioPieces, text_is_not_taken_for_samples_that_go_on) {
  AudioPieces pieces(60);
  const auto feed = [&](const std::string& piece) {
    return pieces.feed({reinterpret_cast<const uint8_t*>(piece.data()), piece.size()}).samples.size();
  };
  EXPECT_EQ(feed(wav_file(test_audio(1600), 16'000)), 1600u);
  EXPECT_THROW(feed("no sound"), Error);
  EXPECT_EQ(feed("abcd"), 0u);  // too short to tell: a file may begin so
  EXPECT_EQ(pieces.finish().samples.size(), 2u);
}

TEST(DecodedAudio, what_is_not_a_number_or_far_too_loud_is_silent_and_warned_of) {
  const float none = std::numeric_limits<float>::quiet_NaN(), most = std::numeric_limits<float>::infinity();
  const std::vector<float> sound(2000, 0.25f);
  const auto bytes_of = [](const std::string& text) {
    return std::span(reinterpret_cast<const uint8_t*>(text.data()), text.size());
  };
  const auto as_file = [&](const std::vector<float>& samples) {
    return decode_audio(bytes_of(float_wav_file(samples, 16'000)));
  };
  const auto as_pieces = [&](const std::vector<float>& samples) {
    return AudioPieces(10).feed(bytes_of(float_wav_file(samples, 16'000)));
  };
  const auto as_pcm = [&](const std::vector<float>& samples) {
    return decode_pcm(bytes_of(float_wav_file(samples, 16'000).substr(44)), {.encoding = PcmEncoding::f32le});
  };
  for (const auto& [name, decode] :
       {std::pair<const char*, std::function<DecodedAudio(const std::vector<float>&)>>("a file", as_file),
        {"a file in pieces", as_pieces},
        {"bare samples", as_pcm}}) {
    SCOPED_TRACE(name);
    EXPECT_THAT(decode(sound).warnings, testing::IsEmpty());
    EXPECT_EQ(decode(sound).samples, sound);
    for (const float wrong : {none, -none, most, -most, 20'000.0f}) {
      std::vector<float> samples = sound, silenced = sound;
      samples[700] = wrong;
      silenced[700] = 0;
      const DecodedAudio audio = decode(samples);
      EXPECT_EQ(audio.samples, silenced);
      EXPECT_THAT(audio.warnings, testing::ElementsAre(no_sound_warning()));
    }
  }
}

TEST(AudioPieces, gives_no_more_of_a_piece_than_is_allowed) {
  const std::string file = wav_file(test_audio(32'000), 16'000);
  AudioPieces pieces(1);
  EXPECT_THROW(pieces.feed({reinterpret_cast<const uint8_t*>(file.data()), file.size()}), Error);
}

TEST(AudioPieces, the_padding_of_an_mp3_file_that_tells_it_is_not_heard_in_pieces_either) {
  const Bytes file = file_of("mp3", "libmp3lame", 24'000, false, "", AV_SAMPLE_FMT_FLTP);
  if (file.empty()) GTEST_SKIP() << "no libmp3lame in this FFmpeg";
  AudioPieces pieces(100);
  std::size_t heard = 0;
  for (const Bytes& piece : cut(file, 3, 5000)) heard += pieces.feed(piece).samples.size();
  heard += pieces.finish().samples.size();
  EXPECT_EQ(heard, whole(file).size());
}

TEST(AudioStream, may_be_left_at_any_time) {
  const Bytes file = file_of("webm", "libopus", 48'000, true);
  if (file.empty()) GTEST_SKIP() << "no libopus in this FFmpeg";
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{50}, file.size() / 2, file.size()}) {
    AudioStream stream("matroska", {.max_seconds = 100});
    stream.feed(std::span(file).first(size));
  }
}

}  // namespace
}  // namespace rushes::media
