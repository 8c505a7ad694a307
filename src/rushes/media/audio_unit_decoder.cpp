#include "rushes/media/audio_unit_decoder.h"

#include "rushes/media/libav.h"

namespace rushes::media {

using libav::check;
using libav::Owned;

struct AudioUnitDecoder::State {
  int64_t hz = 0;
  Owned<AVCodecContext> context;
  Owned<AVFrame> frame;
  Owned<AVPacket> packet;
};

AudioUnitDecoder::AudioUnitDecoder(const AudioTrack& track) : state_(std::make_unique<State>()) {
  libav::set_up();
  const bool aac = track.codec == AudioCodec::aac;
  const AVCodec* codec = avcodec_find_decoder_by_name(aac ? "aac" : "opus");
  require(codec != nullptr, ErrorCode::unavailable,
          "FFmpeg's libavcodec has no {} decoder; install a complete libavcodec", aac ? "AAC" : "Opus");
  State& s = *state_;
  s.hz = aac ? track.hz : 48'000;
  s.context = libav::owned(avcodec_alloc_context3(codec), "audio decoder");
  AVCodecContext& context = *s.context;
  context.sample_rate = static_cast<int>(s.hz);
  av_channel_layout_default(&context.ch_layout, 1);
  context.thread_count = 1;
  if (!track.config.empty()) {
    context.extradata = static_cast<uint8_t*>(av_mallocz(track.config.size() + AV_INPUT_BUFFER_PADDING_SIZE));
    require(context.extradata != nullptr, ErrorCode::exhausted, "audio decoder: out of memory");
    std::copy(track.config.begin(), track.config.end(), context.extradata);
    context.extradata_size = static_cast<int>(track.config.size());
  }
  check(avcodec_open2(&context, codec, nullptr), "audio decoder", ErrorCode::corrupt_data);
  s.frame = libav::owned(av_frame_alloc(), "audio frame");
  s.packet = libav::owned(av_packet_alloc(), "audio packet");
}

AudioUnitDecoder::~AudioUnitDecoder() = default;
AudioUnitDecoder::AudioUnitDecoder(AudioUnitDecoder&&) noexcept = default;
AudioUnitDecoder& AudioUnitDecoder::operator=(AudioUnitDecoder&&) noexcept = default;

int64_t AudioUnitDecoder::hz() const { return state_->hz; }

std::vector<float> AudioUnitDecoder::decode(const AccessUnit& unit) {
  State& s = *state_;
  std::vector<float> samples;
  check(av_new_packet(s.packet.get(), static_cast<int>(unit.bytes->size())), "audio packet", ErrorCode::exhausted);
  std::copy(unit.bytes->begin(), unit.bytes->end(), s.packet->data);
  const bool taken = avcodec_send_packet(s.context.get(), s.packet.get()) >= 0;
  av_packet_unref(s.packet.get());
  if (!taken) return samples;
  while (avcodec_receive_frame(s.context.get(), s.frame.get()) >= 0) {
    // Both decoders give planes of floats; ours have one channel and a constant rate.
    if (s.frame->format == AV_SAMPLE_FMT_FLTP && s.frame->sample_rate == s.hz) {
      const auto* plane = reinterpret_cast<const float*>(s.frame->extended_data[0]);
      samples.insert(samples.end(), plane, plane + s.frame->nb_samples);
    }
    av_frame_unref(s.frame.get());
  }
  return samples;
}

}  // namespace rushes::media
