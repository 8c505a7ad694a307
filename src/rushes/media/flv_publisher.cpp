#include "rushes/media/flv_publisher.h"

#include "rushes/media/muxer.h"

namespace rushes::media {
namespace {

using Clock = std::chrono::steady_clock;

}  // namespace

struct FlvPublisher::State {
  Options options;
  Clock::time_point deadline;
  std::unique_ptr<AVFormatContext, void (*)(AVFormatContext*)> muxer{nullptr, [](AVFormatContext* context) {
                                                                       if (context && context->pb)
                                                                         avio_closep(&context->pb);
                                                                       avformat_free_context(context);
                                                                     }};
  libav::Owned<AVPacket> packet;

  static int interrupted(void* opaque) {
    const State& state = *static_cast<const State*>(opaque);
    return Clock::now() > state.deadline || (state.options.cancelled && state.options.cancelled());
  }

  template <typename Call>
  void call(const char* what, Call function) {
    deadline = Clock::now() + options.timeout;
    const int result = function();
    if (result >= 0 && !(muxer->pb && muxer->pb->error < 0)) return;
    if (options.cancelled && options.cancelled()) fail(ErrorCode::cancelled, "{}: cancelled", what);
    require(Clock::now() <= deadline, ErrorCode::unavailable, "{}: no answer within {} ms", what,
            options.timeout.count());
    fail(ErrorCode::unavailable, "{}: {}", what, libav::message(result < 0 ? result : muxer->pb->error));
  }
};

FlvPublisher::FlvPublisher(const VideoTrack& track, const AudioTrack* audio, const RtmpUrl& url, Options options)
    : state_(std::make_unique<State>()) {
  require(track.codec == Codec::h264, ErrorCode::unsupported, "RTMP needs H.264, and no H.264 encoder is installed");
  libav::set_up();
  State& s = *state_;
  s.options = std::move(options);
  AVFormatContext* created = nullptr;
  libav::check(avformat_alloc_output_context2(&created, nullptr, "flv", nullptr), "FLV muxer", ErrorCode::unavailable);
  s.muxer.reset(created);
  s.muxer->flags |= AVFMT_FLAG_FLUSH_PACKETS;
  s.muxer->avoid_negative_ts = AVFMT_AVOID_NEG_TS_DISABLED;
  s.muxer->interrupt_callback = {State::interrupted, &s};
  s.packet = libav::owned(av_packet_alloc(), "FLV muxer");
  add_video_stream(*s.muxer, track);
  if (audio) add_audio_stream(*s.muxer, *audio);
  AVDictionary* network = nullptr;
  av_dict_set(&network, "protocol_whitelist", "rtmp,rtmps,tcp,tls", 0);
  const std::string what = "RTMP to " + url.shown;
  try {
    s.call(what.c_str(), [&] {
      return avio_open2(&s.muxer->pb, url.text.c_str(), AVIO_FLAG_WRITE, &s.muxer->interrupt_callback, &network);
    });
  } catch (...) {
    av_dict_free(&network);
    throw;
  }
  av_dict_free(&network);
  AVDictionary* format = nullptr;
  av_dict_set(&format, "flvflags", "no_duration_filesize", 0);
  try {
    s.call(what.c_str(), [&] { return avformat_write_header(s.muxer.get(), &format); });
  } catch (...) {
    av_dict_free(&format);
    throw;
  }
  av_dict_free(&format);
}

FlvPublisher::~FlvPublisher() {
  // Closing says goodbye to the server; one that does not listen gets no more than this.
  state_->deadline = Clock::now() + std::chrono::milliseconds(500);
}

void FlvPublisher::write(const LiveInterleaver::Unit& next) {
  State& s = *state_;
  fill_packet(*s.packet, next.unit, *next.unit.bytes);
  s.packet->stream_index = next.is_audio ? 1 : 0;
  av_packet_rescale_ts(s.packet.get(), {1, Pts::period::den}, s.muxer->streams[s.packet->stream_index]->time_base);
  try {
    s.call("RTMP", [&] { return av_write_frame(s.muxer.get(), s.packet.get()); });
  } catch (...) {
    av_packet_unref(s.packet.get());
    throw;
  }
  av_packet_unref(s.packet.get());
}

void FlvPublisher::finish() {
  State& s = *state_;
  s.call("RTMP", [&] { return av_write_trailer(s.muxer.get()); });
}

}  // namespace rushes::media
