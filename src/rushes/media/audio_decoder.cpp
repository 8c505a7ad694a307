#include "rushes/media/audio_decoder.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

#include "rushes/media/libav.h"

namespace rushes::media {
namespace {

using libav::check;

// What may read bytes from outside. Everything else of FFmpeg stays out of their reach.
constexpr const char* kDemuxers = "wav,w64,mp3,flac,ogg,matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,aac";
constexpr const char* kDecoders =
    "pcm_s16le,pcm_s16be,pcm_s24le,pcm_s32le,pcm_u8,pcm_f32le,pcm_f64le,pcm_alaw,pcm_mulaw,mp3float,mp3,flac,vorbis,"
    "opus,libopus,aac,alac";
constexpr const char* kFormats = "WAV, MP3, FLAC, Ogg, WebM or MP4";
constexpr int kIoBufferBytes = 32 << 10;
constexpr int64_t kMaxChannels = 32;

/// Bytes in memory, read as a file.
struct Source {
  std::span<const uint8_t> bytes;
  int64_t position = 0;

  static int read(void* opaque, uint8_t* target, int wanted) {
    auto& source = *static_cast<Source*>(opaque);
    const int64_t left = static_cast<int64_t>(source.bytes.size()) - source.position;
    const int64_t count = std::min<int64_t>(left, wanted);
    if (count <= 0) return AVERROR_EOF;
    std::memcpy(target, source.bytes.data() + source.position, static_cast<std::size_t>(count));
    source.position += count;
    return static_cast<int>(count);
  }
  static int64_t seek(void* opaque, int64_t offset, int whence) {
    auto& source = *static_cast<Source*>(opaque);
    const auto size = static_cast<int64_t>(source.bytes.size());
    if (whence == AVSEEK_SIZE) return size;
    const int64_t to = (whence & ~AVSEEK_FORCE) == SEEK_CUR   ? source.position + offset
                       : (whence & ~AVSEEK_FORCE) == SEEK_END ? size + offset
                                                              : offset;
    if (to < 0 || to > size) return AVERROR(EINVAL);
    return source.position = to;
  }
};

struct CloseInput {
  void operator()(AVFormatContext* p) const { avformat_close_input(&p); }
};

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
    default: fail(ErrorCode::unsupported, "sound with samples of an unknown kind");
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
  require(!bytes.empty(), ErrorCode::corrupt_data, "the sound is empty (0 bytes); send {}", kFormats);
  require(static_cast<int64_t>(bytes.size()) <= limits.max_bytes, ErrorCode::too_large,
          "the sound has {} bytes, {} are allowed", bytes.size(), limits.max_bytes);
  libav::set_up();
  Source source{bytes};
  auto* buffer = static_cast<uint8_t*>(av_malloc(kIoBufferBytes));
  require(buffer != nullptr, ErrorCode::exhausted, "sound: out of memory");
  const auto io = libav::owned(
      avio_alloc_context(buffer, kIoBufferBytes, 0, &source, Source::read, nullptr, Source::seek), "sound");
  AVFormatContext* opened = avformat_alloc_context();
  require(opened != nullptr, ErrorCode::exhausted, "sound: out of memory");
  opened->pb = io.get();
  opened->flags |= AVFMT_FLAG_CUSTOM_IO;
  opened->format_whitelist = av_strdup(kDemuxers);
  opened->codec_whitelist = av_strdup(kDecoders);
  opened->protocol_whitelist = av_strdup("none");
  opened->max_streams = 16;
  const int result = avformat_open_input(&opened, nullptr, nullptr, nullptr);
  require(result >= 0, ErrorCode::unsupported, "this is no sound that can be read ({}); send {}",
          libav::message(result), kFormats);
  const std::unique_ptr<AVFormatContext, CloseInput> input(opened);
  // Nothing to find is told by the lack of a stream below.
  avformat_find_stream_info(input.get(), nullptr);
  const int index = av_find_best_stream(input.get(), AVMEDIA_TYPE_AUDIO, -1, -1, nullptr, 0);
  require(index >= 0, ErrorCode::unsupported, "the file has no sound that can be read; send {}", kFormats);
  const AVCodecParameters& parameters = *input->streams[index]->codecpar;
  const AVCodec* codec = avcodec_find_decoder(parameters.codec_id);
  require(codec != nullptr, ErrorCode::unsupported, "the sound is coded as {}, which is not known; send {}",
          avcodec_get_name(parameters.codec_id), kFormats);
  const auto context = libav::owned(avcodec_alloc_context3(codec), "sound decoder");
  check(avcodec_parameters_to_context(context.get(), &parameters), "sound decoder", ErrorCode::corrupt_data);
  context->codec_whitelist = av_strdup(kDecoders);
  context->pkt_timebase = input->streams[index]->time_base;
  context->thread_count = 1;
  require(avcodec_open2(context.get(), codec, nullptr) >= 0, ErrorCode::unsupported,
          "the sound is coded as {}, which cannot be read here; send {}", avcodec_get_name(parameters.codec_id),
          kFormats);

  DecodedAudio decoded;
  const auto packet = libav::owned(av_packet_alloc(), "sound");
  const auto frame = libav::owned(av_frame_alloc(), "sound");
  const auto receive = [&] {
    while (avcodec_receive_frame(context.get(), frame.get()) >= 0) {
      require(frame->sample_rate > 0 && frame->sample_rate <= 768'000 && frame->ch_layout.nb_channels > 0 &&
                  frame->ch_layout.nb_channels <= kMaxChannels,
              ErrorCode::unsupported, "the sound has {} channels at {} Hz; allowed are 1 to {} at up to 768000",
              frame->ch_layout.nb_channels, frame->sample_rate, kMaxChannels);
      if (decoded.hz == 0) decoded.hz = frame->sample_rate;
      require(decoded.hz == frame->sample_rate, ErrorCode::unsupported,
              "the sound changes its sampling rate from {} to {} Hz", decoded.hz, frame->sample_rate);
      append_mean(*frame, decoded.samples);
      require(decoded.seconds() <= limits.max_seconds, ErrorCode::too_large,
              "the sound is longer than {} s; send it in pieces", limits.max_seconds);
    }
  };
  while (av_read_frame(input.get(), packet.get()) >= 0) {
    // A damaged packet is left out, as players do.
    if (packet->stream_index == index && avcodec_send_packet(context.get(), packet.get()) >= 0) receive();
    av_packet_unref(packet.get());
  }
  if (avcodec_send_packet(context.get(), nullptr) >= 0) receive();
  if (decoded.hz == 0) decoded.hz = parameters.sample_rate;
  require(decoded.hz > 0 && (!decoded.samples.empty() || bytes.size() <= 64), ErrorCode::corrupt_data,
          "nothing in the {} bytes of sound could be decoded; is the file damaged?", bytes.size());
  return decoded;
}

DecodedAudio read_audio(const std::filesystem::path& path, const AudioLimits& limits) {
  std::error_code status;
  require(std::filesystem::is_regular_file(path, status), ErrorCode::not_found, "there is no sound file {}",
          path.string());
  const auto size = static_cast<int64_t>(std::filesystem::file_size(path, status));
  require(!status && size <= limits.max_bytes, ErrorCode::too_large, "{} has {} bytes, {} are allowed", path.string(),
          size, limits.max_bytes);
  std::ifstream file(path, std::ios::binary);
  Bytes bytes{std::istreambuf_iterator<char>(file), {}};
  require(static_cast<int64_t>(bytes.size()) == size, ErrorCode::unavailable, "cannot read {}", path.string());
  try {
    return decode_audio(bytes, limits);
  } catch (const Error& error) {
    fail(error.code(), "{}: {}", path.string(), error.what());
  }
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
