#include "rushes/media/rgb_image.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

extern "C" {
#include <libavutil/pixdesc.h>
}

namespace rushes::media {
namespace {

struct Canvas {
  Image image;
  uint8_t* rgb;
  Canvas(int64_t width, int64_t height)
      : image{.rgb = {}, .height = height, .width = width},
        rgb(new uint8_t[static_cast<std::size_t>(width * height * 3)]) {
    image.rgb = std::shared_ptr<const uint8_t>(rgb, std::default_delete<uint8_t[]>());
  }
};

/// JPEG's full-range formats by their present names; swscale takes the range as an argument.
AVPixelFormat without_range(AVPixelFormat format) {
  switch (format) {
    case AV_PIX_FMT_YUVJ420P: return AV_PIX_FMT_YUV420P;
    case AV_PIX_FMT_YUVJ422P: return AV_PIX_FMT_YUV422P;
    case AV_PIX_FMT_YUVJ444P: return AV_PIX_FMT_YUV444P;
    case AV_PIX_FMT_YUVJ440P: return AV_PIX_FMT_YUV440P;
    case AV_PIX_FMT_YUVJ411P: return AV_PIX_FMT_YUV411P;
    default: return format;
  }
}

}  // namespace

Image RgbConverter::convert(const AVFrame& frame, AVColorSpace matrix) {
  const auto format = without_range(static_cast<AVPixelFormat>(frame.format));
  const bool has_alpha = (av_pix_fmt_desc_get(format)->flags & AV_PIX_FMT_FLAG_ALPHA) != 0;
  const auto target = has_alpha ? AV_PIX_FMT_RGBA : AV_PIX_FMT_RGB24;
  const int channels = has_alpha ? 4 : 3;
  context_ = libav::owned(
      sws_getCachedContext(context_.release(), frame.width, frame.height, format, frame.width, frame.height, target,
                           SWS_BICUBIC | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT, nullptr, nullptr, nullptr),
      "colour conversion of an image");
  const bool full_range = format != frame.format || frame.color_range == AVCOL_RANGE_JPEG;
  const int* coefficients = sws_getCoefficients(matrix == AVCOL_SPC_BT709 ? SWS_CS_ITU709 : SWS_CS_ITU601);
  sws_setColorspaceDetails(context_.get(), coefficients, full_range, coefficients, 1, 0, 1 << 16,
                           1 << 16);  // refused for RGB, rightly
  const Canvas canvas(frame.width, frame.height);
  // Row by row from a padded buffer: swscale's vector code writes past the end of a row.
  const int stride = (frame.width * channels + 63) / 32 * 32;
  padded_.resize(static_cast<std::size_t>(stride) * static_cast<std::size_t>(frame.height) + 64);
  uint8_t* destination = padded_.data();
  libav::check(sws_scale(context_.get(), frame.data, frame.linesize, 0, frame.height, &destination, &stride),
               "colour conversion of an image");
  uint8_t* out = canvas.rgb;
  for (int y = 0; y < frame.height; ++y) {
    const uint8_t* row = padded_.data() + static_cast<std::size_t>(y) * static_cast<std::size_t>(stride);
    if (!has_alpha) {
      std::memcpy(out, row, static_cast<std::size_t>(frame.width) * 3);
      out += frame.width * 3;
      continue;
    }
    for (int x = 0; x < frame.width; ++x, row += 4)
      for (int c = 0; c < 3; ++c) *out++ = static_cast<uint8_t>((row[c] * row[3] + 127) / 255);
  }
  return canvas.image;
}

namespace {

/// From the pixel (left, top) of `to` on.
void scale_into(const Canvas& to, int64_t left, int64_t top, int64_t width, int64_t height, const Image& from) {
  const auto scaler =
      libav::owned(sws_getContext(static_cast<int>(from.width), static_cast<int>(from.height), AV_PIX_FMT_RGB24,
                                  static_cast<int>(width), static_cast<int>(height), AV_PIX_FMT_RGB24,
                                  SWS_BICUBIC | SWS_ACCURATE_RND, nullptr, nullptr, nullptr),
                   "scaling of an image");
  // Both padded: swscale's vector code reads and writes past the end of a row.
  libav::ReadableImage readable(static_cast<std::size_t>(from.width * from.height * 3));
  const uint8_t* source = readable.copy(from.rgb.get());
  const int from_stride = static_cast<int>(3 * from.width), stride = static_cast<int>((width * 3 + 63) / 32 * 32);
  std::vector<uint8_t> scaled(static_cast<std::size_t>(stride) * static_cast<std::size_t>(height) + 64);
  uint8_t* target = scaled.data();
  libav::check(sws_scale(scaler.get(), &source, &from_stride, 0, static_cast<int>(from.height), &target, &stride),
               "scaling of an image");
  for (int64_t y = 0; y < height; ++y)
    std::memcpy(to.rgb + ((top + y) * to.image.width + left) * 3, scaled.data() + y * stride,
                static_cast<std::size_t>(width * 3));
}

}  // namespace

Image fitted(const Image& from, int64_t width, int64_t height) {
  const double scale = std::min(static_cast<double>(width) / static_cast<double>(from.width),
                                static_cast<double>(height) / static_cast<double>(from.height));
  const auto side = [&](int64_t whole, int64_t most) {
    return std::clamp<int64_t>(std::llround(static_cast<double>(whole) * scale), 1, most);
  };
  const int64_t inner_width = side(from.width, width), inner_height = side(from.height, height);
  const Canvas to(width, height);
  std::memset(to.rgb, 0, static_cast<std::size_t>(width * height * 3));
  scale_into(to, (width - inner_width) / 2, (height - inner_height) / 2, inner_width, inner_height, from);
  return to.image;
}

Image with_square_pixels(const Image& from, double pixel_aspect, int64_t max_pixels) {
  const auto side = [](int64_t whole, double factor) {
    return 2 * std::clamp<int64_t>(std::llround(static_cast<double>(whole) * factor / 2), 1, INT16_MAX / 2);
  };
  if (pixel_aspect == 1) return from;
  int64_t width = side(from.width, pixel_aspect), height = from.height;
  if (width * height > max_pixels) width = from.width, height = side(from.height, 1 / pixel_aspect);
  const Canvas to(width, height);
  scale_into(to, 0, 0, width, height, from);
  return to.image;
}

Image turned(const Image& from, const int32_t* matrix) {
  const auto sign = [&](int index) { return (matrix[index] > 0) - (matrix[index] < 0); };
  const int a = sign(0), b = sign(1), c = sign(3), d = sign(4);
  if (std::abs(a) + std::abs(b) != 1 || std::abs(c) + std::abs(d) != 1 || a * d - b * c == 0) return from;
  const Canvas to = a != 0 ? Canvas(from.width, from.height) : Canvas(from.height, from.width);
  const int64_t x0 = a + c < 0 ? to.image.width - 1 : 0, y0 = b + d < 0 ? to.image.height - 1 : 0;
  for (int64_t y = 0; y < from.height; ++y)
    for (int64_t x = 0; x < from.width; ++x)
      std::memcpy(to.rgb + ((y0 + b * x + d * y) * to.image.width + x0 + a * x + c * y) * 3,
                  from.rgb.get() + (y * from.width + x) * 3, 3);
  return to.image;
}

Image turned(const Image& from, int orientation) {
  // Entries 0, 1, 3 and 4 of the matrix: where the stored picture's right and its down are shown.
  constexpr std::array<std::array<int32_t, 4>, 7> kTurns{
      {{-1, 0, 0, 1}, {-1, 0, 0, -1}, {1, 0, 0, -1}, {0, 1, 1, 0}, {0, 1, -1, 0}, {0, -1, -1, 0}, {0, -1, 1, 0}}};
  if (orientation < 2 || orientation > 8) return from;
  const auto& turn = kTurns[static_cast<std::size_t>(orientation - 2)];
  const int32_t matrix[] = {turn[0], turn[1], 0, turn[2], turn[3]};
  return turned(from, matrix);
}

}  // namespace rushes::media
