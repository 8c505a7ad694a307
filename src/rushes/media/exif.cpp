#include "rushes/media/exif.h"

#include <algorithm>
#include <cstring>
#include <string_view>

namespace rushes::media {
namespace {

using Bytes = std::span<const uint8_t>;

enum class Order { big, little };

/// Of `count` bytes from `at` on, which must be there.
uint32_t number(Bytes bytes, std::size_t at, int count, Order order) {
  uint32_t value = 0;
  for (int i = 0; i < count; ++i)
    value = value << 8 | bytes[at + static_cast<std::size_t>(order == Order::big ? i : count - 1 - i)];
  return value;
}

bool has(Bytes bytes, std::string_view magic, std::size_t at = 0) {
  return bytes.size() >= at + magic.size() && std::memcmp(bytes.data() + at, magic.data(), magic.size()) == 0;
}

constexpr std::string_view kMark{"Exif\0\0", 6};

/// Of the first directory of a TIFF file (TIFF 6.0, section 2), which is what Exif is.
int orientation_of_tiff(Bytes tiff) {
  constexpr uint32_t kTag = 0x0112, kShort = 3;
  if (has(tiff, kMark)) tiff = tiff.subspan(kMark.size());  // some writers keep JPEG's mark in other formats
  if (tiff.size() < 10 || !(has(tiff, "II") || has(tiff, "MM"))) return 1;
  const Order order = has(tiff, "MM") ? Order::big : Order::little;
  const std::size_t directory = number(tiff, 4, 4, order);
  if (directory > tiff.size() - 2) return 1;
  const std::size_t entries = number(tiff, directory, 2, order);
  for (std::size_t i = 0; i < entries; ++i) {
    const std::size_t at = directory + 2 + 12 * i;
    if (at + 12 > tiff.size()) return 1;
    if (number(tiff, at, 2, order) != kTag || number(tiff, at + 2, 2, order) != kShort) continue;
    const uint32_t value = number(tiff, at + 8, 2, order);
    return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
  }
  return 1;
}

/// The content of the first piece that `is_wanted`, of a file in pieces: where one begins, `head` tells where its
/// content begins and ends, and where the next one does.
struct Piece {
  std::size_t begin, end, next;
};
template <typename Head, typename IsWanted>
Bytes find_piece(Bytes file, std::size_t at, std::size_t head_bytes, Head head, IsWanted is_wanted) {
  while (at + head_bytes <= file.size()) {
    const Piece piece = head(at);
    if (piece.end > file.size() || piece.next <= at) return {};
    const Bytes content = file.subspan(piece.begin, piece.end - piece.begin);
    if (is_wanted(at, content)) return content;
    at = piece.next;
  }
  return {};
}

Bytes exif_of_jpeg(Bytes file) {
  const auto head = [&](std::size_t at) {
    if (file[at] == 0xff && file[at + 1] == 0xff) return Piece{at + 1, at + 1, at + 1};  // a fill byte
    // A scan has no length; what says which way up stands before it.
    const std::size_t size = file[at] == 0xff && file[at + 1] != 0xda ? number(file, at + 2, 2, Order::big) : 0;
    return size < 2 ? Piece{at, at, at} : Piece{at + 4, at + 2 + size, at + 2 + size};
  };
  return find_piece(file, 2, 4, head,
                    [&](std::size_t at, Bytes content) { return file[at + 1] == 0xe1 && has(content, kMark); });
}

Bytes exif_of_png(Bytes file) {
  const auto head = [&](std::size_t at) {
    const std::size_t size = number(file, at, 4, Order::big);
    return Piece{at + 8, at + 8 + size, at + 12 + size};
  };
  return find_piece(file, 8, 8, head, [&](std::size_t at, Bytes) { return has(file, "eXIf", at + 4); });
}

Bytes exif_of_webp(Bytes file) {
  const auto head = [&](std::size_t at) {
    const std::size_t size = number(file, at + 4, 4, Order::little);
    return Piece{at + 8, at + 8 + size, at + 8 + size + size % 2};
  };
  return find_piece(file, 12, 8, head, [&](std::size_t at, Bytes) { return has(file, "EXIF", at); });
}

}  // namespace

int orientation_of(Bytes file) {
  if (has(file, "\xff\xd8")) return orientation_of_tiff(exif_of_jpeg(file));
  if (has(file, "\x89PNG")) return orientation_of_tiff(exif_of_png(file));
  if (has(file, "RIFF") && has(file, "WEBP", 8)) return orientation_of_tiff(exif_of_webp(file));
  return 1;
}

}  // namespace rushes::media
