#include "rushes/media/video_reader.h"

#include <cmath>

#include "rushes/media/decoded_stream.h"
#include "rushes/media/rgb_image.h"

extern "C" {
#include <libavutil/display.h>
}

namespace rushes::media {
namespace {

constexpr libav::Readable kVideo{
    .type = AVMEDIA_TYPE_VIDEO,
    .what = "the video",
    .formats = "MP4, WebM, Matroska, AVI, MPEG-TS or another format of docs/talking_heads.md",
    .codecs = "H.264, VP8, VP9, AV1 or another codec of docs/talking_heads.md",
    .demuxers = "matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,avi,flv,asf,ogg,mpeg,mpegts",
    .decoders =
        "h264,hevc,mpeg4,mpeg1video,mpeg2video,mjpeg,vp8,libvpx,vp9,libvpx-vp9,av1,libdav1d,h263,h263p,flv,"
        "theora,msmpeg4v2,msmpeg4,wmv1,wmv2,wmv3,vc1,prores,dnxhd,dvvideo,ffv1,rawvideo"};
constexpr double kLeastFps = 1, kMostFps = 60, kUsualFps = 25;
constexpr double kMostPause = 2.5;  // of the rates: beyond, what frames lie apart is no rate

/// Of what files say of themselves the first that can be: some count fields, some nothing. Pauses make the mean of the
/// rate lower than what the frames lie apart.
double constant_rate(const AVStream& stream) {
  const auto value = [](AVRational rate) { return rate.num > 0 && rate.den > 0 ? av_q2d(rate) : 0; };
  const double mean = value(stream.avg_frame_rate), apart = value(stream.r_frame_rate);
  if (mean >= kLeastFps && apart > mean && apart <= kMostFps && apart <= kMostPause * mean) return apart;
  for (const double rate : {mean, apart})
    if (rate >= kLeastFps) return std::min(rate, kMostFps);
  return kUsualFps;
}

/// YCbCr of files that do not say what they mean: players take the matrix of the size's usual television.
AVColorSpace matrix_of(const AVFrame& frame) {
  if (frame.colorspace != AVCOL_SPC_UNSPECIFIED) return frame.colorspace;
  return frame.height >= 720 ? AVCOL_SPC_BT709 : AVCOL_SPC_SMPTE170M;
}

}  // namespace

struct VideoReader::State {
  struct Seen {
    Image image;
    double seconds;
  };

  State(std::shared_ptr<const Bytes> bytes, const VideoLimits& allowed)
      : file(std::move(bytes)), limits(allowed), stream(*file, kVideo, limits.max_pixels) {
    fps = constant_rate(stream.stream());
    step = 1 / fps;
    std::size_t size = 0;
    const uint8_t* side = av_stream_get_side_data(&stream.stream(), AV_PKT_DATA_DISPLAYMATRIX, &size);
    if (side && size >= 9 * sizeof(int32_t)) file_matrix = reinterpret_cast<const int32_t*>(side);
    ahead = decode();
    require(ahead.has_value(), ErrorCode::corrupt_data,
            "nothing in the {} bytes of video could be decoded; is the file damaged?", file->size());
  }

  std::optional<Seen> decode() {
    while (const AVFrame* frame = stream.next()) {
      if (frame->width <= 0 || frame->height <= 0) continue;
      const double at = std::max(stream.seconds(*frame, width ? last + 1 / fps : 0), last);
      if (at > last) step = std::min(at - last, 1 / fps);
      last = at;
      Image image = converter.convert(*frame, matrix_of(*frame));
      image = with_square_pixels(image, pixel_aspect_of(*frame), limits.max_pixels);
      if (const int32_t* turn = turn_of(*frame)) image = turned(image, turn);
      if (!width) width = image.width, height = image.height;
      const bool as_first = image.width == width && image.height == height;
      return Seen{as_first ? image : fitted(image, width, height), last};
    }
    return std::nullopt;
  }

  /// As the container says, else as this frame does.
  double pixel_aspect_of(const AVFrame& frame) const {
    for (const AVRational& told : {stream.stream().sample_aspect_ratio, frame.sample_aspect_ratio})
      if (told.num > 0 && told.den > 0) return av_q2d(told);
    return 1;
  }

  /// As this frame says, else as its file does; null: as it is.
  const int32_t* turn_of(const AVFrame& frame) const {
    const AVFrameSideData* side = av_frame_get_side_data(&frame, AV_FRAME_DATA_DISPLAYMATRIX);
    return side && side->size >= 9 * sizeof(int32_t) ? reinterpret_cast<const int32_t*>(side->data) : file_matrix;
  }

  const std::shared_ptr<const Bytes> file;
  const VideoLimits limits;
  libav::DecodedStream stream;
  RgbConverter converter;
  const int32_t* file_matrix = nullptr;
  double fps = 0;
  int64_t width = 0, height = 0;  // of the first frame, as it is to be seen
  double last = 0;                // seconds, of what was decoded
  double step = 0;                // how long the newest one is to be seen
  std::optional<Seen> shown, ahead;
  int64_t index = 0;
};

VideoReader::VideoReader(std::shared_ptr<const Bytes> file, const VideoLimits& limits) {
  require(file && !file->empty(), ErrorCode::corrupt_data, "the video is empty (0 bytes); send {}", kVideo.formats);
  require(static_cast<int64_t>(file->size()) <= limits.max_bytes, ErrorCode::too_large,
          "the video has {} bytes; at most {} are allowed", file->size(), limits.max_bytes);
  state_ = std::make_unique<State>(std::move(file), limits);
}

VideoReader::~VideoReader() = default;
VideoReader::VideoReader(VideoReader&&) noexcept = default;
VideoReader& VideoReader::operator=(VideoReader&&) noexcept = default;

double VideoReader::fps() const { return state_->fps; }

std::optional<Image> VideoReader::next() {
  State& s = *state_;
  const double time = static_cast<double>(s.index) / s.fps, slack = 0.5 / s.fps;
  while (s.ahead && (!s.shown || s.ahead->seconds < time + slack)) {
    s.shown = std::move(s.ahead);
    s.ahead = s.decode();
  }
  if (!s.ahead && (!s.shown || time > s.last + s.step - slack)) return std::nullopt;
  require(time <= s.limits.max_seconds, ErrorCode::too_large, "the video is longer than {} s; cut it into pieces",
          s.limits.max_seconds);
  ++s.index;
  return s.shown->image;
}

std::shared_ptr<const Bytes> read_video_file(const NamedFile& file, const VideoLimits& limits) {
  return std::make_shared<const Bytes>(read_file(file, limits.max_bytes));
}

}  // namespace rushes::media
