#include "rushes/media/image_bounds.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <string_view>

#include "rushes/base/error.h"
#include "rushes/media/byte_order.h"

namespace rushes::media {
namespace {

constexpr int64_t kSpareBytes = 64 << 10;         // behind the rows: some encoders leave a few there
constexpr int kMaxScans = 32;                     // progressive pictures have about ten
constexpr std::size_t kMaxTableBytes = 64 << 10;  // of Huffman tables: 32 scans with four full ones each

void require_still(bool is_still, std::string_view format) {
  require(is_still, ErrorCode::unsupported, "the {} image is animated; give a still one, for instance its first frame",
          format);
}

/// Bytes of the filtered rows (PNG specification, 7.2 and 8.1), of a header as IHDR has it.
int64_t row_bytes(std::span<const uint8_t> header) {
  const int64_t width = big_endian(header, 0, 4), height = big_endian(header, 4, 4);
  const int64_t depth = header[8];
  constexpr std::array<int64_t, 7> kChannels{1, 0, 3, 1, 2, 0, 4};
  const int64_t channels = header[9] < kChannels.size() ? kChannels[header[9]] : 0;
  require(channels > 0 && depth >= 1 && depth <= 16 && header[12] <= 1, ErrorCode::corrupt_data,
          "the PNG image's header is damaged");
  struct Pass {
    int64_t x, y, x_step, y_step;
  };
  constexpr std::array<Pass, 7> kInterlaced{
      {{0, 0, 8, 8}, {4, 0, 8, 8}, {0, 4, 4, 8}, {2, 0, 4, 4}, {0, 2, 2, 4}, {1, 0, 2, 2}, {0, 1, 1, 2}}};
  constexpr std::array<Pass, 1> kWhole{{{0, 0, 1, 1}}};
  int64_t bytes = 0;
  for (const Pass& pass : header[12] ? std::span<const Pass>(kInterlaced) : std::span<const Pass>(kWhole)) {
    const int64_t columns = (width - pass.x + pass.x_step - 1) / pass.x_step,
                  rows = (height - pass.y + pass.y_step - 1) / pass.y_step;
    if (columns > 0 && rows > 0) bytes += rows * (1 + (columns * channels * depth + 7) / 8);
  }
  return bytes;
}

/// Unpacks data that come in pieces, and counts.
class Unpacked {
 public:
  Unpacked() { require(inflateInit(&stream_) == Z_OK, ErrorCode::exhausted, "PNG image: out of memory"); }
  ~Unpacked() { inflateEnd(&stream_); }
  Unpacked(const Unpacked&) = delete;
  Unpacked& operator=(const Unpacked&) = delete;

  /// Stops where damage or the end is: what follows, the decoder does not unpack either.
  void add(std::span<const uint8_t> piece, int64_t most) {
    stream_.next_in = const_cast<Bytef*>(piece.data());
    stream_.avail_in = static_cast<uInt>(piece.size());
    while (!over_ && stream_.avail_in > 0 && bytes_ <= most) {
      stream_.next_out = scratch_->data();
      stream_.avail_out = static_cast<uInt>(scratch_->size());
      over_ = inflate(&stream_, Z_NO_FLUSH) != Z_OK;
      bytes_ += static_cast<int64_t>(scratch_->size() - stream_.avail_out);
    }
  }
  int64_t bytes() const { return bytes_; }

 private:
  z_stream stream_{};
  std::unique_ptr<std::array<uint8_t, 256 << 10>> scratch_ = std::make_unique<std::array<uint8_t, 256 << 10>>();
  int64_t bytes_ = 0;
  bool over_ = false;
};

}  // namespace

Bytes image_of_png(std::span<const uint8_t> file) {
  constexpr std::size_t kSignature = 8, kAround = 12;  // length, type and check sum of a chunk
  constexpr std::array<std::string_view, 5> kParts{"IHDR", "PLTE", "tRNS", "IDAT", "IEND"};
  Bytes picture(file.begin(), file.begin() + kSignature);
  picture.reserve(file.size());
  int64_t most = kSpareBytes;
  Unpacked unpacked;
  bool has_data = false;
  for (std::size_t at = kSignature; at + kAround <= file.size();) {
    const auto size = big_endian<std::size_t>(file, at, 4);
    const std::string_view type(reinterpret_cast<const char*>(file.data()) + at + 4, 4);
    const auto content =
        file.subspan(at + 8, std::min(size, file.size() - at - 8));  // the decoder finds what is cut off
    if (at == kSignature && type == "IHDR" && content.size() >= 13) most = row_bytes(content) + kSpareBytes;
    if (type == "IDAT") {
      has_data = true;
      unpacked.add(content, most);
    }
    require_still(type != "acTL" || has_data, "PNG");  // behind the data it has no meaning (PNG, third edition, 11.3.4)
    require(unpacked.bytes() <= most, ErrorCode::corrupt_data,
            "the PNG image's data decompress to more than the {} bytes of its rows", most - kSpareBytes);
    const std::size_t end = std::min(file.size(), at + kAround + size);
    if (std::find(kParts.begin(), kParts.end(), type) != kParts.end())
      picture.insert(picture.end(), file.begin() + static_cast<std::ptrdiff_t>(at),
                     file.begin() + static_cast<std::ptrdiff_t>(end));
    at = end;
  }
  return picture;
}

void require_still_webp(std::span<const uint8_t> file) {
  constexpr std::size_t kHeader = 12, kAround = 8;  // "RIFF", size, "WEBP"; type and size of a chunk
  constexpr uint8_t kAnimation = 0x02;              // RFC 9649, section 2.7.1
  for (std::size_t at = kHeader; at + kAround < file.size();) {
    const std::string_view type(reinterpret_cast<const char*>(file.data()) + at, 4);
    require_still(type != "ANIM" && type != "ANMF" && !(type == "VP8X" && file[at + kAround] & kAnimation), "WebP");
    const auto size = little_endian<std::size_t>(file, at + 4, 4);
    at += kAround + size + size % 2;
  }
}

void require_usual_jpeg(std::span<const uint8_t> file) {
  int scans = 0, headers = 0;
  std::size_t table_bytes = 0;
  for (std::size_t at = 2; at + 4 <= file.size();) {
    // Between a scan's header and the next marker lies its data. Libavcodec looks for markers in the same way, and also
    // within segments of kinds that it does not know.
    const auto* found = static_cast<const uint8_t*>(std::memchr(file.data() + at, 0xff, file.size() - at - 3));
    if (!found) return;
    at = static_cast<std::size_t>(found - file.data());
    const uint8_t marker = file[at + 1];
    if (marker == 0xd9 && headers > 0) return;  // the end; cameras put other pictures behind it
    const bool is_frame_header = marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
    const bool has_length = is_frame_header || marker == 0xc4 || (marker >= 0xda && marker <= 0xdd && marker != 0xdc) ||
                            (marker >= 0xe0 && marker <= 0xef) || marker == 0xfe;
    if (!has_length) {
      at += marker == 0xff ? 1 : 2;
      continue;
    }
    const auto size = big_endian<std::size_t>(file, at + 2, 2);
    if (marker == 0xda) ++scans;
    if (marker == 0xc4) table_bytes += size;
    if (is_frame_header) ++headers;
    require(scans <= kMaxScans && table_bytes <= kMaxTableBytes && headers <= 1, ErrorCode::unsupported,
            "the JPEG image has {} scans, {} bytes of Huffman tables and {} frame headers by its byte {}; at most {}, "
            "{} and 1 are accepted; save it again as an ordinary JPEG",
            scans, table_bytes, headers, at, kMaxScans, kMaxTableBytes);
    at += 2 + std::max<std::size_t>(size, 2);
  }
}

}  // namespace rushes::media
