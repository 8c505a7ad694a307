// For tests: sound in all the containers and codecs that FFmpeg writes here, and files cut into pieces.
#pragma once
#include <cmath>
#include <memory>
#include <string_view>
#include <vector>

#include "rushes/media/access_unit.h"
#include "rushes/media/libav.h"
#include "rushes/media/test_audio.h"

namespace rushes::media {

/// Two seconds of test_audio() as FFmpeg's muxer writes them, `live`: as to a pipe, so that the header knows no length.
/// The second one comes `pause` samples later than it should. All channels of packed samples have the same.
inline Bytes file_of(const char* container, const char* encoder, int hz, bool live, const char* flags = "",
                     AVSampleFormat format = AV_SAMPLE_FMT_NONE, int pause = 0, int channels = 1) {
  libav::set_up();
  const AVCodec* codec = avcodec_find_encoder_by_name(encoder);
  if (!codec) return {};
  const auto context = libav::owned(avcodec_alloc_context3(codec), encoder);
  context->sample_rate = hz;
  av_channel_layout_default(&context->ch_layout, channels);
  context->sample_fmt = format == AV_SAMPLE_FMT_NONE ? codec->sample_fmts[0] : format;
  context->time_base = {1, hz};
  if (codec->id == AV_CODEC_ID_TTA) context->bits_per_raw_sample = 16;  // which its header tells
  context->strict_std_compliance = FF_COMPLIANCE_EXPERIMENTAL;
  AVFormatContext* muxer = nullptr;
  libav::check(avformat_alloc_output_context2(&muxer, nullptr, container, nullptr), container);
  const std::unique_ptr<AVFormatContext, void (*)(AVFormatContext*)> owner(muxer, avformat_free_context);
  if (muxer->oformat->flags & AVFMT_GLOBALHEADER) context->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
  libav::check(avcodec_open2(context.get(), codec, nullptr), encoder);
  AVStream* stream = avformat_new_stream(muxer, nullptr);
  avcodec_parameters_from_context(stream->codecpar, context.get());
  stream->time_base = context->time_base;
  libav::check(avio_open_dyn_buf(&muxer->pb), container);
  if (live) muxer->pb->seekable = 0;
  AVDictionary* options = nullptr;
  if (*flags) av_dict_set(&options, "movflags", flags, 0);
  if (live && std::string_view(container) == "mp3") {  // frames and nothing else
    av_dict_set(&options, "id3v2_version", "0", 0);
    av_dict_set(&options, "write_xing", "0", 0);
  }
  if (live && std::string_view(container) == "webm") av_dict_set(&options, "live", "1", 0);
  libav::check(avformat_write_header(muxer, &options), container);
  av_dict_free(&options);
  const auto wave = test_audio(static_cast<std::size_t>(2 * hz), hz);
  const auto packet = libav::owned(av_packet_alloc(), "packet");
  const auto frame = libav::owned(av_frame_alloc(), "frame");
  const auto drain = [&] {
    while (avcodec_receive_packet(context.get(), packet.get()) >= 0) {
      av_packet_rescale_ts(packet.get(), context->time_base, stream->time_base);
      libav::check(av_interleaved_write_frame(muxer, packet.get()), container);
    }
  };
  const int step = context->frame_size > 0 ? context->frame_size : 320;
  for (int at = 0; at < static_cast<int>(wave.size()); at += step) {
    av_frame_unref(frame.get());
    frame->nb_samples = std::min(step, static_cast<int>(wave.size()) - at);
    frame->format = context->sample_fmt;
    frame->sample_rate = hz;
    frame->pts = at + (at >= hz ? pause : 0);
    av_channel_layout_copy(&frame->ch_layout, &context->ch_layout);
    libav::check(av_frame_get_buffer(frame.get(), 0), encoder);
    for (int i = 0; i < frame->nb_samples * channels; ++i) {
      const float value = wave[static_cast<std::size_t>(at + i / channels)];
      const AVSampleFormat packed = av_get_packed_sample_fmt(context->sample_fmt);
      if (packed == AV_SAMPLE_FMT_S16)
        reinterpret_cast<int16_t*>(frame->data[0])[i] = static_cast<int16_t>(std::lround(value * 32767));
      if (packed == AV_SAMPLE_FMT_U8) frame->data[0][i] = static_cast<uint8_t>(128 + std::lround(value * 127));
      if (packed == AV_SAMPLE_FMT_S32)
        reinterpret_cast<int32_t*>(frame->data[0])[i] = static_cast<int32_t>(value * 2147483647.0);
      if (packed == AV_SAMPLE_FMT_FLT) reinterpret_cast<float*>(frame->data[0])[i] = value;
    }
    libav::check(avcodec_send_frame(context.get(), frame.get()), encoder);
    drain();
  }
  avcodec_send_frame(context.get(), nullptr);
  drain();
  libav::check(av_write_trailer(muxer), container);
  uint8_t* data = nullptr;
  const int size = avio_close_dyn_buf(muxer->pb, &data);
  muxer->pb = nullptr;
  Bytes bytes(data, data + size);
  av_free(data);
  return bytes;
}

struct Kind {
  const char* name;
  Bytes bytes;
  double held_back;  // seconds at most, before the end
};

inline std::vector<Kind> kinds() {
  std::vector<Kind> all;
  const auto add = [&](const char* name, Bytes bytes, double held_back) {
    if (!bytes.empty()) all.push_back({name, std::move(bytes), held_back});
  };
  add("WebM of a recorder", file_of("webm", "libopus", 48'000, true), 0.15);
  add("WebM file", file_of("webm", "libopus", 48'000, false), 0.15);
  add("Ogg Opus", file_of("ogg", "libopus", 48'000, false), 1.1);
  // Half of so short a file are its codebooks.
  add("Ogg Vorbis", file_of("ogg", "libvorbis", 48'000, false, "", AV_SAMPLE_FMT_FLTP), 1.8);
  add("MP3", file_of("mp3", "libmp3lame", 24'000, false, "", AV_SAMPLE_FMT_FLTP), 0.4);
  add("MP3 to a pipe", file_of("mp3", "libmp3lame", 24'000, true, "", AV_SAMPLE_FMT_FLTP), 0.4);
  add("AAC", file_of("adts", "aac", 24'000, true), 0.4);
  add("fragmented MP4", file_of("mp4", "aac", 24'000, true, "frag_every_frame+empty_moov+default_base_moof"), 0.3);
  add("MP4 with its index at its end", file_of("mp4", "aac", 24'000, false), 2);
  add("QuickTime with its index at its end", file_of("mov", "pcm_s16le", 16'000, false), 2);
  add("MP2", file_of("mp2", "mp2fixed", 48'000, true), 0.4);
  add("AC-3", file_of("ac3", "ac3", 48'000, true, "", AV_SAMPLE_FMT_FLTP), 0.4);
  add("AC-3 of 44100 Hz", file_of("ac3", "ac3", 44'100, true, "", AV_SAMPLE_FMT_FLTP), 0.4);
  add("E-AC-3", file_of("eac3", "eac3", 48'000, true, "", AV_SAMPLE_FMT_FLTP), 0.4);
  add("TTA", file_of("tta", "tta", 16'000, false, "", AV_SAMPLE_FMT_S16), 2);
  add("WavPack", file_of("wv", "wavpack", 16'000, false, "", AV_SAMPLE_FMT_S16P), 2);
  add("AIFF", file_of("aiff", "pcm_s16be", 16'000, false), 0.3);
  add("AU", file_of("au", "pcm_s16be", 16'000, false), 0.3);
  add("CAF", file_of("caf", "pcm_s16le", 16'000, false), 0.3);
  add("CAF with its index at its end", file_of("caf", "alac", 16'000, false, "", AV_SAMPLE_FMT_S16P), 2);
  add("W64", file_of("w64", "pcm_s16le", 16'000, false), 2);
  add("VOC", file_of("voc", "pcm_u8", 16'000, false), 0.3);
  add("FLV", file_of("flv", "aac", 44'100, false), 0.4);
  add("FLAC in Ogg", file_of("ogg", "flac", 16'000, false, "", AV_SAMPLE_FMT_S16), 2);
  add("MPEG transport stream", file_of("mpegts", "aac", 24'000, true), 0.9);  // 8 KiB tell the size of its packets
  add("MPEG program stream", file_of("mpeg", "mp2fixed", 48'000, true), 0.9);
  add("DVD", file_of("vob", "pcm_dvd", 48'000, true, "", AV_SAMPLE_FMT_S16, 0, 2), 0.9);
  add("WAV", file_of("wav", "pcm_s16le", 16'000, false), 0.05);
  const std::string big_endian = big_endian_wav_file(test_audio(32'000), 16'000, 16);
  // FFmpeg waits for 64 KiB of samples, lest they be something else.
  add("RIFX", {big_endian.begin(), big_endian.end()}, 2);
  add("WAV to a pipe", file_of("wav", "pcm_s16le", 16'000, true), 0.05);
  add("WAV of 8 bits", file_of("wav", "pcm_u8", 8000, false), 0.05);
  add("WAV of 24 bits", file_of("wav", "pcm_s24le", 16'000, true), 0.05);
  add("WAV of 32 bits", file_of("wav", "pcm_s32le", 16'000, false), 0.05);
  add("mu-law", file_of("wav", "pcm_mulaw", 8000, false), 0.05);
  add("IMA ADPCM", file_of("wav", "adpcm_ima_wav", 8000, false), 0.3);
  add("GSM", file_of("wav", "libgsm_ms", 8000, false), 0.7);
  add("FLAC", file_of("flac", "flac", 16'000, false, "", AV_SAMPLE_FMT_S16), 2);
  return all;
}

/// In pieces of random sizes, up to `most`.
inline std::vector<Bytes> cut(const Bytes& bytes, std::size_t seed, std::size_t most) {
  std::vector<Bytes> pieces;
  for (std::size_t at = 0; at < bytes.size();) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    const std::size_t size = std::min(bytes.size() - at, 1 + (seed >> 33) % most);
    pieces.emplace_back(bytes.begin() + static_cast<std::ptrdiff_t>(at),
                        bytes.begin() + static_cast<std::ptrdiff_t>(at + size));
    at += size;
  }
  return pieces;
}

}  // namespace rushes::media
