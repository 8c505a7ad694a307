#include "rushes/media/image.h"

#include <turbojpeg.h>

#include <array>
#include <cstring>
#include <optional>
#include <string_view>

#include "rushes/base/interruption.h"
#include "rushes/media/byte_order.h"
#include "rushes/media/exif.h"
#include "rushes/media/image_bounds.h"
#include "rushes/media/libav.h"
#include "rushes/media/rgb_image.h"

namespace rushes::media {
namespace {

using libav::Owned;

struct Size {
  int64_t width = 0, height = 0;
};

struct Format {
  const char* name;
  AVCodecID codec;
  std::optional<Size> (*size)(std::span<const uint8_t> bytes);  // from the header; nothing: damaged
};

bool starts_with(std::span<const uint8_t> bytes, std::string_view magic, std::size_t at = 0) {
  return bytes.size() >= at + magic.size() && std::memcmp(bytes.data() + at, magic.data(), magic.size()) == 0;
}

/// The first frame header (SOF) of ITU-T T.81, annex B.
std::optional<Size> jpeg_size(std::span<const uint8_t> bytes) {
  for (std::size_t at = 2; at + 4 <= bytes.size();) {
    if (bytes[at] != 0xff) return std::nullopt;
    const uint8_t marker = bytes[at + 1];
    if (marker == 0xff) {  // fill byte
      ++at;
      continue;
    }
    const bool frame_header = marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
    if (frame_header) {
      if (at + 9 > bytes.size()) return std::nullopt;
      return Size{big_endian(bytes, at + 7, 2), big_endian(bytes, at + 5, 2)};
    }
    at += 2 + big_endian(bytes, at + 2, 2);
  }
  return std::nullopt;
}

std::optional<Size> png_size(std::span<const uint8_t> bytes) {
  if (bytes.size() < 24 || !starts_with(bytes, "IHDR", 12)) return std::nullopt;
  return Size{big_endian(bytes, 16, 4), big_endian(bytes, 20, 4)};
}

/// RFC 9649, section 2; the first chunk says the size.
std::optional<Size> webp_size(std::span<const uint8_t> bytes) {
  if (bytes.size() < 30) return std::nullopt;
  if (starts_with(bytes, "VP8X", 12)) return Size{1 + little_endian(bytes, 24, 3), 1 + little_endian(bytes, 27, 3)};
  if (starts_with(bytes, "VP8 ", 12))
    return Size{little_endian(bytes, 26, 2) & 0x3fff, little_endian(bytes, 28, 2) & 0x3fff};
  if (starts_with(bytes, "VP8L", 12)) {
    const int64_t packed = little_endian(bytes, 21, 4);
    return Size{1 + (packed & 0x3fff), 1 + (packed >> 14 & 0x3fff)};
  }
  return std::nullopt;
}

std::optional<Format> recognise(std::span<const uint8_t> bytes) {
  using namespace std::string_view_literals;
  if (starts_with(bytes, "\xff\xd8\xff"sv)) return Format{"JPEG", AV_CODEC_ID_MJPEG, jpeg_size};
  if (starts_with(bytes, "\x89PNG\r\n\x1a\n"sv)) return Format{"PNG", AV_CODEC_ID_PNG, png_size};
  if (starts_with(bytes, "RIFF"sv) && starts_with(bytes, "WEBP"sv, 8))
    return Format{"WebP", AV_CODEC_ID_WEBP, webp_size};
  return std::nullopt;
}

/// The whole file is one packet for these decoders, so that no demuxer ever sees it.
Owned<AVFrame> decode(const Format& format, std::span<const uint8_t> bytes, const ImageLimits& limits) {
  libav::set_up();
  const AVCodec* codec = avcodec_find_decoder(format.codec);
  require(codec != nullptr, ErrorCode::unavailable,
          "FFmpeg's libavcodec has no {} decoder; install a complete libavcodec", format.name);
  const auto context = libav::owned(avcodec_alloc_context3(codec), format.name);
  context->thread_count = 1;
  context->max_pixels = limits.max_pixels;
  context->err_recognition = AV_EF_EXPLODE | AV_EF_CRCCHECK | AV_EF_BUFFER;  // damage is an error, not a grey picture
  libav::check(avcodec_open2(context.get(), codec, nullptr), format.name, ErrorCode::unavailable);
  const auto packet = libav::owned(av_packet_alloc(), format.name);
  libav::check(av_new_packet(packet.get(), static_cast<int>(bytes.size())), format.name, ErrorCode::exhausted);
  std::memcpy(packet->data, bytes.data(), bytes.size());
  auto frame = libav::owned(av_frame_alloc(), format.name);
  int result = avcodec_send_packet(context.get(), packet.get());
  if (result >= 0) result = avcodec_send_packet(context.get(), nullptr);
  if (result >= 0) result = avcodec_receive_frame(context.get(), frame.get());
  require(result >= 0, ErrorCode::corrupt_data, "{} image of {} bytes cannot be decoded: {}", format.name, bytes.size(),
          libav::message(result));
  return frame;
}

}  // namespace

bool looks_like_image(std::span<const uint8_t> head) { return recognise(head).has_value(); }

Image decode_image(std::span<const uint8_t> bytes, const ImageLimits& limits,
                   const std::function<void(int64_t)>& admit) {
  require(!bytes.empty(), ErrorCode::corrupt_data, "the image is empty");
  require(static_cast<int64_t>(bytes.size()) <= limits.max_bytes, ErrorCode::too_large,
          "the image has {} bytes; at most {} are accepted", bytes.size(), limits.max_bytes);
  const auto format = recognise(bytes);
  require(format.has_value(), ErrorCode::unsupported,
          "the image is not a JPEG, PNG or WebP file (by its first bytes); convert it to one of these");
  const auto size = format->size(bytes);
  require(size && size->width > 0 && size->height > 0, ErrorCode::corrupt_data,
          "the {} image's header is damaged or cut off", format->name);
  require(size->width <= limits.max_side && size->height <= limits.max_side &&
              size->width * size->height <= limits.max_pixels,
          ErrorCode::too_large, "the {} image is {}x{}; at most {} pixels, {} on a side, are accepted", format->name,
          size->width, size->height, limits.max_pixels, limits.max_side);
  if (admit) admit(size->width * size->height * 3);
  if (format->codec == AV_CODEC_ID_MJPEG) require_usual_jpeg(bytes);
  if (format->codec == AV_CODEC_ID_WEBP) require_still_webp(bytes);
  const Bytes png = format->codec == AV_CODEC_ID_PNG ? image_of_png(bytes) : Bytes();
  base::interruption_point();  // each stage takes seconds for the largest pictures
  const auto frame = decode(*format, png.empty() ? bytes : png, limits);
  base::interruption_point();
  const Image image = RgbConverter().convert(*frame, AVCOL_SPC_SMPTE170M);  // what JPEG and WebP mean by YCbCr
  base::interruption_point();
  return turned(image, orientation_of(bytes));
}

Image read_image(const NamedFile& file, const ImageLimits& limits, const std::function<void(int64_t)>& admit) {
  return decoded_file(file, limits.max_bytes, [&](const Bytes& bytes) { return decode_image(bytes, limits, admit); });
}

Bytes encode_jpeg(const uint8_t* rgb, int64_t width, int64_t height, int quality) {
  require(quality >= 1 && quality <= 100, ErrorCode::invalid_argument, "JPEG quality must be 1 to 100 (got {})",
          quality);
  const std::unique_ptr<void, decltype(&tjDestroy)> encoder(tjInitCompress(), tjDestroy);
  require(encoder != nullptr, ErrorCode::exhausted, "JPEG encoder: out of memory");
  unsigned char* data = nullptr;
  unsigned long size = 0;
  const int result = tjCompress2(encoder.get(), rgb, static_cast<int>(width), 0, static_cast<int>(height), TJPF_RGB,
                                 &data, &size, TJSAMP_420, quality, TJFLAG_FASTDCT);
  const std::unique_ptr<unsigned char, decltype(&tjFree)> owned(data, tjFree);
  require(result == 0, ErrorCode::internal, "JPEG encoder: {}", tjGetErrorStr2(encoder.get()));
  return Bytes(data, data + size);
}

namespace {

/// One picture by an encoder of libavcodec's. `row` writes a row of it, `prepare` sets what the encoder is to do.
template <typename Prepare, typename Row>
Bytes encode_with(const char* name, int64_t width, int64_t height, AVPixelFormat format, Prepare prepare, Row row) {
  libav::set_up();
  const AVCodec* codec = avcodec_find_encoder_by_name(name);
  require(codec != nullptr, ErrorCode::unavailable,
          "FFmpeg's libavcodec has no encoder {}; install a complete libavcodec", name);
  const auto context = libav::owned(avcodec_alloc_context3(codec), name);
  context->width = static_cast<int>(width);
  context->height = static_cast<int>(height);
  context->pix_fmt = format;
  context->time_base = {1, 1};
  prepare(*context);
  libav::check(avcodec_open2(context.get(), codec, nullptr), name);
  const auto frame = libav::owned(av_frame_alloc(), name);
  frame->width = context->width;
  frame->height = context->height;
  frame->format = context->pix_fmt;
  libav::check(av_frame_get_buffer(frame.get(), 0), name, ErrorCode::exhausted);
  for (int64_t y = 0; y < height; ++y) row(frame->data[0] + y * frame->linesize[0], y);
  const auto packet = libav::owned(av_packet_alloc(), name);
  libav::check(avcodec_send_frame(context.get(), frame.get()), name);
  libav::check(avcodec_send_frame(context.get(), nullptr), name);
  libav::check(avcodec_receive_packet(context.get(), packet.get()), name);
  return Bytes(packet->data, packet->data + packet->size);
}

}  // namespace

Bytes encode_png(const uint8_t* rgb, int64_t width, int64_t height) {
  return encode_with(
      "png", width, height, AV_PIX_FMT_RGB24,
      // Frames are written while others are generated: speed before the last bytes.
      [](AVCodecContext& context) { context.compression_level = 3; },
      [&](uint8_t* row, int64_t y) { std::memcpy(row, rgb + y * width * 3, static_cast<std::size_t>(width * 3)); });
}

Bytes encode_webp(const uint8_t* rgb, int64_t width, int64_t height, int quality) {
  return encode_with(
      "libwebp", width, height, AV_PIX_FMT_BGRA,
      [&](AVCodecContext& context) { av_opt_set_double(context.priv_data, "quality", quality, 0); },
      [&](uint8_t* row, int64_t y) {
        for (int64_t x = 0; x < width; ++x, row += 4) {
          const uint8_t* from = rgb + 3 * (y * width + x);
          row[0] = from[2];
          row[1] = from[1];
          row[2] = from[0];
          row[3] = 255;
        }
      });
}

}  // namespace rushes::media
