#include "rushes/media/video_encoder.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <span>

#include "rushes/media/annex_b.h"
#include "rushes/media/libav.h"

namespace rushes::media {
namespace {

using libav::check;
using libav::Owned;

// Baseline profile: decoded by every browser and by WebRTC, and without B-frames anyway.
struct Candidate {
  const char* name;
  Codec codec;
};
constexpr std::array kCandidates = {Candidate{"libx264", Codec::h264}, Candidate{"libopenh264", Codec::h264},
                                    Candidate{"libvpx-vp9", Codec::vp9}, Candidate{"libvpx", Codec::vp8}};

Candidate choose(const std::string& wanted) {
  for (const Candidate& candidate : kCandidates)
    if ((wanted.empty() ? candidate.codec != Codec::vp8 : wanted == candidate.name) &&
        avcodec_find_encoder_by_name(candidate.name))
      return candidate;
  if (wanted.empty())
    fail(
        ErrorCode::unavailable,
        "FFmpeg's libavcodec has none of the encoders libx264, libopenh264, libvpx-vp9; install a complete libavcodec");
  fail(ErrorCode::unavailable,
       "video encoder '{}' is not one of libx264, libopenh264, libvpx-vp9, libvpx or is not installed", wanted);
}

void set(AVCodecContext& context, const char* option, const std::string& value) {
  check(av_opt_set(context.priv_data, option, value.c_str(), 0), option);
}

/// Options of each encoder for low delay.
void tune(AVCodecContext& context, const Candidate& candidate, int quality) {
  const std::string_view name = candidate.name;
  if (name == "libx264") {
    set(context, "preset", "veryfast");
    set(context, "tune", "zerolatency");
    set(context, "profile", "baseline");
    // A macroblock is a large part of a small picture, and people look at that enlarged.
    const bool is_small = context.width * context.height <= 256 * 256;
    set(context, "crf", std::to_string(is_small ? std::max(0, quality - 5) : quality));
    set(context, "forced-idr", "1");
    // Scene cuts would put key frames where no block begins.
    set(context, "x264-params", "scenecut=0:chroma-qp-offset=-3:colorprim=bt709:transfer=bt709:colormatrix=bt709");
  } else if (name == "libopenh264") {
    context.profile = FF_PROFILE_H264_CONSTRAINED_BASELINE;
    // It knows bit rates only: about what the same factor gives with x264.
    context.bit_rate = static_cast<int64_t>(context.width * context.height * av_q2d(context.framerate) * 0.2 *
                                            std::pow(2.0, (20 - quality) / 6.0));
  } else {
    set(context, "deadline", "realtime");
    set(context, "cpu-used", "7");
    set(context, "lag-in-frames", "0");
    set(context, "crf", std::to_string(std::clamp(quality * 3 / 2, 4, 63)));
    // VP8 knows no constant quality without a ceiling.
    context.bit_rate = candidate.codec == Codec::vp8 ? context.width * context.height * 4 : 0;
  }
}

}  // namespace

void VideoEncoder::Options::validate() const {
  const auto side = [](const char* field, int64_t value) {
    require(value >= 16 && value <= 8192 && value % 2 == 0, ErrorCode::invalid_argument,
            "video {} must be even and 16 to 8192 (got {})", field, value);
  };
  side("width", width);
  side("height", height);
  require(fps >= 1 && fps <= 240, ErrorCode::invalid_argument, "fps must be 1 to 240 (got {})", fps);
  require(quality >= 0 && quality <= 51, ErrorCode::invalid_argument, "quality must be 0 to 51 (got {})", quality);
  require(threads >= 1 && threads <= 64, ErrorCode::invalid_argument, "encoder threads must be 1 to 64 (got {})",
          threads);
}

struct VideoEncoder::State {
  Options options;
  Candidate candidate;
  VideoTrack track;
  Owned<AVCodecContext> context;
  Owned<AVFrame> frame;
  Owned<AVPacket> packet;
  Owned<SwsContext> to_yuv;
  std::optional<libav::ReadableImage> rgb;
  Pts last_pts = Pts::min();

  AccessUnit take_packet() {
    AccessUnit unit;
    unit.is_key = (packet->flags & AV_PKT_FLAG_KEY) != 0;
    const std::span<const uint8_t> encoded(packet->data, static_cast<std::size_t>(packet->size));
    unit.bytes = std::make_shared<const Bytes>(track.codec == Codec::h264
                                                   ? annex_b::picture(encoded, track.parameter_sets, unit.is_key)
                                                   : Bytes(encoded.begin(), encoded.end()));
    unit.pts = Pts{packet->pts};
    unit.dts = Pts{packet->dts};
    // Until the next picture, which is rounded to a tick by itself.
    const auto index = std::llround(static_cast<double>(packet->pts) * options.fps / Pts::period::den);
    unit.duration = frame_time(index + 1, options.fps) - unit.pts;
    av_packet_unref(packet.get());
    return unit;
  }

  std::vector<AccessUnit> receive() {
    std::vector<AccessUnit> units;
    for (;;) {
      const int result = avcodec_receive_packet(context.get(), packet.get());
      if (result == AVERROR(EAGAIN) || result == AVERROR_EOF) return units;
      check(result, candidate.name);
      units.push_back(take_packet());
    }
  }
};

VideoEncoder::VideoEncoder(Options options) : state_(std::make_unique<State>()) {
  options.validate();
  libav::set_up();
  State& s = *state_;
  s.candidate = choose(options.encoder);
  s.context = libav::owned(avcodec_alloc_context3(avcodec_find_encoder_by_name(s.candidate.name)), s.candidate.name);
  AVCodecContext& context = *s.context;
  context.width = static_cast<int>(options.width);
  context.height = static_cast<int>(options.height);
  context.pix_fmt = AV_PIX_FMT_YUV420P;
  context.time_base = {1, Pts::period::den};
  context.framerate = av_d2q(options.fps, 100000);
  context.gop_size =
      static_cast<int>(std::lround(options.fps * 10));  // blocks force theirs; this bounds a seek without
  context.max_b_frames = 0;
  context.thread_count = options.threads;
  context.colorspace = AVCOL_SPC_BT709;
  context.color_primaries = AVCOL_PRI_BT709;
  context.color_trc = AVCOL_TRC_BT709;
  context.color_range = AVCOL_RANGE_MPEG;
  // Parameter sets before the first frame; take_packet() puts them before key frames itself.
  if (s.candidate.codec == Codec::h264) context.flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
  tune(context, s.candidate, options.quality);
  check(avcodec_open2(&context, nullptr, nullptr), s.candidate.name, ErrorCode::unavailable);

  s.track = {.codec = s.candidate.codec,
             .width = options.width,
             .height = options.height,
             .fps = options.fps,
             .parameter_sets = {}};
  if (context.extradata_size > 0)
    s.track.parameter_sets.assign(context.extradata, context.extradata + context.extradata_size);

  s.frame = libav::owned(av_frame_alloc(), "video frame");
  s.frame->format = context.pix_fmt;
  s.frame->width = context.width;
  s.frame->height = context.height;
  s.frame->color_range = context.color_range;
  s.frame->colorspace = context.colorspace;
  check(av_frame_get_buffer(s.frame.get(), 0), "video frame", ErrorCode::exhausted);
  s.packet = libav::owned(av_packet_alloc(), "video packet");
  s.to_yuv = libav::owned(
      sws_getContext(context.width, context.height, AV_PIX_FMT_RGB24, context.width, context.height, context.pix_fmt,
                     SWS_BILINEAR | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INP, nullptr, nullptr, nullptr),
      "colour conversion");
  const int* bt709 = sws_getCoefficients(SWS_CS_ITU709);
  check(sws_setColorspaceDetails(s.to_yuv.get(), bt709, 1, bt709, 0, 0, 1 << 16, 1 << 16), "colour conversion");
  s.rgb.emplace(static_cast<std::size_t>(options.width * options.height * 3));
  s.options = std::move(options);
}

VideoEncoder::~VideoEncoder() = default;
VideoEncoder::VideoEncoder(VideoEncoder&&) noexcept = default;
VideoEncoder& VideoEncoder::operator=(VideoEncoder&&) noexcept = default;

const VideoTrack& VideoEncoder::track() const { return state_->track; }
std::string_view VideoEncoder::encoder_name() const { return state_->candidate.name; }

std::vector<AccessUnit> VideoEncoder::encode(const uint8_t* rgb, Pts pts, Key key) {
  State& s = *state_;
  RUSHES_ASSERT(pts > s.last_pts);
  s.last_pts = pts;
  check(av_frame_make_writable(s.frame.get()), "video frame", ErrorCode::exhausted);
  const int stride = static_cast<int>(s.options.width * 3);
  const uint8_t* readable = s.rgb->copy(rgb);
  sws_scale(s.to_yuv.get(), &readable, &stride, 0, s.context->height, s.frame->data, s.frame->linesize);
  s.frame->pts = pts.count();
  s.frame->pict_type = key == Key::forced ? AV_PICTURE_TYPE_I : AV_PICTURE_TYPE_NONE;
  check(avcodec_send_frame(s.context.get(), s.frame.get()), s.candidate.name);
  return s.receive();
}

std::vector<AccessUnit> VideoEncoder::flush() {
  check(avcodec_send_frame(state_->context.get(), nullptr), state_->candidate.name);
  return state_->receive();
}

}  // namespace rushes::media
