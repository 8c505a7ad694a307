#include "rushes/media/fragmented_mp4.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "rushes/media/annex_b.h"
#include "rushes/media/libav.h"

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

/// The picture's own units: parameter sets stand in the header once, and "avc1" wants them there only.
Bytes sample(const AccessUnit& unit, Codec codec) {
  if (codec != Codec::h264) return *unit.bytes;
  constexpr uint8_t kStartCode[] = {0, 0, 0, 1};
  Bytes bytes;
  bytes.reserve(unit.bytes->size() + 16);
  for (const auto nal : annex_b::units(*unit.bytes)) {
    const auto type = annex_b::type(nal);
    if (type == annex_b::Type::sps || type == annex_b::Type::pps || type == annex_b::Type::delimiter) continue;
    bytes.insert(bytes.end(), std::begin(kStartCode), std::end(kStartCode));
    bytes.insert(bytes.end(), nal.begin(), nal.end());
  }
  return bytes;
}

}  // namespace

struct FragmentWriter::State {
  VideoTrack track;
  Bytes pending;  // what the muxer wrote since it was last taken
  Bytes init;
  std::string mime;
  Owned<AVIOContext> io;
  Owned<AVFormatContext> muxer;
  Owned<AVPacket> packet;

  void open() {
    AVFormatContext* created = nullptr;
    check(avformat_alloc_output_context2(&created, nullptr, "mp4", nullptr), "MP4 muxer", ErrorCode::unavailable);
    muxer.reset(created);
    auto* buffer = static_cast<uint8_t*>(av_malloc(kIoBufferBytes));
    require(buffer != nullptr, ErrorCode::exhausted, "MP4 muxer: out of memory");
    io = libav::owned(avio_alloc_context(buffer, kIoBufferBytes, 1, &pending, nullptr, append, nullptr), "MP4 muxer");
    io->seekable = 0;
    muxer->pb = io.get();
    muxer->avoid_negative_ts = AVFMT_AVOID_NEG_TS_DISABLED;  // else the first fragment would be moved to zero
    muxer->flags |= AVFMT_FLAG_CUSTOM_IO | AVFMT_FLAG_FLUSH_PACKETS | AVFMT_FLAG_BITEXACT;  // bit-exact: same input, same bytes
  }

  void describe() {
    AVStream* stream = avformat_new_stream(muxer.get(), nullptr);  // owned by the muxer
    require(stream != nullptr, ErrorCode::exhausted, "MP4 muxer: out of memory");
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
    require(codec.extradata != nullptr, ErrorCode::exhausted, "MP4 muxer: out of memory");
    codec.extradata_size = static_cast<int>(size);
    std::copy(track.parameter_sets.begin(), track.parameter_sets.end(), codec.extradata);
  }

  Bytes take() {
    avio_flush(io.get());
    return std::exchange(pending, {});
  }
};

FragmentWriter::FragmentWriter(const VideoTrack& track) : state_(std::make_unique<State>()) {
  State& s = *state_;
  libav::use_our_log();
  s.track = track;
  s.mime = "video/mp4; codecs=\"" + track.codec_string() + "\"";
  s.open();
  s.describe();
  s.packet = libav::owned(av_packet_alloc(), "video packet");
  AVDictionary* options = nullptr;
  // frag_discont: decode times are the stream's own, also where a writer begins in the middle.
  av_dict_set(&options, "movflags", "empty_moov+default_base_moof+frag_custom+frag_discont+skip_trailer", 0);
  av_dict_set(&options, "use_editlist", "0", 0);
  const int result = avformat_write_header(s.muxer.get(), &options);
  av_dict_free(&options);
  check(result, "MP4 header", ErrorCode::invalid_argument);
  s.init = s.take();
}

FragmentWriter::~FragmentWriter() = default;
FragmentWriter::FragmentWriter(FragmentWriter&&) noexcept = default;
FragmentWriter& FragmentWriter::operator=(FragmentWriter&&) noexcept = default;

const Bytes& FragmentWriter::init_segment() const { return state_->init; }
const std::string& FragmentWriter::mime_type() const { return state_->mime; }

Bytes FragmentWriter::fragment(std::span<const AccessUnit> units) {
  State& s = *state_;
  if (units.empty()) return {};
  for (const AccessUnit& unit : units) {
    Bytes bytes = sample(unit, s.track.codec);
    AVPacket& packet = *s.packet;
    check(av_new_packet(&packet, static_cast<int>(bytes.size())), "MP4 fragment", ErrorCode::exhausted);
    std::memcpy(packet.data, bytes.data(), bytes.size());
    packet.pts = unit.pts.count();
    packet.dts = unit.dts.count();
    packet.duration = unit.duration.count();
    packet.flags = unit.is_key ? AV_PKT_FLAG_KEY : 0;
    // Takes the packet's reference, and leaves it empty.
    const int result = av_write_frame(s.muxer.get(), &packet);
    av_packet_unref(&packet);
    check(result, "MP4 fragment");
  }
  check(av_write_frame(s.muxer.get(), nullptr), "MP4 fragment");
  return s.take();
}

}  // namespace rushes::media
