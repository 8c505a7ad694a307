#include "rushes/media/raw_video.h"

#include <cstring>
#include <optional>

#include "rushes/media/libav.h"

namespace rushes::media {

struct Y4mWriter::State {
  int width, height;
  AVRational rate;
  libav::Owned<SwsContext> to_yuv;
  std::optional<libav::ReadableImage> rgb;
};

Y4mWriter::Y4mWriter(int64_t width, int64_t height, double fps) : state_(std::make_unique<State>()) {
  require(width >= 1 && width <= 16384 && height >= 1 && height <= 16384, ErrorCode::invalid_argument,
          "y4m frames must be 1 to 16384 on a side (got {}x{})", width, height);
  require(fps >= 1 && fps <= 240, ErrorCode::invalid_argument, "fps must be 1 to 240 (got {})", fps);
  libav::set_up();
  State& s = *state_;
  s.width = static_cast<int>(width);
  s.height = static_cast<int>(height);
  s.rate = av_d2q(fps, 100000);
  s.to_yuv = libav::owned(sws_getContext(s.width, s.height, AV_PIX_FMT_RGB24, s.width, s.height, AV_PIX_FMT_YUV444P,
                                         SWS_BILINEAR | SWS_ACCURATE_RND, nullptr, nullptr, nullptr),
                          "colour conversion");
  s.rgb.emplace(static_cast<std::size_t>(width * height * 3));
}

Y4mWriter::~Y4mWriter() = default;

std::string Y4mWriter::header() const {
  return fmt::format("YUV4MPEG2 W{} H{} F{}:{} Ip A1:1 C444 XCOLORRANGE=LIMITED\n", state_->width, state_->height,
                     state_->rate.num, state_->rate.den);
}

Bytes Y4mWriter::frame(const uint8_t* rgb) {
  static constexpr char kMarker[] = "FRAME\n";
  constexpr std::size_t kMarkerBytes = sizeof kMarker - 1;
  State& s = *state_;
  const std::size_t plane_bytes = static_cast<std::size_t>(s.width) * s.height;
  // swscale may write some bytes past a row: the tail is cut off again.
  Bytes bytes(kMarkerBytes + plane_bytes * 3 + 64);
  std::memcpy(bytes.data(), kMarker, kMarkerBytes);
  uint8_t* y = bytes.data() + kMarkerBytes;
  uint8_t* planes[3] = {y, y + plane_bytes, y + 2 * plane_bytes};
  const int stride = s.width * 3;
  const int strides[3] = {s.width, s.width, s.width};
  const uint8_t* readable = s.rgb->copy(rgb);
  libav::check(sws_scale(s.to_yuv.get(), &readable, &stride, 0, s.height, planes, strides), "colour conversion");
  bytes.resize(kMarkerBytes + plane_bytes * 3);
  return bytes;
}

}  // namespace rushes::media
