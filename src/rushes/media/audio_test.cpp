// Sound in and out: what is decoded is what was there, sound and pictures of a container belong together.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <fstream>
#include <iterator>

#include "rushes/media/audio_decoder.h"
#include "rushes/media/audio_encoder.h"
#include "rushes/media/audio_unit_decoder.h"
#include "rushes/media/fragment_parser.h"
#include "rushes/media/fragmented_mp4.h"
#include "rushes/media/libav.h"
#include "rushes/media/mpeg_ts.h"
#include "rushes/media/pcm.h"
#include "rushes/media/test_audio.h"
#include "rushes/media/test_video.h"
#include "rushes/media/video_encoder.h"
#include "rushes/media/video_output.h"

namespace rushes::media {
namespace {

std::span<const uint8_t> bytes_of(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

/// How many samples `late` lags behind `wave`, by the best match.
int64_t lag(const std::vector<float>& wave, const std::vector<float>& late) {
  double best = -1e9;
  int64_t best_lag = 0;
  for (int64_t shift = -1200; shift <= 1200; ++shift) {
    double match = 0;
    for (int64_t i = 4000; i < 12'000; i += 3)
      match += static_cast<double>(wave[static_cast<std::size_t>(i)]) * late[static_cast<std::size_t>(i + shift)];
    if (match > best) {
      best = match;
      best_lag = shift;
    }
  }
  return best_lag;
}

TEST(DecodeAudio, reads_wav_of_any_rate_and_channel_count_as_the_mean) {
  const std::vector<float> wave = test_audio(5000);
  for (const int hz : {8000, 16'000, 24'000, 44'100, 96'000})
    for (const int channels : {1, 2, 6}) {
      const DecodedAudio decoded = decode_audio(bytes_of(wav_file(wave, hz, channels)));
      EXPECT_EQ(decoded.hz, hz);
      ASSERT_EQ(decoded.samples.size(), wave.size()) << hz << " " << channels;
      for (std::size_t i = 0; i < wave.size(); i += 97) EXPECT_NEAR(decoded.samples[i], wave[i], 1e-4);
    }
}

TEST(DecodeAudio, a_header_that_lies_about_the_length_gives_what_is_there) {
  const std::vector<float> wave = test_audio(3000);
  for (const int64_t claim : {int64_t{0xFFFFFFFF}, int64_t{1} << 30, int64_t{0}}) {
    const DecodedAudio decoded = decode_audio(bytes_of(wav_file(wave, 16'000, 1, claim)));
    EXPECT_EQ(decoded.samples.size(), 3000u) << claim;
  }
}

TEST(DecodeAudio, a_header_that_asks_for_gigabytes_gets_none) {
  std::ifstream file(RUSHES_SOURCE_DIR "/fuzz/corpus/audio/wav_gigabytes", std::ios::binary);
  const std::vector<uint8_t> bytes{std::istreambuf_iterator<char>(file), {}};
  ASSERT_EQ(bytes.size(), 130u);
  const auto most_mib = [] {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss >> 10;
  };
  const auto before = most_mib();
  EXPECT_THROW(decode_audio(std::span(bytes).subspan(1)), Error);
  EXPECT_LT(most_mib() - before, 512);
}

TEST(DecodeAudio, an_empty_wav_file_is_no_sound_and_no_error) {
  EXPECT_TRUE(decode_audio(bytes_of(wav_file({}, 16'000))).samples.empty());
}

TEST(DecodeAudio, refuses_what_is_no_sound_with_the_reason) {
  const std::string wav = wav_file(test_audio(16'000), 16'000);
  std::string no_channels = wav, text(5000, 'x');
  no_channels[22] = 0;
  const struct {
    const char* name;
    std::string bytes;
    std::set<ErrorCode> codes;
    const char* words = "";
  } cases[] = {
      {"nothing", "", {ErrorCode::corrupt_data}},
      {"text", text, {ErrorCode::unsupported}, "the audio cannot be read"},
      {"a picture",
       "\x89PNG\r\n\x1a\n" + text,
       {ErrorCode::unsupported},
       "in a format that is not read here; send WAV"},
      {"a playlist that names files", "#EXTM3U\n#EXTINF:10,\n/etc/passwd\n", {ErrorCode::unsupported}},
      {"half a header", wav.substr(0, 20), {ErrorCode::unsupported, ErrorCode::corrupt_data}},
      {"no channels", no_channels, {ErrorCode::unsupported, ErrorCode::corrupt_data}},
  };
  for (const auto& each : cases) {
    SCOPED_TRACE(each.name);
    try {
      decode_audio(bytes_of(each.bytes));
      ADD_FAILURE() << "was accepted";
    } catch (const Error& error) {
      EXPECT_TRUE(each.codes.contains(error.code())) << error.what();
      EXPECT_THAT(error.what(), testing::HasSubstr(each.words));
    }
  }
  EXPECT_THROW(decode_audio(bytes_of(wav), {.max_seconds = 0.5}), Error);
  EXPECT_THROW(decode_audio(bytes_of(wav), {.max_samples = 100}), Error);
  EXPECT_THROW(decode_audio(bytes_of(wav), {.max_bytes = 100}), Error);
}

TEST(DecodeAudio, survives_every_damaged_byte_of_a_header) {
  const std::string wav = wav_file(test_audio(200), 16'000);
  for (std::size_t at = 0; at < 44; ++at)
    for (const char wrong : {'\0', '\xff', '\x7f'}) {
      std::string damaged = wav;
      damaged[at] = wrong;
      try {
        EXPECT_LE(decode_audio(bytes_of(damaged)).samples.size(), 1000u);
      } catch (const Error&) {}
    }
}

/// Two seconds of black H.264 with B-frames, and a second of test_audio() that begins `late` seconds after them.
Bytes pictures_and_late_sound(const char* container, double late) {
  constexpr int kHz = 16'000, kFps = 25;
  libav::set_up();
  AVFormatContext* muxer = nullptr;
  libav::check(avformat_alloc_output_context2(&muxer, nullptr, container, nullptr), container);
  const std::unique_ptr<AVFormatContext, void (*)(AVFormatContext*)> owner(muxer, avformat_free_context);
  const auto x264 = libav::owned(avcodec_alloc_context3(avcodec_find_encoder_by_name("libx264")), "libx264");
  x264->width = x264->height = 64;
  x264->pix_fmt = AV_PIX_FMT_YUV420P;
  x264->time_base = {1, kFps};
  x264->max_b_frames = 2;
  x264->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
  libav::check(avcodec_open2(x264.get(), nullptr, nullptr), "libx264");
  AVStream* pictures = avformat_new_stream(muxer, nullptr);
  avcodec_parameters_from_context(pictures->codecpar, x264.get());
  pictures->time_base = x264->time_base;
  AVStream* sound = avformat_new_stream(muxer, nullptr);
  sound->codecpar->codec_type = AVMEDIA_TYPE_AUDIO;
  sound->codecpar->codec_id = AV_CODEC_ID_FLAC;
  const auto flac = libav::owned(avcodec_alloc_context3(avcodec_find_encoder_by_name("flac")), "flac");
  flac->sample_rate = kHz;
  flac->sample_fmt = AV_SAMPLE_FMT_S16;
  flac->time_base = {1, kHz};
  flac->strict_std_compliance = FF_COMPLIANCE_EXPERIMENTAL;  // FLAC in MP4
  av_channel_layout_default(&flac->ch_layout, 1);
  libav::check(avcodec_open2(flac.get(), nullptr, nullptr), "flac");
  avcodec_parameters_from_context(sound->codecpar, flac.get());
  sound->time_base = flac->time_base;
  muxer->strict_std_compliance = FF_COMPLIANCE_EXPERIMENTAL;
  libav::check(avio_open_dyn_buf(&muxer->pb), container);
  libav::check(avformat_write_header(muxer, nullptr), container);
  const auto packet = libav::owned(av_packet_alloc(), "packet");
  const auto frame = libav::owned(av_frame_alloc(), "frame");
  const auto drain = [&](AVCodecContext* encoder, const AVStream* stream) {
    while (avcodec_receive_packet(encoder, packet.get()) >= 0) {
      av_packet_rescale_ts(packet.get(), encoder->time_base, stream->time_base);
      packet->stream_index = stream->index;
      libav::check(av_interleaved_write_frame(muxer, packet.get()), container);
    }
  };
  for (int i = 0; i < 2 * kFps; ++i) {
    av_frame_unref(frame.get());
    frame->width = frame->height = 64;
    frame->format = x264->pix_fmt;
    frame->pts = i;
    libav::check(av_frame_get_buffer(frame.get(), 0), "frame");
    for (int plane = 0; plane < 3; ++plane)
      std::memset(frame->data[plane], 128, static_cast<std::size_t>(frame->linesize[plane] * (plane == 0 ? 64 : 32)));
    libav::check(avcodec_send_frame(x264.get(), frame.get()), "libx264");
    drain(x264.get(), pictures);
  }
  avcodec_send_frame(x264.get(), nullptr);
  drain(x264.get(), pictures);
  const std::vector<float> wave = test_audio(kHz, kHz);
  for (int at = 0; at < kHz; at += flac->frame_size) {
    av_frame_unref(frame.get());
    frame->nb_samples = std::min(flac->frame_size, kHz - at);
    frame->format = flac->sample_fmt;
    frame->sample_rate = kHz;
    frame->pts = at + std::lround(late * kHz);
    av_channel_layout_copy(&frame->ch_layout, &flac->ch_layout);
    libav::check(av_frame_get_buffer(frame.get(), 0), "frame");
    for (int i = 0; i < frame->nb_samples; ++i)
      reinterpret_cast<int16_t*>(frame->data[0])[i] =
          static_cast<int16_t>(std::lround(wave[static_cast<std::size_t>(at + i)] * 32767));
    libav::check(avcodec_send_frame(flac.get(), frame.get()), "flac");
    drain(flac.get(), sound);
  }
  avcodec_send_frame(flac.get(), nullptr);
  drain(flac.get(), sound);
  libav::check(av_write_trailer(muxer), container);
  uint8_t* data = nullptr;
  const int size = avio_close_dyn_buf(muxer->pb, &data);
  muxer->pb = nullptr;
  Bytes bytes(data, data + size);
  av_free(data);
  return bytes;
}

TEST(DecodeAudio, sound_that_begins_after_the_pictures_begins_with_silence) {
  for (const char* container : {"matroska", "mp4"}) {
    const DecodedAudio decoded = decode_audio(pictures_and_late_sound(container, 0.7));
    EXPECT_NEAR(decoded.seconds(), 1.7, 0.01) << container;
    const auto first = std::find_if(decoded.samples.begin(), decoded.samples.end(), [](float x) { return x != 0; });
    EXPECT_NEAR(static_cast<double>(first - decoded.samples.begin()) / decoded.hz, 0.7, 0.01) << container;
  }
}

TEST(DecodePcm, takes_the_mean_of_the_channels_and_leaves_out_half_a_sample) {
  const uint8_t bytes[] = {0x00, 0x40, 0x00, 0x00, 0x00, 0x80, 0x00, 0x80, 0x01};
  EXPECT_THAT(decode_pcm(bytes, {.channels = 2}).samples, testing::ElementsAre(0.25f, -1.0f));
  EXPECT_EQ(decode_pcm(bytes, {}).samples.size(), 4u);
}

TEST(DecodePcm, knows_the_order_of_bytes_and_floats) {
  const uint8_t big[] = {0x40, 0x00, 0xc0, 0x00}, floats[] = {0, 0, 0, 0x3f, 0, 0, 0xc0, 0x7f};
  EXPECT_THAT(decode_pcm(big, {.encoding = PcmEncoding::s16be}).samples, testing::ElementsAre(0.5f, -0.5f));
  EXPECT_THAT(decode_pcm(floats, {.encoding = PcmEncoding::f32le}).samples, testing::ElementsAre(0.5f, 0.0f));
}

TEST(DecodePcm, media_types_tell_how_samples_are_written) {
  const Pcm usual{.hz = 24'000};
  EXPECT_EQ(pcm_of_media_type("audio/L16;rate=16000;channels=2", usual),
            (Pcm{.encoding = PcmEncoding::s16be, .hz = 16'000, .channels = 2}));
  EXPECT_EQ(pcm_of_media_type("Audio/l16", usual), (Pcm{.encoding = PcmEncoding::s16be, .hz = 44'100}));
  EXPECT_EQ(pcm_of_media_type("audio/pcm", usual), usual);
  EXPECT_EQ(pcm_of_media_type("audio/pcm; Rate=\"8000\"", usual), (Pcm{.hz = 8000}));
  EXPECT_EQ(pcm_of_media_type("audio/wav", usual), std::nullopt);
  EXPECT_EQ(pcm_of_media_type("", usual), std::nullopt);
  EXPECT_THROW(pcm_of_media_type("audio/L16;rate=0", usual), Error);
  EXPECT_THROW(pcm_of_media_type("audio/L16;rate=fast", usual), Error);
  EXPECT_THROW(pcm_of_media_type("audio/L16;channels=200", usual), Error);
}

/// One second of video at 25 fps with sound, in five blocks.
struct Talk {
  explicit Talk(int64_t hz = 16'000) : audio(hz), wave(test_audio(static_cast<std::size_t>(hz))) {
    const std::size_t samples = wave.size() / 5;
    for (int64_t block = 0; block < 5; ++block) {
      std::vector<AccessUnit> pictures;
      for (int64_t t = 5 * block; t < 5 * block + 5; ++t)
        for (AccessUnit& unit : video.encode(test_frame(64, 64, t).data(), frame_time(t, 25)))
          pictures.push_back(std::move(unit));
      const auto first = block * static_cast<int64_t>(samples);
      append(pictures, audio.encode({wave.data() + first, samples}, first));
    }
    append({}, audio.flush());
  }
  void append(const std::vector<AccessUnit>& pictures, const std::vector<AccessUnit>& heard) {
    fragments.push_back(writer.fragment(pictures, heard));
    units.pictures.insert(units.pictures.end(), pictures.begin(), pictures.end());
    units.audio.insert(units.audio.end(), heard.begin(), heard.end());
  }

  VideoEncoder video{{.width = 64, .height = 64, .fps = 25}};
  AudioEncoder audio;
  FragmentWriter writer{video.track(), audio.track()};
  std::vector<float> wave;
  FragmentParser::Units units;  // that went in
  std::vector<Bytes> fragments;
};

TEST(AudioEncoder, sound_comes_back_at_its_own_time_and_length) {
  Talk talk;
  EXPECT_THAT(talk.writer.mime_type(), testing::HasSubstr("mp4a.40.2"));
  Bytes file = talk.writer.init_segment();
  for (const Bytes& fragment : talk.fragments) file.insert(file.end(), fragment.begin(), fragment.end());
  const DecodedAudio decoded = decode_audio(file);
  EXPECT_EQ(decoded.hz, 16'000);
  EXPECT_NEAR(static_cast<double>(decoded.samples.size()), 16'000, 1024);
  EXPECT_LE(std::abs(lag(talk.wave, decoded.samples)), 160);  // 10 ms
  EXPECT_EQ(decode_bytes("talk.mp4", file).size(), 25u);
}

TEST(AudioEncoder, units_begin_where_their_sound_does) {
  AudioEncoder encoder(16'000);
  std::vector<AccessUnit> units = encoder.encode(test_audio(8000), 32'000);
  for (AccessUnit& unit : encoder.flush()) units.push_back(std::move(unit));
  ASSERT_FALSE(units.empty());
  EXPECT_EQ(units.front().pts, Pts{180'000});
  for (std::size_t i = 1; i < units.size(); ++i) EXPECT_EQ(units[i].pts - units[i - 1].pts, Pts{5760});
}

TEST(AudioEncoder, nothing_encoded_gives_nothing) {
  EXPECT_TRUE(AudioEncoder(16'000).flush().empty());
  EXPECT_THROW(AudioEncoder(12'345), Error);
}

/// Seconds at which the loudest moment of the decoded units lies.
double loudest(const AudioTrack& track, const std::vector<AccessUnit>& units) {
  AudioUnitDecoder decoder(track);
  double best = 0, at = -1;
  for (const AccessUnit& unit : units) {
    const std::vector<float> samples = decoder.decode(unit);
    for (std::size_t i = 0; i < samples.size(); ++i)
      if (std::abs(samples[i]) > best) {
        best = std::abs(samples[i]);
        at = static_cast<double>(unit.pts.count()) / Pts::period::den +
             static_cast<double>(i) / static_cast<double>(decoder.hz());
      }
  }
  return at;
}

std::vector<AccessUnit> encode_in_pieces(AudioEncoder& encoder, const std::vector<float>& wave, std::size_t piece,
                                         int64_t first_sample) {
  std::vector<AccessUnit> units;
  for (std::size_t i = 0; i < wave.size(); i += piece) {
    const std::size_t count = std::min(piece, wave.size() - i);
    for (AccessUnit& unit : encoder.encode({wave.data() + i, count}, first_sample + static_cast<int64_t>(i)))
      units.push_back(std::move(unit));
  }
  for (AccessUnit& unit : encoder.flush()) units.push_back(std::move(unit));
  return units;
}

TEST(AudioEncoder, a_click_comes_out_of_opus_and_aac_when_it_went_in) {
  for (const AudioCodec codec : {AudioCodec::opus, AudioCodec::aac})
    for (const int64_t hz : {16'000, 24'000, 44'100, 48'000})
      for (const std::size_t piece : {3200, 640, 777}) {
        SCOPED_TRACE(fmt::format("{} Hz in pieces of {}", hz, piece));
        std::vector<float> wave(static_cast<std::size_t>(2 * hz));
        const auto click = static_cast<std::size_t>(static_cast<double>(hz) * 1.2345);
        for (std::size_t i = 0; i < static_cast<std::size_t>(hz / 1000); ++i)  // 1 ms
          wave[click + i] = i % 2 ? 0.9f : -0.9f;
        AudioEncoder encoder(hz, codec);
        const auto units = encode_in_pieces(encoder, wave, piece, 5 * hz);
        EXPECT_NEAR(loudest(encoder.track(), units), 6.2345, 0.005);
      }
}

TEST(AudioEncoder, opus_units_follow_each_other_and_hold_back_less_than_two) {
  AudioEncoder encoder(16'000, AudioCodec::opus);
  EXPECT_EQ(encoder.track().unit_samples, 320);
  const std::vector<float> wave = test_audio(32'000);
  std::vector<AccessUnit> units;
  for (int64_t at = 0; at < 32'000; at += 3200) {
    for (AccessUnit& unit : encoder.encode({wave.data() + at, 3200}, 16'000 + at)) units.push_back(std::move(unit));
    const Pts fed{90'000 + (at + 3200) * 90 / 16};
    ASSERT_FALSE(units.empty());
    EXPECT_LT(fed - (units.back().pts + units.back().duration), Pts{2 * 1800});
  }
  EXPECT_LE(units.front().pts, Pts{90'000});
  EXPECT_GT(units.front().pts, Pts{90'000 - 1800});
  for (std::size_t i = 1; i < units.size(); ++i) EXPECT_EQ(units[i].pts - units[i - 1].pts, Pts{1800});
}

TEST(AudioUnitDecoder, survives_damaged_units_and_refuses_a_description_that_is_none) {
  AudioEncoder encoder(16'000);
  std::vector<AccessUnit> units = encode_in_pieces(encoder, test_audio(16'000), 1600, 0);
  AudioUnitDecoder decoder(encoder.track());
  for (std::size_t i = 0; i < units.size(); ++i) {
    Bytes bytes = *units[i].bytes;
    if (i % 2) bytes.resize(bytes.size() / 2);
    if (i % 3 == 0) bytes[0] ^= 0xff;
    units[i].bytes = std::make_shared<const Bytes>(std::move(bytes));
    EXPECT_LE(decoder.decode(units[i]).size(), 2048u);
  }
  EXPECT_THROW(AudioUnitDecoder({.config = {0xff}}), Error);
}

TEST(FragmentParser, gives_pictures_and_audio_apart_as_they_were) {
  for (const int64_t hz : {16'000, 24'000, 44'100, 48'000}) {
    SCOPED_TRACE(hz);
    Talk talk(hz);
    const FragmentParser parser(talk.writer.init_segment());
    FragmentParser::Units all;
    for (const Bytes& fragment : talk.fragments) {
      const auto units = parser.units(fragment);
      all.pictures.insert(all.pictures.end(), units.pictures.begin(), units.pictures.end());
      all.audio.insert(all.audio.end(), units.audio.begin(), units.audio.end());
    }
    EXPECT_EQ(all.pictures.size(), 25u);
    ASSERT_GE(all.audio.size(), 15u);
    ASSERT_EQ(all.audio.size(), talk.units.audio.size());
    EXPECT_EQ(all.audio[0].pts, Pts{0});
    for (std::size_t i = 0; i < all.audio.size(); ++i) {
      const AccessUnit &unit = all.audio[i], &wanted = talk.units.audio[i];
      EXPECT_EQ(unit.pts, wanted.pts);
      EXPECT_EQ(unit.dts, wanted.dts);
      EXPECT_EQ(unit.duration, wanted.duration);
      EXPECT_EQ(unit.is_key, wanted.is_key);
      EXPECT_EQ(*unit.bytes, *wanted.bytes);
    }
    EXPECT_EQ(parser.times(talk.fragments.back()).pictures, 0);
    const AudioTrack track = talk.audio.track();
    EXPECT_EQ(parser.audio_track()->config, track.config);
    const Bytes segment = mpeg_ts_segment(talk.video.track(), all.pictures, &track, all.audio, Pts{126'000});
    EXPECT_EQ(segment,
              mpeg_ts_segment(talk.video.track(), talk.units.pictures, &track, talk.units.audio, Pts{126'000}));
    const auto frames = decode_bytes("talk.ts", segment);
    ASSERT_EQ(frames.size(), 25u);
    EXPECT_NEAR(frames[0].seconds, 1.4, 1e-3);
  }
}

TEST(VideoOutput, an_mp4_with_sound_has_both_at_their_time) {
  const auto path = std::filesystem::temp_directory_path() / (std::to_string(getpid()) + "_sound.mp4");
  const std::vector<float> wave = test_audio(16'000);
  {
    const auto output =
        open_video_output({.target = path.string(), .width = 64, .height = 64, .fps = 25, .audio_hz = 16'000});
    for (int64_t t = 0; t < 25; ++t)
      EXPECT_EQ(output->write(test_frame(64, 64, t).data(), 1, {wave.data() + t * 640, 640}), Reader::present);
    output->finish();
  }
  EXPECT_EQ(decode_video(path).size(), 25u);
  const DecodedAudio decoded = read_audio(path);
  EXPECT_NEAR(decoded.seconds(), 1.0, 0.065);
  EXPECT_LE(std::abs(lag(wave, decoded.samples)), 160);
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace rushes::media
