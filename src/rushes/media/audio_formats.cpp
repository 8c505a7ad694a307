#include "rushes/media/audio_formats.h"

#include <array>
#include <cstring>

namespace rushes::media {
namespace {

using namespace std::string_view_literals;

struct Mark {
  std::string_view demuxer, begin, later = {};
  std::size_t later_at = 0;
  Sure sure = Sure::yes;
};

constexpr std::array kMarks{Mark{"wav", "RIFF"sv, "WAVE"sv, 8},
                            Mark{"wav", "RF64"sv, "WAVE"sv, 8},
                            Mark{"avi", "RIFF"sv, "AVI "sv, 8},
                            Mark{"w64", "riff\x2e\x91\xcf\x11"sv},
                            Mark{"aiff", "FORM"sv, "AIF"sv, 8},
                            Mark{"au", ".snd"sv},
                            Mark{"caf", "caff\0\1"sv},
                            Mark{"ogg", "OggS"sv, "\0\2"sv, 4},  // the first page of a stream
                            Mark{"matroska", "\x1a\x45\xdf\xa3"sv},
                            Mark{"mov", ""sv, "ftyp"sv, 4},
                            Mark{"flac", "fLaC"sv},
                            Mark{"amr", "#!AMR"sv},
                            Mark{"asf", "\x30\x26\xb2\x75\x8e\x66\xcf\x11"sv},
                            Mark{"flv", "FLV\1"sv},
                            Mark{"wv", "wvpk"sv},
                            Mark{"mpeg", "\0\0\1\xba"sv, {}, 0, Sure::no},  // of every pack
                            Mark{"mpegts", "G"sv, "G"sv, 188, Sure::no},    // two packets: their sync bytes
                            Mark{"mp3", "ID3"sv, {}, 0, Sure::no},
                            Mark{"aac", "\xff\xf1"sv, {}, 0, Sure::no},
                            Mark{"aac", "\xff\xf9"sv, {}, 0, Sure::no},
                            Mark{"mp3", "\xff\xfb"sv, {}, 0, Sure::no},
                            Mark{"mp3", "\xff\xfa"sv, {}, 0, Sure::no},
                            Mark{"mp3", "\xff\xf3"sv, {}, 0, Sure::no},
                            Mark{"mp3", "\xff\xf2"sv, {}, 0, Sure::no},
                            Mark{"mp3", "\xff\xe3"sv, {}, 0, Sure::no}};

/// As far as there are bytes.
bool agrees(std::span<const uint8_t> bytes, std::string_view mark, std::size_t at) {
  if (at >= bytes.size() || mark.empty()) return true;
  const std::size_t count = std::min(mark.size(), bytes.size() - at);
  return std::memcmp(bytes.data() + at, mark.data(), count) == 0;
}

}  // namespace

std::optional<std::string_view> audio_format_of(std::span<const uint8_t> bytes, Sure sure) {
  for (const Mark& mark : kMarks) {
    if (sure == Sure::yes && mark.sure == Sure::no) continue;
    if (bytes.size() < std::max(mark.begin.size(), mark.later_at + mark.later.size())) continue;
    if (agrees(bytes, mark.begin, 0) && agrees(bytes, mark.later, mark.later_at)) return mark.demuxer;
  }
  return std::nullopt;
}

bool may_begin_format(std::span<const uint8_t> bytes) {
  for (const Mark& mark : kMarks)
    if (bytes.size() < std::max(mark.begin.size(), mark.later_at + mark.later.size()) && agrees(bytes, mark.begin, 0) &&
        agrees(bytes, mark.later, mark.later_at))
      return true;
  return false;
}

}  // namespace rushes::media
