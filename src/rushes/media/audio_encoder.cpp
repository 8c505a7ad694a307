#include "rushes/media/audio_encoder.h"

#include <algorithm>
#include <optional>

#include "rushes/audio/stream_resampler.h"
#include "rushes/media/libav.h"

namespace rushes::media {
namespace {

constexpr int64_t kAacBitsPerSecond = 64'000, kOpusBitsPerSecond = 48'000;
constexpr int64_t kOpusHz = 48'000;  // for what Opus does not know

const AVCodec* find_encoder(AudioCodec codec) {
  return avcodec_find_encoder_by_name(codec == AudioCodec::aac ? "aac" : "libopus");
}

bool knows_rate(const AVCodec& codec, int64_t hz) {
  for (const int* rate = codec.supported_samplerates; rate && *rate; ++rate)
    if (*rate == hz) return true;
  return false;
}

}  // namespace

using libav::check;
using libav::Owned;

struct AudioEncoder::State {
  AudioTrack track;
  std::optional<audio::StreamResampler> resampler;  // to track.hz
  Owned<AVCodecContext> context;
  Owned<AVFrame> frame;
  Owned<AVPacket> packet;
  std::vector<float> waiting;    // less than one frame of the encoder
  std::optional<int64_t> begin;  // of the stream, in samples
  int64_t sent = 0;              // samples given to the encoder

  void send(std::size_t samples) {
    check(av_frame_make_writable(frame.get()), "audio frame", ErrorCode::exhausted);
    frame->nb_samples = static_cast<int>(samples);
    std::copy_n(waiting.begin(), samples, reinterpret_cast<float*>(frame->data[0]));
    frame->pts = sent;
    sent += static_cast<int64_t>(samples);
    waiting.erase(waiting.begin(), waiting.begin() + static_cast<std::ptrdiff_t>(samples));
    check(avcodec_send_frame(context.get(), frame.get()), "audio encoder");
  }

  void send_complete(std::vector<AccessUnit>& units) {
    while (waiting.size() >= static_cast<std::size_t>(track.unit_samples)) {
      send(static_cast<std::size_t>(track.unit_samples));
      receive(units);
    }
  }

  void receive(std::vector<AccessUnit>& units) {
    for (;;) {
      const int result = avcodec_receive_packet(context.get(), packet.get());
      if (result == AVERROR(EAGAIN) || result == AVERROR_EOF) return;
      check(result, "audio encoder");
      const auto time = [&](int64_t sample) { return Pts{av_rescale(sample, Pts::period::den, track.hz)}; };
      // The encoder's delay is taken off its times. Units that end before the beginning hold nothing else.
      if (packet->pts + track.unit_samples > 0) {
        AccessUnit unit;
        unit.bytes = std::make_shared<const Bytes>(packet->data, packet->data + packet->size);
        unit.pts = unit.dts = time(begin.value_or(0) + packet->pts);
        unit.duration = time(track.unit_samples);
        unit.is_key = true;
        units.push_back(std::move(unit));
      }
      av_packet_unref(packet.get());
    }
  }
};

AudioEncoder::AudioEncoder(int64_t hz, AudioCodec kind) : state_(std::make_unique<State>()) {
  libav::set_up();
  const bool aac = kind == AudioCodec::aac;
  const AVCodec* codec = find_encoder(kind);
  require(codec != nullptr, ErrorCode::unavailable,
          "FFmpeg's libavcodec has no {} encoder; install a complete libavcodec", aac ? "AAC" : "Opus");
  State& s = *state_;
  if (!knows_rate(*codec, hz)) {
    require(!aac, ErrorCode::invalid_argument,
            "AAC does not support a sampling rate of {} Hz; 16000, 24000, 44100 and 48000 work", hz);
    s.resampler.emplace(hz, kOpusHz);
    hz = kOpusHz;
  }
  s.context = libav::owned(avcodec_alloc_context3(codec), "audio encoder");
  AVCodecContext& context = *s.context;
  context.sample_rate = static_cast<int>(hz);
  av_channel_layout_default(&context.ch_layout, 1);
  context.sample_fmt = aac ? AV_SAMPLE_FMT_FLTP : AV_SAMPLE_FMT_FLT;  // the same for one channel
  context.bit_rate = aac ? kAacBitsPerSecond : kOpusBitsPerSecond;
  context.time_base = {1, static_cast<int>(hz)};
  context.flags |= AV_CODEC_FLAG_GLOBAL_HEADER | AV_CODEC_FLAG_BITEXACT;
  check(avcodec_open2(&context, codec, nullptr), "audio encoder", ErrorCode::unavailable);
  s.track = {.codec = kind, .hz = hz, .unit_samples = context.frame_size, .config = {}};
  if (aac) s.track.config.assign(context.extradata, context.extradata + context.extradata_size);
  s.frame = libav::owned(av_frame_alloc(), "audio frame");
  s.frame->format = context.sample_fmt;
  av_channel_layout_default(&s.frame->ch_layout, 1);
  s.frame->sample_rate = context.sample_rate;
  s.frame->nb_samples = context.frame_size;
  check(av_frame_get_buffer(s.frame.get(), 0), "audio frame", ErrorCode::exhausted);
  s.packet = libav::owned(av_packet_alloc(), "audio packet");
}

AudioEncoder::~AudioEncoder() = default;
AudioEncoder::AudioEncoder(AudioEncoder&&) noexcept = default;
AudioEncoder& AudioEncoder::operator=(AudioEncoder&&) noexcept = default;

bool AudioEncoder::knows(AudioCodec codec) { return find_encoder(codec) != nullptr; }

const AudioTrack& AudioEncoder::track() const { return state_->track; }

std::vector<AccessUnit> AudioEncoder::encode(std::span<const float> samples, int64_t first_sample) {
  State& s = *state_;
  if (!s.begin) s.begin = s.resampler ? av_rescale(first_sample, s.track.hz, s.resampler->from_hz()) : first_sample;
  if (s.resampler) {
    const std::vector<float> resampled = s.resampler->feed(samples);
    s.waiting.insert(s.waiting.end(), resampled.begin(), resampled.end());
  } else {
    s.waiting.insert(s.waiting.end(), samples.begin(), samples.end());
  }
  std::vector<AccessUnit> units;
  s.send_complete(units);
  return units;
}

std::vector<AccessUnit> AudioEncoder::flush() {
  State& s = *state_;
  std::vector<AccessUnit> units;
  if (!s.begin) return units;
  if (s.resampler) {
    const std::vector<float> rest = s.resampler->flush();
    s.waiting.insert(s.waiting.end(), rest.begin(), rest.end());
    s.send_complete(units);
  }
  if (!s.waiting.empty()) s.send(s.waiting.size());
  check(avcodec_send_frame(s.context.get(), nullptr), "audio encoder");
  s.receive(units);
  return units;
}

}  // namespace rushes::media
