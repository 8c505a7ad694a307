#include "rushes/media/exif.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "rushes/media/byte_order.h"

namespace rushes::media {
namespace {

using Bytes = std::span<const uint8_t>;

bool has(Bytes bytes, std::string_view magic, std::size_t at = 0) {
  return bytes.size() >= at + magic.size() && std::memcmp(bytes.data() + at, magic.data(), magic.size()) == 0;
}

constexpr std::string_view kMark{"Exif\0\0", 6};

/// Of the first directory of a TIFF file (TIFF 6.0, section 2), which is what Exif is.
int orientation_of_tiff(Bytes tiff) {
  constexpr std::size_t kTag = 0x0112, kShort = 3;
  if (has(tiff, kMark)) tiff = tiff.subspan(kMark.size());  // some writers keep JPEG's mark in other formats
  if (tiff.size() < 10 || !(has(tiff, "II") || has(tiff, "MM"))) return 1;
  const bool big = has(tiff, "MM");
  const auto number = [&](std::size_t at, std::size_t bytes) {
    return big ? big_endian<std::size_t>(tiff, at, bytes) : little_endian<std::size_t>(tiff, at, bytes);
  };
  const std::size_t directory = number(4, 4);
  if (directory > tiff.size() - 2) return 1;
  const std::size_t entries = number(directory, 2);
  for (std::size_t i = 0; i < entries; ++i) {
    const std::size_t at = directory + 2 + 12 * i;
    if (at + 12 > tiff.size()) return 1;
    if (number(at, 2) != kTag || number(at + 2, 2) != kShort) continue;
    const std::size_t value = number(at + 8, 2);
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
    const std::size_t size = file[at] == 0xff && file[at + 1] != 0xda ? big_endian<std::size_t>(file, at + 2, 2) : 0;
    return size < 2 ? Piece{at, at, at} : Piece{at + 4, at + 2 + size, at + 2 + size};
  };
  return find_piece(file, 2, 4, head,
                    [&](std::size_t at, Bytes content) { return file[at + 1] == 0xe1 && has(content, kMark); });
}

template <typename IsWanted>
Bytes find_png_chunk(Bytes file, IsWanted is_wanted) {
  const auto head = [&](std::size_t at) {
    const auto size = big_endian<std::size_t>(file, at, 4);
    return Piece{at + 8, at + 8 + size, at + 12 + size};
  };
  return find_piece(file, 8, 8, head, is_wanted);
}

Bytes exif_of_png(Bytes file) {
  return find_png_chunk(file, [&](std::size_t at, Bytes) { return has(file, "eXIf", at + 4); });
}

constexpr std::size_t kMostProfileBytes = 64 << 10;  // the directory that tells the orientation comes first

std::string inflated(Bytes packed) {
  std::string text(kMostProfileBytes, '\0');
  uLongf size = text.size();
  // Of more than that, and of what is damaged, it gives the beginning.
  const int result = uncompress(reinterpret_cast<Bytef*>(text.data()), &size, packed.data(), packed.size());
  text.resize(result == Z_OK || result == Z_BUF_ERROR ? size : 0);
  return text;
}

std::optional<int> hex_digit(char letter) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  const std::size_t digit = kDigits.find(letter);
  return digit == std::string_view::npos ? std::nullopt : std::optional(static_cast<int>(digit));
}

/// Exif as writers had it before PNG had a chunk for it, ImageMagick's among them: a text named `Raw profile type exif`
/// or `APP1`, plain or compressed, of a line with the profile's name, one with its length, and bytes in hexadecimal.
std::vector<uint8_t> raw_profile_of_png(Bytes file) {
  using namespace std::string_view_literals;
  constexpr std::array kKeywords{"Raw profile type exif\0"sv, "Raw profile type APP1\0"sv};
  std::string text;
  find_png_chunk(file, [&](std::size_t at, Bytes content) {
    const bool packed = has(file, "zTXt", at + 4);
    if (!packed && !has(file, "tEXt", at + 4)) return false;
    for (const std::string_view keyword : kKeywords) {
      if (!has(content, keyword)) continue;
      const Bytes rest = content.subspan(keyword.size());
      if (packed && (rest.empty() || rest[0] != 0)) continue;  // the one way to compress that there is
      text = packed ? inflated(rest.subspan(1))
                    : std::string(reinterpret_cast<const char*>(rest.data()), std::min(rest.size(), kMostProfileBytes));
      // APP1 is also what XMP comes in.
      if (text.find("45786966"sv) != std::string::npos || keyword == kKeywords[0]) return true;
    }
    return false;
  });
  std::size_t at = text.find_first_not_of('\n');
  for (int line = 0; line < 2; ++line) {
    at = text.find('\n', at);
    if (at == std::string::npos) return {};
    ++at;
  }
  std::vector<uint8_t> bytes;
  std::optional<int> high;
  for (const char letter : std::string_view(text).substr(at)) {
    const auto digit = hex_digit(letter);
    if (!digit) continue;
    if (high) bytes.push_back(static_cast<uint8_t>(*high << 4 | *digit));
    high = high ? std::nullopt : digit;
  }
  return bytes;
}

Bytes exif_of_webp(Bytes file) {
  const auto head = [&](std::size_t at) {
    const std::size_t size = little_endian<std::size_t>(file, at + 4, 4);
    return Piece{at + 8, at + 8 + size, at + 8 + size + size % 2};
  };
  return find_piece(file, 12, 8, head, [&](std::size_t at, Bytes) { return has(file, "EXIF", at); });
}

}  // namespace

int orientation_of(Bytes file) {
  if (has(file, "\xff\xd8")) return orientation_of_tiff(exif_of_jpeg(file));
  if (has(file, "\x89PNG")) {
    const Bytes exif = exif_of_png(file);
    return orientation_of_tiff(exif.empty() ? raw_profile_of_png(file) : exif);
  }
  if (has(file, "RIFF") && has(file, "WEBP", 8)) return orientation_of_tiff(exif_of_webp(file));
  return 1;
}

}  // namespace rushes::media
