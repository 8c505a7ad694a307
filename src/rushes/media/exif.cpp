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
std::optional<int> orientation_of_tiff(Bytes tiff) {
  constexpr std::size_t kTag = 0x0112;
  constexpr std::array<std::size_t, 5> kBytes{0, 1, 0, 2, 4};  // of BYTE, SHORT and LONG: not all write it as SHORT
  if (has(tiff, kMark)) tiff = tiff.subspan(kMark.size());     // some writers keep JPEG's mark in other formats
  if (tiff.size() < 10 || !(has(tiff, "II") || has(tiff, "MM"))) return std::nullopt;
  const bool big = has(tiff, "MM");
  const auto number = [&](std::size_t at, std::size_t bytes) {
    return big ? big_endian<std::size_t>(tiff, at, bytes) : little_endian<std::size_t>(tiff, at, bytes);
  };
  const std::size_t directory = number(4, 4);
  if (directory > tiff.size() - 2) return std::nullopt;
  const std::size_t entries = number(directory, 2);
  for (std::size_t i = 0; i < entries; ++i) {
    const std::size_t at = directory + 2 + 12 * i;
    if (at + 12 > tiff.size()) return std::nullopt;
    const std::size_t type = number(at + 2, 2), bytes = type < kBytes.size() ? kBytes[type] : 0;
    if (number(at, 2) != kTag || bytes == 0) continue;
    const std::size_t value = number(at + 8, bytes);
    if (value >= 1 && value <= 8) return static_cast<int>(value);
  }
  return std::nullopt;
}

/// Of an XMP packet (ISO 16684-1): an attribute `tiff:Orientation="6"` or an element `<tiff:Orientation>6<`. Nothing
/// else of the packet matters here, so that it is searched and not parsed.
std::optional<int> orientation_of_xmp(Bytes packet) {
  constexpr std::string_view kName = "tiff:Orientation", kBeforeValue = "=\"'> \t\r\n";
  const std::string_view text(reinterpret_cast<const char*>(packet.data()), packet.size());
  for (std::size_t at = text.find(kName); at != std::string_view::npos; at = text.find(kName, at)) {
    at += kName.size();
    const std::size_t value = text.find_first_not_of(kBeforeValue, at);
    if (value == std::string_view::npos) break;
    const bool is_one_letter = value + 1 < text.size() && (text[value + 1] < '0' || text[value + 1] > '9');
    if (value > at && is_one_letter && text[value] >= '1' && text[value] <= '8') return text[value] - '0';
  }
  return std::nullopt;
}

/// Of each kind the first that says anything: writers leave empty ones in front.
struct Told {
  std::optional<int> exif, xmp;

  void see_exif(Bytes tiff) {
    if (!exif) exif = orientation_of_tiff(tiff);
  }
  void see_xmp(Bytes packet) {
    if (!xmp) xmp = orientation_of_xmp(packet);
  }
  /// XMP repeats what Exif says, but where there is none.
  int orientation() const { return exif.value_or(xmp.value_or(1)); }
};

/// Calls `see(at, content)` for each piece of a file in pieces: where one begins, `head` tells where its content begins
/// and ends, and where the next one does.
struct Piece {
  std::size_t begin, end, next;
};
template <typename Head, typename See>
void for_each_piece(Bytes file, std::size_t at, std::size_t head_bytes, Head head, See see) {
  while (at + head_bytes <= file.size()) {
    const Piece piece = head(at);
    if (piece.end > file.size() || piece.next <= at) return;
    see(at, file.subspan(piece.begin, piece.end - piece.begin));
    at = piece.next;
  }
}

Told told_by_jpeg(Bytes file) {
  constexpr std::string_view kXmp{"http://ns.adobe.com/xap/1.0/\0", 29};
  Told told;
  const auto head = [&](std::size_t at) {
    if (file[at] == 0xff && file[at + 1] == 0xff) return Piece{at + 1, at + 1, at + 1};  // a fill byte
    // A scan has no length; what says which way up stands before it.
    const std::size_t size = file[at] == 0xff && file[at + 1] != 0xda ? big_endian<std::size_t>(file, at + 2, 2) : 0;
    return size < 2 ? Piece{at, at, at} : Piece{at + 4, at + 2 + size, at + 2 + size};
  };
  for_each_piece(file, 2, 4, head, [&](std::size_t at, Bytes content) {
    if (file[at + 1] != 0xe1) return;
    if (has(content, kMark)) told.see_exif(content);
    if (has(content, kXmp)) told.see_xmp(content);
  });
  return told;
}

template <typename See>
void for_each_png_chunk(Bytes file, See see) {
  const auto head = [&](std::size_t at) {
    const auto size = big_endian<std::size_t>(file, at, 4);
    return Piece{at + 8, at + 8 + size, at + 12 + size};
  };
  for_each_piece(file, 8, 8, head, see);
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

/// The bytes of a profile that stands in a text: a line with its name, one with its length, and they in hexadecimal.
std::vector<uint8_t> bytes_of_profile(std::string_view text) {
  std::size_t at = text.find_first_not_of('\n');
  for (int line = 0; line < 2; ++line) {
    at = text.find('\n', at);
    if (at == std::string_view::npos) return {};
    ++at;
  }
  std::vector<uint8_t> bytes;
  std::optional<int> high;
  for (const char letter : text.substr(at)) {
    const auto digit = hex_digit(letter);
    if (!digit) continue;
    if (high) bytes.push_back(static_cast<uint8_t>(*high << 4 | *digit));
    high = high ? std::nullopt : digit;
  }
  return bytes;
}

/// The texts of a PNG that may say which way up it is. Compressed ones may unfold to much: only a few of them are read.
class PngTexts {
 public:
  explicit PngTexts(Bytes file) : file_(file) {}

  /// Exif and XMP as writers had them before PNG had places for them, ImageMagick's among them: a text named `Raw
  /// profile type exif`, `xmp`, or `APP1` for either.
  void see_profile(std::size_t at, Bytes content, Told& told) {
    using namespace std::string_view_literals;
    constexpr std::array kKeywords{"Raw profile type exif\0"sv, "Raw profile type APP1\0"sv,
                                   "Raw profile type xmp\0"sv};
    const bool packed = has(file_, "zTXt", at + 4);
    if (!packed && !has(file_, "tEXt", at + 4)) return;
    for (const std::string_view keyword : kKeywords) {
      if (!has(content, keyword)) continue;
      const Bytes rest = content.subspan(keyword.size());
      if (packed && (rest.empty() || rest[0] != 0)) continue;  // the one way to compress that there is
      const std::vector<uint8_t> profile = bytes_of_profile(text(packed ? rest.subspan(1) : rest, packed));
      told.see_exif(profile);
      told.see_xmp(profile);
    }
  }

  /// XMP, part 3, 1.1.5: an international text (PNG, 11.3.3.4), without a language and without a translated keyword.
  void see_xmp(std::size_t at, Bytes content, Told& told) {
    constexpr std::string_view kKeyword{"XML:com.adobe.xmp\0", 18};
    if (!has(file_, "iTXt", at + 4) || !has(content, kKeyword) || content.size() < kKeyword.size() + 2) return;
    const bool packed = content[kKeyword.size()] != 0;
    Bytes rest = content.subspan(kKeyword.size() + 2);
    for (int field = 0; field < 2; ++field) {
      const auto end = std::find(rest.begin(), rest.end(), 0);
      if (end == rest.end()) return;
      rest = rest.subspan(static_cast<std::size_t>(end - rest.begin()) + 1);
    }
    const std::string packet = text(rest, packed);
    told.see_xmp({reinterpret_cast<const uint8_t*>(packet.data()), packet.size()});
  }

 private:
  std::string text(Bytes bytes, bool packed) {
    constexpr int kMost = 16;
    if (packed) return ++unfolded_ <= kMost ? inflated(bytes) : std::string();
    return {reinterpret_cast<const char*>(bytes.data()), std::min(bytes.size(), kMostProfileBytes)};
  }

  const Bytes file_;
  int unfolded_ = 0;
};

Told told_by_png(Bytes file) {
  Told told, told_by_text;
  PngTexts texts(file);
  for_each_png_chunk(file, [&](std::size_t at, Bytes content) {
    if (has(file, "eXIf", at + 4)) told.see_exif(content);
    texts.see_xmp(at, content, told);
    texts.see_profile(at, content, told_by_text);
  });
  if (!told.exif) told.exif = told_by_text.exif;
  if (!told.xmp) told.xmp = told_by_text.xmp;
  return told;
}

Told told_by_webp(Bytes file) {
  Told told;
  const auto head = [&](std::size_t at) {
    const std::size_t size = little_endian<std::size_t>(file, at + 4, 4);
    return Piece{at + 8, at + 8 + size, at + 8 + size + size % 2};
  };
  for_each_piece(file, 12, 8, head, [&](std::size_t at, Bytes content) {
    if (has(file, "EXIF", at)) told.see_exif(content);
    if (has(file, "XMP ", at)) told.see_xmp(content);
  });
  return told;
}

}  // namespace

int orientation_of(Bytes file) {
  if (has(file, "\xff\xd8")) return told_by_jpeg(file).orientation();
  if (has(file, "\x89PNG")) return told_by_png(file).orientation();
  if (has(file, "RIFF") && has(file, "WEBP", 8)) return told_by_webp(file).orientation();
  return 1;
}

}  // namespace rushes::media
