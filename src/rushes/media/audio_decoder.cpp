#include "rushes/media/audio_decoder.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

#include "rushes/audio/resample.h"
#include "rushes/media/decoded_stream.h"

namespace rushes::media {
namespace {

constexpr libav::Readable kAudio{
    .type = AVMEDIA_TYPE_AUDIO,
    .what = "the audio",
    .formats = "WAV, MP3, FLAC, Ogg, WebM or MP4",
    .demuxers = "wav,w64,mp3,flac,ogg,matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,aac,avi,mpegts",
    .decoders =
        "pcm_s16le,pcm_s16be,pcm_s24le,pcm_s32le,pcm_u8,pcm_f32le,pcm_f64le,pcm_alaw,pcm_mulaw,mp3float,mp3,flac,"
        "vorbis,opus,libopus,aac,alac"};
constexpr int64_t kMaxChannels = 32;

/// One value of a decoded frame in [-1, 1].
float value(const AVFrame& frame, int channel, int i) {
  const auto format = static_cast<AVSampleFormat>(frame.format);
  const bool planar = av_sample_fmt_is_planar(format) != 0;
  const uint8_t* data = frame.extended_data[planar ? channel : 0];
  const int at = planar ? i : i * frame.ch_layout.nb_channels + channel;
  switch (av_get_packed_sample_fmt(format)) {
    case AV_SAMPLE_FMT_U8: return static_cast<float>(data[at] - 128) / 128.0f;
    case AV_SAMPLE_FMT_S16: return static_cast<float>(reinterpret_cast<const int16_t*>(data)[at]) / 32768.0f;
    case AV_SAMPLE_FMT_S32: return static_cast<float>(reinterpret_cast<const int32_t*>(data)[at] / 2147483648.0);
    case AV_SAMPLE_FMT_FLT: return reinterpret_cast<const float*>(data)[at];
    case AV_SAMPLE_FMT_DBL: return static_cast<float>(reinterpret_cast<const double*>(data)[at]);
    default: fail(ErrorCode::unsupported, "the audio has an unknown sample format");
  }
}

void append_mean(const AVFrame& frame, std::vector<float>& samples) {
  for (int i = 0; i < frame.nb_samples; ++i) {
    double sum = 0;
    for (int channel = 0; channel < frame.ch_layout.nb_channels; ++channel) sum += value(frame, channel, i);
    const auto mean = static_cast<float>(sum / frame.ch_layout.nb_channels);
    // Float files may hold anything.
    samples.push_back(mean >= -8.0f && mean <= 8.0f ? mean : 0.0f);
  }
}

}  // namespace

DecodedAudio decode_audio(std::span<const uint8_t> bytes, const AudioLimits& limits) {
  require(!bytes.empty(), ErrorCode::corrupt_data, "the audio is empty (0 bytes); send {}", kAudio.formats);
  require(static_cast<int64_t>(bytes.size()) <= limits.max_bytes, ErrorCode::too_large,
          "the audio has {} bytes; at most {} are allowed", bytes.size(), limits.max_bytes);
  libav::DecodedStream stream(bytes, kAudio);
  DecodedAudio decoded;
  while (const AVFrame* frame = stream.next()) {
    require(frame->sample_rate > 0 && frame->sample_rate <= 768'000 && frame->ch_layout.nb_channels > 0 &&
                frame->ch_layout.nb_channels <= kMaxChannels,
            ErrorCode::unsupported,
            "the audio has {} channels at {} Hz; 1 to {} channels and up to 768000 Hz are allowed",
            frame->ch_layout.nb_channels, frame->sample_rate, kMaxChannels);
    if (decoded.hz == 0) decoded.hz = frame->sample_rate;
    require(decoded.hz == frame->sample_rate, ErrorCode::unsupported,
            "the audio changes its sampling rate from {} to {} Hz", decoded.hz, frame->sample_rate);
    // A file says its rate itself: some kilobytes of FLAC at 655 kHz would become gigabytes within any limit of
    // seconds.
    require(static_cast<int64_t>(decoded.samples.size()) + frame->nb_samples <= limits.max_samples,
            ErrorCode::too_large, "the audio has more than {} samples at {} Hz; send it in pieces", limits.max_samples,
            decoded.hz);
    append_mean(*frame, decoded.samples);
    require(decoded.seconds() <= limits.max_seconds, ErrorCode::too_large,
            "the audio is longer than {} s; send it in pieces", limits.max_seconds);
  }
  if (decoded.hz == 0) decoded.hz = stream.stream().codecpar->sample_rate;
  require(decoded.hz > 0 && (!decoded.samples.empty() || bytes.size() <= 64), ErrorCode::corrupt_data,
          "nothing in the {} bytes of audio could be decoded; is the file damaged?", bytes.size());
  return decoded;
}

DecodedAudio read_audio(const std::filesystem::path& path, const AudioLimits& limits) {
  std::error_code status;
  require(std::filesystem::is_regular_file(path, status), ErrorCode::not_found, "there is no audio file {}",
          path.string());
  const auto size = static_cast<int64_t>(std::filesystem::file_size(path, status));
  require(!status && size <= limits.max_bytes, ErrorCode::too_large, "{} has {} bytes; at most {} are allowed",
          path.string(), size, limits.max_bytes);
  std::ifstream file(path, std::ios::binary);
  Bytes bytes{std::istreambuf_iterator<char>(file), {}};
  require(static_cast<int64_t>(bytes.size()) == size, ErrorCode::unavailable, "cannot read {}", path.string());
  try {
    return decode_audio(bytes, limits);
  } catch (const Error& error) {
    fail(error.code(), "{}: {}", path.string(), error.what());
  }
}

DecodedAudio resampled(const DecodedAudio& audio, int64_t hz) {
  return {audio::resample(audio.samples, audio.hz, hz), hz};
}

DecodedAudio decode_pcm16(std::span<const uint8_t> bytes, int64_t hz, int64_t channels) {
  DecodedAudio decoded{.samples = {}, .hz = hz};
  const std::size_t frames = bytes.size() / static_cast<std::size_t>(2 * channels);
  decoded.samples.reserve(frames);
  for (std::size_t i = 0; i < frames; ++i) {
    double sum = 0;
    for (std::size_t c = 0; c < static_cast<std::size_t>(channels); ++c) {
      const std::size_t at = 2 * (i * static_cast<std::size_t>(channels) + c);
      sum += static_cast<int16_t>(static_cast<uint16_t>(bytes[at] | bytes[at + 1] << 8));
    }
    decoded.samples.push_back(static_cast<float>(sum / static_cast<double>(channels) / 32768.0));
  }
  return decoded;
}

}  // namespace rushes::media
