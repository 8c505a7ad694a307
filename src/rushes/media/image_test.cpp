#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <zlib.h>

#include <algorithm>
#include <functional>

#include "rushes/base/error.h"
#include "rushes/media/image.h"
#include "rushes/media/libav.h"
#include "rushes/media/test_video.h"

namespace rushes::media {
namespace {

/// A picture without symmetry: red grows to the right, green downwards, blue marks the top left quarter.
Bytes picture(int64_t width, int64_t height) {
  Bytes rgb;
  for (int64_t y = 0; y < height; ++y)
    for (int64_t x = 0; x < width; ++x) {
      rgb.push_back(static_cast<uint8_t>(x * 255 / width));
      rgb.push_back(static_cast<uint8_t>(y * 255 / height));
      rgb.push_back(x < width / 2 && y < height / 2 ? 220 : 30);
    }
  return rgb;
}

double mean_error(const Image& image, const Bytes& wanted) {
  double sum = 0;
  for (std::size_t i = 0; i < wanted.size(); ++i) sum += std::abs(image.rgb.get()[i] - wanted[i]);
  return sum / static_cast<double>(wanted.size());
}

Bytes encode_with(const char* encoder, AVPixelFormat format, int64_t width, int64_t height,
                  const std::function<void(AVFrame&)>& fill) {
  const auto context = libav::owned(avcodec_alloc_context3(avcodec_find_encoder_by_name(encoder)), encoder);
  context->width = static_cast<int>(width);
  context->height = static_cast<int>(height);
  context->pix_fmt = format;
  context->time_base = {1, 1};
  libav::check(avcodec_open2(context.get(), nullptr, nullptr), encoder);
  const auto frame = libav::owned(av_frame_alloc(), encoder);
  frame->width = context->width;
  frame->height = context->height;
  frame->format = format;
  libav::check(av_frame_get_buffer(frame.get(), 0), encoder);
  fill(*frame);
  const auto packet = libav::owned(av_packet_alloc(), encoder);
  libav::check(avcodec_send_frame(context.get(), frame.get()), encoder);
  libav::check(avcodec_receive_packet(context.get(), packet.get()), encoder);
  return Bytes(packet->data, packet->data + packet->size);
}

TEST(Image, png_comes_back_unchanged_and_jpeg_nearly) {
  for (const auto& [width, height] : {std::pair<int64_t, int64_t>{64, 48}, {17, 33}, {1, 1}, {200, 30}}) {
    SCOPED_TRACE(testing::Message() << width << "x" << height);
    const Bytes rgb = picture(width, height);
    const Image png = decode_image(encode_png(rgb.data(), width, height));
    EXPECT_EQ(png.width, width);
    EXPECT_EQ(png.height, height);
    EXPECT_EQ(mean_error(png, rgb), 0);
    const Image jpeg = decode_image(encode_jpeg(rgb.data(), width, height, 95));
    EXPECT_EQ(jpeg.width, width);
    EXPECT_EQ(jpeg.height, height);
    EXPECT_LT(mean_error(jpeg, rgb), 12);
  }
}

TEST(Image, webp_is_read) {
  if (!avcodec_find_encoder_by_name("libwebp")) GTEST_SKIP() << "no libwebp in this FFmpeg";
  const Bytes rgb = picture(40, 24);
  const Bytes webp = encode_with("libwebp", AV_PIX_FMT_BGRA, 40, 24, [&](AVFrame& frame) {
    for (int y = 0; y < 24; ++y)
      for (int x = 0; x < 40; ++x) {
        uint8_t* bgra = frame.data[0] + y * frame.linesize[0] + x * 4;
        for (int c = 0; c < 3; ++c) bgra[c] = rgb[(y * 40 + x) * 3 + 2 - c];
        bgra[3] = 255;
      }
  });
  const Image image = decode_image(webp);
  EXPECT_EQ(image.width, 40);
  EXPECT_EQ(image.height, 24);
  EXPECT_LT(mean_error(image, rgb), 12);
}

TEST(Image, transparency_lies_on_black) {
  const Bytes png = encode_with("png", AV_PIX_FMT_RGBA, 8, 8, [](AVFrame& frame) {
    for (int y = 0; y < 8; ++y)
      for (int x = 0; x < 8; ++x) {
        uint8_t* rgba = frame.data[0] + y * frame.linesize[0] + x * 4;
        rgba[0] = rgba[1] = rgba[2] = 200;
        rgba[3] = x < 4 ? 0 : 128;
      }
  });
  const Image image = decode_image(png);
  EXPECT_EQ(image.rgb.get()[0], 0);
  EXPECT_NEAR(image.rgb.get()[5 * 3], 100, 1);
}

enum ExifType : uint8_t { kByte = 1, kShort = 3, kLong = 4 };

/// Exif that says nothing but the orientation, in either order of bytes.
Bytes exif(uint8_t orientation, bool little_endian, ExifType type = kShort) {
  if (little_endian)
    return {'I', 'I', 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 0x01, type, 0, 1, 0, 0, 0, orientation, 0, 0, 0, 0, 0, 0, 0};
  Bytes big{'M', 'M', 0, 42, 0, 0, 0, 8, 0, 1, 0x01, 0x12, 0, type, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0};
  big[type == kByte ? 18 : type == kShort ? 19 : 21] = orientation;
  return big;
}

Bytes text(std::string_view words) { return Bytes(words.begin(), words.end()); }

Bytes joined(std::initializer_list<Bytes> pieces) {
  Bytes all;
  for (const Bytes& piece : pieces) all.insert(all.end(), piece.begin(), piece.end());
  return all;
}

Bytes slice(const Bytes& bytes, std::size_t from, std::size_t to) {
  return Bytes(bytes.begin() + static_cast<std::ptrdiff_t>(from), bytes.begin() + static_cast<std::ptrdiff_t>(to));
}

Bytes png_chunk(const std::string& type, const Bytes& content) {
  const auto number = [](uLong value) {
    return Bytes{static_cast<uint8_t>(value >> 24), static_cast<uint8_t>(value >> 16), static_cast<uint8_t>(value >> 8),
                 static_cast<uint8_t>(value)};
  };
  const Bytes body = joined({Bytes(type.begin(), type.end()), content});
  return joined({number(content.size()), body, number(crc32(0, body.data(), static_cast<uInt>(body.size())))});
}

constexpr std::size_t kPngHeadBytes = 33;  // signature and IHDR

/// The same in XMP, as programs write it: as an attribute or as an element.
Bytes xmp(uint8_t orientation, bool as_attribute) {
  constexpr std::string_view kBegin =
      R"(<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">)"
      R"(<rdf:Description rdf:about="" xmlns:tiff="http://ns.adobe.com/tiff/1.0/")";
  const std::string told = as_attribute
                               ? fmt::format(" tiff:Orientation=\"{}\"/>", orientation)
                               : fmt::format("><tiff:Orientation>{}</tiff:Orientation></rdf:Description>", orientation);
  return text(fmt::format("{}{}</rdf:RDF></x:xmpmeta>", kBegin, told));
}

Bytes jpeg_with_segment(const Bytes& jpeg, std::string_view mark, const Bytes& content) {
  const std::size_t size = mark.size() + content.size() + 2;
  return joined({slice(jpeg, 0, 2), Bytes{0xff, 0xe1, static_cast<uint8_t>(size >> 8), static_cast<uint8_t>(size)},
                 text(mark), content, slice(jpeg, 2, jpeg.size())});
}
constexpr std::string_view kExifMark{"Exif\0\0", 6}, kXmpMark{"http://ns.adobe.com/xap/1.0/\0", 29};
Bytes jpeg_with(const Bytes& jpeg, const Bytes& exif) { return jpeg_with_segment(jpeg, kExifMark, exif); }
/// Before or behind the picture, as writers have it.
Bytes png_with(const Bytes& png, const Bytes& exif, bool behind) {
  const std::size_t at = behind ? png.size() - 12 : kPngHeadBytes;
  return joined({slice(png, 0, at), png_chunk("eXIf", exif), slice(png, at, png.size())});
}
Bytes zlib(const Bytes& bytes) {
  uLongf size = compressBound(bytes.size());
  Bytes packed(size);
  compress(packed.data(), &size, bytes.data(), bytes.size());
  packed.resize(size);
  return packed;
}
Bytes png_with_xmp(const Bytes& png, const Bytes& xmp, bool packed) {
  const Bytes chunk = png_chunk(
      "iTXt", joined({text("XML:com.adobe.xmp"), Bytes{0, packed, 0, 'e', 'n', 0, 0}, packed ? zlib(xmp) : xmp}));
  return joined({slice(png, 0, kPngHeadBytes), chunk, slice(png, kPngHeadBytes, png.size())});
}
/// As ImageMagick wrote it before there was eXIf: in hexadecimal, 36 bytes a line.
Bytes png_with_profile(const Bytes& png, const std::string& type, const Bytes& exif, bool packed) {
  const Bytes all = type == "APP1" ? joined({text(kExifMark), exif}) : exif;
  std::string words = fmt::format("\n{}\n{:8}", type, all.size());
  for (std::size_t i = 0; i < all.size(); ++i) words += fmt::format("{}{:02x}", i % 36 == 0 ? "\n" : "", all[i]);
  words += '\n';
  Bytes content = text(words);
  if (packed) {
    content = zlib(content);
    content.insert(content.begin(), 0);
  }
  const Bytes chunk =
      png_chunk(packed ? "zTXt" : "tEXt", joined({text("Raw profile type " + type), Bytes{0}, content}));
  return joined({slice(png, 0, kPngHeadBytes), chunk, slice(png, kPngHeadBytes, png.size())});
}
/// RFC 9649, 2.7: a file with more than a picture begins with VP8X.
Bytes webp_with(const Bytes& webp, const Bytes& exif, int64_t width, int64_t height, const char* chunk = "EXIF") {
  const auto number = [](int64_t value, int bytes) {
    Bytes all;
    for (int i = 0; i < bytes; ++i) all.push_back(static_cast<uint8_t>(value >> (8 * i)));
    return all;
  };
  const auto exif_size = static_cast<int64_t>(exif.size());
  const Bytes body = joined({text("WEBPVP8X"), number(10, 4), number(std::string_view(chunk) == "EXIF" ? 8 : 4, 4),
                             number(width - 1, 3), number(height - 1, 3), slice(webp, 12, webp.size()), text(chunk),
                             number(exif_size, 4), exif});
  return joined({text("RIFF"), number(static_cast<int64_t>(body.size()), 4), body});
}

TEST(Image, is_turned_as_its_orientation_says_in_every_format) {
  // Where the pixel (x, y) of the stored picture is shown: Exif 2.32, 4.6.4, tag 0x0112.
  constexpr int64_t w = 48, h = 32;
  struct Case {
    uint8_t orientation;
    bool swapped;
    std::function<std::pair<int64_t, int64_t>(int64_t, int64_t)> shown_at;
  };
  const Case cases[] = {
      {1, false,
       [](int64_t x, int64_t y) {
         return std::pair{x, y};
       }},
      {2, false,
       [](int64_t x, int64_t y) {
         return std::pair{w - 1 - x, y};
       }},
      {3, false,
       [](int64_t x, int64_t y) {
         return std::pair{w - 1 - x, h - 1 - y};
       }},
      {4, false,
       [](int64_t x, int64_t y) {
         return std::pair{x, h - 1 - y};
       }},
      {5, true,
       [](int64_t x, int64_t y) {
         return std::pair{y, x};
       }},
      {6, true,
       [](int64_t x, int64_t y) {
         return std::pair{h - 1 - y, x};
       }},
      {7, true,
       [](int64_t x, int64_t y) {
         return std::pair{h - 1 - y, w - 1 - x};
       }},
      {8, true,
       [](int64_t x, int64_t y) {
         return std::pair{y, w - 1 - x};
       }},
  };
  const Bytes rgb = picture(w, h), jpeg = encode_jpeg(rgb.data(), w, h, 95), png = encode_png(rgb.data(), w, h);
  const bool has_webp = avcodec_find_encoder_by_name("libwebp") != nullptr;
  const Bytes webp = has_webp ? encode_webp(rgb.data(), w, h, 95) : Bytes();
  for (const Case& c : cases)
    for (const bool little_endian : {false, true}) {
      const Bytes told = exif(c.orientation, little_endian);
      std::vector<std::tuple<const char*, Bytes, Bytes>> files{
          {"JPEG", jpeg, jpeg_with(jpeg, told)},
          {"PNG", png, png_with(png, told, false)},
          {"PNG, Exif behind", png, png_with(png, told, true)},
          {"PNG, profile as text", png, png_with_profile(png, "exif", told, false)},
          {"PNG, packed profile", png, png_with_profile(png, "exif", told, true)},
          {"PNG, packed APP1", png, png_with_profile(png, "APP1", told, true)}};
      for (const ExifType type : {kByte, kLong})
        files.emplace_back("JPEG, of another type", jpeg, jpeg_with(jpeg, exif(c.orientation, little_endian, type)));
      files.emplace_back("JPEG, empty Exif in front", jpeg, jpeg_with(jpeg_with(jpeg, told), {}));
      const Bytes packet = xmp(c.orientation, little_endian), other = xmp(c.orientation == 6 ? 3 : 6, little_endian);
      files.emplace_back("JPEG, XMP", jpeg, jpeg_with_segment(jpeg, kXmpMark, packet));
      files.emplace_back("JPEG, XMP beside Exif", jpeg, jpeg_with_segment(jpeg_with(jpeg, told), kXmpMark, other));
      files.emplace_back("JPEG, XMP and an empty Exif", jpeg, jpeg_with(jpeg_with_segment(jpeg, kXmpMark, packet), {}));
      files.emplace_back("PNG, XMP", png, png_with_xmp(png, packet, false));
      files.emplace_back("PNG, packed XMP", png, png_with_xmp(png, packet, true));
      files.emplace_back("PNG, profile with XMP", png, png_with_profile(png, "xmp", packet, true));
      if (has_webp) files.emplace_back("WebP", webp, webp_with(webp, told, w, h));
      if (has_webp) files.emplace_back("WebP, XMP", webp, webp_with(webp, packet, w, h, "XMP "));
      for (const auto& [format, plain, file] : files) {
        SCOPED_TRACE(testing::Message() << format << ", orientation " << int{c.orientation} << " " << little_endian);
        const Image upright = decode_image(plain), turned = decode_image(file);
        ASSERT_EQ(turned.width, c.swapped ? h : w);
        ASSERT_EQ(turned.height, c.swapped ? w : h);
        for (int64_t y = 0; y < h; ++y)
          for (int64_t x = 0; x < w; ++x) {
            const auto [to_x, to_y] = c.shown_at(x, y);
            ASSERT_EQ(turned.rgb.get()[(to_y * turned.width + to_x) * 3], upright.rgb.get()[(y * w + x) * 3])
                << x << "," << y;
          }
      }
    }
}

TEST(Image, exif_that_is_damaged_turns_nothing) {
  const Bytes rgb = picture(48, 32), jpeg = encode_jpeg(rgb.data(), 48, 32), png = encode_png(rgb.data(), 48, 32);
  const Bytes whole = exif(6, true);
  for (std::size_t i = 0; i < whole.size(); ++i)
    for (const uint8_t wrong : {0x00, 0x7f, 0xff}) {
      Bytes damaged = whole;
      damaged[i] = wrong;
      const Bytes cut = slice(whole, 0, i);
      for (const Bytes& told : {damaged, cut})
        for (const Bytes& file : {jpeg_with(jpeg, told), png_with(png, told, false)}) {
          const Image image = decode_image(file);
          EXPECT_EQ(image.width * image.height, 48 * 32);
        }
    }
}

Bytes png_that_claims(uint32_t width, uint32_t height) {
  Bytes png = encode_png(picture(8, 8).data(), 8, 8);
  for (int i = 0; i < 4; ++i) {
    png[16 + i] = static_cast<uint8_t>(width >> (24 - 8 * i));
    png[20 + i] = static_cast<uint8_t>(height >> (24 - 8 * i));
  }
  return png;
}

Bytes jpeg_that_claims(uint16_t width, uint16_t height) {
  Bytes jpeg = encode_jpeg(picture(16, 16).data(), 16, 16);
  for (std::size_t i = 0; i + 9 < jpeg.size(); ++i)
    if (jpeg[i] == 0xff && jpeg[i + 1] == 0xc0) {
      jpeg[i + 5] = static_cast<uint8_t>(height >> 8);
      jpeg[i + 6] = static_cast<uint8_t>(height);
      jpeg[i + 7] = static_cast<uint8_t>(width >> 8);
      jpeg[i + 8] = static_cast<uint8_t>(width);
      break;
    }
  return jpeg;
}

/// With the bytes from `from` to `to` many times.
Bytes repeated(const Bytes& bytes, std::size_t from, std::size_t to, int times) {
  Bytes all = slice(bytes, 0, from);
  for (int i = 0; i < times; ++i) all = joined({all, slice(bytes, from, to)});
  return joined({all, slice(bytes, to, bytes.size())});
}

std::size_t jpeg_marker(const Bytes& jpeg, uint8_t marker) {
  const uint8_t wanted[] = {0xff, marker};
  return static_cast<std::size_t>(std::search(jpeg.begin(), jpeg.end(), wanted, wanted + 2) - jpeg.begin());
}

Bytes zlib_zeros(std::size_t size) {
  Bytes packed(compressBound(size));
  uLongf used = packed.size();
  compress(packed.data(), &used, Bytes(size).data(), size);
  packed.resize(used);
  return packed;
}

TEST(Image, texts_in_a_png_are_not_unpacked) {
  const Bytes png = encode_png(picture(64, 64).data(), 64, 64);
  const Bytes text = png_chunk("zTXt", joined({Bytes{'a', 0, 0}, zlib_zeros(100 << 20)}));
  Bytes bomb = joined({slice(png, 0, kPngHeadBytes), text, text, text, text});
  bomb = joined({bomb, slice(png, kPngHeadBytes, png.size())});
  const auto most_mib = [] {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss >> 10;
  };
  const auto before = most_mib();
  EXPECT_EQ(mean_error(decode_image(bomb), picture(64, 64)), 0);
  EXPECT_LT(most_mib() - before, 64);
}

TEST(Image, a_png_may_have_any_depth_and_be_interlaced) {
  // IHDR and the rows' bytes, filter types included: 5x3 pixels.
  const struct {
    uint8_t depth, kind, interlaced;
    std::size_t rows;
  } cases[] = {{8, 2, 0, 3 * 16}, {1, 0, 0, 3 * 2}, {16, 6, 0, 3 * 41}, {8, 0, 1, 2 + 2 + 3 + 4 + 3 * 2 - 2 + 6 + 6}};
  for (const auto& each : cases) {
    const Bytes head = slice(encode_png(picture(5, 3).data(), 5, 3), 0, 8);
    const auto file = [&](std::size_t rows) {
      return joined({head, png_chunk("IHDR", {0, 0, 0, 5, 0, 0, 0, 3, each.depth, each.kind, 0, 0, each.interlaced}),
                     png_chunk("IDAT", zlib_zeros(rows)), png_chunk("IEND", {})});
    };
    SCOPED_TRACE(testing::Message() << int{each.depth} << " bits of kind " << int{each.kind});
    EXPECT_EQ(decode_image(file(each.rows)).width, 5);
    EXPECT_THROW(decode_image(file(each.rows + (1 << 20))), Error);
  }
}

TEST(Image, what_moves_is_refused_as_animated_in_every_format_that_can_move) {
  const auto words = [](const Bytes& bytes) {
    try {
      decode_image(bytes);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::unsupported);
      return std::string(error.what());
    }
    return std::string("taken");
  };
  const Bytes png = encode_png(picture(8, 8).data(), 8, 8), control = png_chunk("acTL", {0, 0, 0, 2, 0, 0, 0, 0});
  const auto with_control = [&](std::size_t at) {
    return joined({slice(png, 0, at), control, slice(png, at, png.size())});
  };
  EXPECT_THAT(words(with_control(kPngHeadBytes)), testing::HasSubstr("the PNG image is animated"));
  EXPECT_EQ(words(with_control(png.size() - 12)), "taken") << "behind the data the chunk has no meaning";
  const auto webp = [](uint8_t flags, std::string_view chunk) {
    const Bytes head{'V', 'P', '8', 'X', 10, 0, 0, 0, flags, 0, 0, 0, 7, 0, 0, 7, 0, 0};
    return joined({text("RIFF"), Bytes{76, 0, 0, 0}, text("WEBP"), head, text(chunk), Bytes{40, 0, 0, 0}, Bytes(40)});
  };
  EXPECT_THAT(words(webp(0x02, "ICCP")), testing::HasSubstr("the WebP image is animated"));
  EXPECT_THAT(words(webp(0, "ANIM")), testing::HasSubstr("the WebP image is animated"));
  EXPECT_THAT(words(webp(0, "ANMF")), testing::HasSubstr("the WebP image is animated"));
  EXPECT_TRUE(looks_like_image(with_control(kPngHeadBytes))) << "so that nobody takes it for a video";
}

TEST(Image, its_size_is_told_before_anything_is_decoded) {
  const Bytes frame(32 * 20 * 3, 90);
  for (const Bytes& whole : {encode_png(frame.data(), 32, 20), encode_jpeg(frame.data(), 32, 20)}) {
    const Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(whole.size() * 3 / 4));
    struct NoRoom {};
    int64_t told = 0;
    const auto admit = [&](int64_t bytes) {
      told = bytes;
      throw NoRoom();
    };
    EXPECT_THROW(decode_image(cut, {}, admit), NoRoom) << "not that it is cut off";
    EXPECT_EQ(told, 32 * 20 * 3);
  }
}

TEST(Image, a_jpeg_may_have_another_picture_behind_it) {
  const Bytes jpeg = encode_jpeg(picture(64, 64).data(), 64, 64);
  EXPECT_EQ(decode_image(joined({jpeg, jpeg, jpeg})).width, 64);
}

TEST(Image, hostile_and_damaged_images_are_refused_with_the_reason) {
  using namespace std::string_view_literals;
  const Bytes png = encode_png(picture(64, 64).data(), 64, 64), jpeg = encode_jpeg(picture(64, 64).data(), 64, 64);
  const auto head = [](const Bytes& bytes, std::size_t size) {
    return Bytes(bytes.begin(), bytes.begin() + static_cast<int64_t>(size));
  };
  Bytes flipped = png;
  flipped[flipped.size() / 2] ^= 0x55;
  const Bytes table = slice(jpeg, jpeg_marker(jpeg, 0xc4), jpeg_marker(jpeg, 0xda));
  const Bytes tables = repeated(table, 0, table.size(), 100);
  const Bytes unknown = joined(
      {Bytes{0xff, 0xf0, static_cast<uint8_t>((tables.size() + 2) >> 8), static_cast<uint8_t>(tables.size() + 2)},
       tables});
  struct Case {
    const char* name;
    Bytes bytes;
    ErrorCode code;
    const char* words;
  };
  const Case cases[] = {
      {"empty", {}, ErrorCode::corrupt_data, "empty"},
      {"text", text("hello"), ErrorCode::unsupported, "JPEG, PNG or WebP"},
      {"a playlist that names a file", text("#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n"), ErrorCode::unsupported,
       "JPEG, PNG or WebP"},
      {"ffconcat script", text("ffconcat version 1.0\nfile /etc/passwd\n"), ErrorCode::unsupported,
       "JPEG, PNG or WebP"},
      {"SVG with an external entity", text("<?xml version=\"1.0\"?><svg xmlns=\"http://www.w3.org/2000/svg\"/>"),
       ErrorCode::unsupported, "JPEG, PNG or WebP"},
      {"GIF", text("GIF89a\1\0\1\0"sv), ErrorCode::unsupported, "JPEG, PNG or WebP"},
      {"PNG signature alone", head(png, 8), ErrorCode::corrupt_data, "header"},
      {"PNG cut in its data", head(png, png.size() / 2), ErrorCode::corrupt_data, "PNG"},
      {"PNG with a flipped bit", flipped, ErrorCode::corrupt_data, "PNG"},
      {"PNG of no width", png_that_claims(0, 8), ErrorCode::corrupt_data, "header"},
      {"PNG bomb by its header", png_that_claims(60000, 60000), ErrorCode::too_large, "60000x60000"},
      {"PNG of negative size", png_that_claims(0xffffffff, 0xffffffff), ErrorCode::too_large, "pixels"},
      {"PNG of many pixels", png_that_claims(16000, 16000), ErrorCode::too_large, "16000x16000"},
      {"PNG of 54 megapixels", png_that_claims(9000, 6000), ErrorCode::too_large, "at most 40000000 pixels"},
      {"PNG whose data go on behind its picture",
       joined({head(png, kPngHeadBytes), png_chunk("IDAT", zlib_zeros(1 << 20)), png_chunk("IEND", {})}),
       ErrorCode::corrupt_data, "decompress to more"},
      {"JPEG of many scans", repeated(jpeg, jpeg_marker(jpeg, 0xda), jpeg.size() - 2, 40), ErrorCode::unsupported,
       "scans"},
      {"JPEG of many tables", repeated(jpeg, jpeg_marker(jpeg, 0xc4), jpeg_marker(jpeg, 0xda), 400),
       ErrorCode::unsupported, "tables"},
      {"JPEG of many tables in segments that nobody knows",
       joined({head(jpeg, 2), unknown, unknown, slice(jpeg, 2, jpeg.size())}), ErrorCode::unsupported, "tables"},
      {"JPEG marker alone", head(jpeg, 3), ErrorCode::corrupt_data, "header"},
      {"JPEG cut in its tables", head(jpeg, 60), ErrorCode::corrupt_data, "JPEG"},
      {"JPEG of 65535x65535", jpeg_that_claims(65535, 65535), ErrorCode::too_large, "65535x65535"},
      {"JPEG of no height", jpeg_that_claims(16, 0), ErrorCode::corrupt_data, "header"},
      {"WebP header alone", text("RIFF\x20\0\0\0WEBPVP8X"sv), ErrorCode::corrupt_data, "header"},
      {"WebP full of zeros",
       text(
           "RIFF\x40\0\0\0WEBPVP8 \x10\0\0\0\0\0\0\x9d\x01\x2a\x10\0\x10\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"sv),
       ErrorCode::corrupt_data, "WebP"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    try {
      decode_image(c.bytes);
      ADD_FAILURE() << "accepted";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), c.code) << error.what();
      EXPECT_THAT(error.what(), testing::HasSubstr(c.words));
    }
  }
  EXPECT_THROW(decode_image(png, {.max_bytes = 100}), Error);
  EXPECT_THROW(decode_image(png, {.max_pixels = 64 * 63}), Error);
  EXPECT_THROW(read_image("/nonexistent/picture.png"), Error);
}

TEST(Image, no_cut_or_flipped_byte_crashes) {
  for (const Bytes& whole : {encode_png(picture(24, 24).data(), 24, 24), encode_jpeg(picture(24, 24).data(), 24, 24)}) {
    for (std::size_t i = 0; i < whole.size(); i += 3) {
      Bytes cut(whole.begin(), whole.begin() + static_cast<int64_t>(i)), flipped = whole;
      flipped[i] ^= static_cast<uint8_t>(1 + i % 255);
      for (const Bytes& damaged : {cut, flipped}) {
        try {
          const Image image = decode_image(damaged, {.max_pixels = 1 << 20});
          EXPECT_LE(image.width * image.height, 1 << 20);
        } catch (const Error&) {}
      }
    }
  }
}

TEST(Image, a_picture_as_webp_is_read_back) {
  const Bytes frame = test_frame(48, 32, 5);
  const Image back = decode_image(encode_webp(frame.data(), 48, 32, 95));
  ASSERT_EQ(back.width, 48);
  ASSERT_EQ(back.height, 32);
  for (int64_t i = 0; i < 48 * 32 * 3; ++i) ASSERT_NEAR(back.rgb.get()[i], frame[static_cast<std::size_t>(i)], 12) << i;
}

}  // namespace
}  // namespace rushes::media
