#include "rushes/media/muxer.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace rushes::media {
namespace {

using libav::check;
using libav::Owned;

constexpr int kIoBufferBytes = 64 << 10;

int append(void* opaque, uint8_t* data, int size) {
  auto& sink = *static_cast<Bytes*>(opaque);
  sink.insert(sink.end(), data, data + size);
  return size;
}

}  // namespace

AVStream& add_video_stream(AVFormatContext& muxer, const VideoTrack& track) {
  AVStream* stream = avformat_new_stream(&muxer, nullptr);
  require(stream != nullptr, ErrorCode::exhausted, "{} muxer: out of memory", muxer.oformat->name);
  stream->time_base = {1, Pts::period::den};
  stream->avg_frame_rate = av_d2q(track.fps, 100000);
  AVCodecParameters& codec = *stream->codecpar;
  codec.codec_type = AVMEDIA_TYPE_VIDEO;
  codec.codec_id = track.codec == Codec::h264 ? AV_CODEC_ID_H264 : AV_CODEC_ID_VP9;
  codec.width = static_cast<int>(track.width);
  codec.height = static_cast<int>(track.height);
  codec.format = AV_PIX_FMT_YUV420P;
  codec.color_space = AVCOL_SPC_BT709;
  codec.color_primaries = AVCOL_PRI_BT709;
  codec.color_trc = AVCOL_TRC_BT709;
  codec.color_range = AVCOL_RANGE_MPEG;
  if (track.codec == Codec::vp9) {
    codec.profile = FF_PROFILE_VP9_0;
    codec.level = 40;
  }
  const std::size_t size = track.parameter_sets.size();
  codec.extradata = static_cast<uint8_t*>(av_mallocz(size + AV_INPUT_BUFFER_PADDING_SIZE));
  require(codec.extradata != nullptr, ErrorCode::exhausted, "{} muxer: out of memory", muxer.oformat->name);
  codec.extradata_size = static_cast<int>(size);
  std::copy(track.parameter_sets.begin(), track.parameter_sets.end(), codec.extradata);
  return *stream;
}

AVStream& add_audio_stream(AVFormatContext& muxer, const AudioTrack& track) {
  AVStream* stream = avformat_new_stream(&muxer, nullptr);
  require(stream != nullptr, ErrorCode::exhausted, "{} muxer: out of memory", muxer.oformat->name);
  stream->time_base = {1, Pts::period::den};
  AVCodecParameters& codec = *stream->codecpar;
  codec.codec_type = AVMEDIA_TYPE_AUDIO;
  codec.codec_id = AV_CODEC_ID_AAC;
  codec.sample_rate = static_cast<int>(track.hz);
  av_channel_layout_default(&codec.ch_layout, 1);
  codec.frame_size = static_cast<int>(track.unit_samples);
  codec.profile = FF_PROFILE_AAC_LOW;
  codec.format = AV_SAMPLE_FMT_FLTP;
  codec.extradata = static_cast<uint8_t*>(av_mallocz(track.config.size() + AV_INPUT_BUFFER_PADDING_SIZE));
  require(codec.extradata != nullptr, ErrorCode::exhausted, "{} muxer: out of memory", muxer.oformat->name);
  codec.extradata_size = static_cast<int>(track.config.size());
  std::copy(track.config.begin(), track.config.end(), codec.extradata);
  return *stream;
}

void fill_packet(AVPacket& packet, const AccessUnit& unit, std::span<const uint8_t> bytes) {
  check(av_new_packet(&packet, static_cast<int>(bytes.size())), "media packet", ErrorCode::exhausted);
  std::memcpy(packet.data, bytes.data(), bytes.size());
  packet.pts = unit.pts.count();
  packet.dts = unit.dts.count();
  packet.duration = unit.duration.count();
  packet.flags = unit.is_key ? AV_PKT_FLAG_KEY : 0;
}

MemoryMuxer::MemoryMuxer(const char* format, const VideoTrack& track, const std::map<std::string, std::string>& options,
                         const AudioTrack* audio)
    : what_(std::string(format) + " muxer") {
  libav::set_up();
  AVFormatContext* created = nullptr;
  check(avformat_alloc_output_context2(&created, nullptr, format, nullptr), what_.c_str(), ErrorCode::unavailable);
  muxer_.reset(created);
  auto* buffer = static_cast<uint8_t*>(av_malloc(kIoBufferBytes));
  require(buffer != nullptr, ErrorCode::exhausted, "{}: out of memory", what_);
  io_ = libav::owned(avio_alloc_context(buffer, kIoBufferBytes, 1, pending_.get(), nullptr, append, nullptr),
                     what_.c_str());
  io_->seekable = 0;
  muxer_->pb = io_.get();
  muxer_->avoid_negative_ts = AVFMT_AVOID_NEG_TS_DISABLED;  // else the first fragment would be moved to zero
  muxer_->flags |=
      AVFMT_FLAG_CUSTOM_IO | AVFMT_FLAG_FLUSH_PACKETS | AVFMT_FLAG_BITEXACT;  // bit-exact: same input, same bytes
  packet_ = libav::owned(av_packet_alloc(), what_.c_str());
  add_video_stream(*muxer_, track);
  if (audio) add_audio_stream(*muxer_, *audio);
  AVDictionary* dictionary = nullptr;
  for (const auto& [name, value] : options) av_dict_set(&dictionary, name.c_str(), value.c_str(), 0);
  const int result = avformat_write_header(muxer_.get(), &dictionary);
  av_dict_free(&dictionary);
  check(result, what_.c_str(), ErrorCode::invalid_argument);
}

void MemoryMuxer::write(const AccessUnit& unit, std::span<const uint8_t> bytes, int stream) {
  fill_packet(*packet_, unit, bytes);
  packet_->stream_index = stream;
  av_packet_rescale_ts(packet_.get(), {1, Pts::period::den}, muxer_->streams[stream]->time_base);
  // Takes the packet's reference, and leaves it empty.
  const int result = av_write_frame(muxer_.get(), packet_.get());
  av_packet_unref(packet_.get());
  check(result, what_.c_str());
}

void MemoryMuxer::flush() { check(av_write_frame(muxer_.get(), nullptr), what_.c_str()); }
void MemoryMuxer::write_trailer() { check(av_write_trailer(muxer_.get()), what_.c_str()); }

Bytes MemoryMuxer::take() {
  avio_flush(io_.get());
  return std::exchange(*pending_, {});
}

}  // namespace rushes::media
