#include "rushes/media/audio_formats.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "rushes/media/frame_formats.h"

namespace rushes::media {
namespace {

using namespace std::string_view_literals;

struct Mark {
  std::string_view demuxer, begin, later = {};
  std::size_t later_at = 0;
  Sure sure = Sure::yes;
};

constexpr std::array kMarks{Mark{"wav", "RIFF"sv, "WAVE"sv, 8},
                            Mark{"wav", "RIFX"sv, "WAVE"sv, 8},
                            Mark{"wav", "BW64"sv, "WAVE"sv, 8},
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
                            Mark{"wv", "wvpk"sv, {}, 0, Sure::no},
                            Mark{"mov", ""sv, "moov"sv, 4, Sure::no},  // as older files begin, without ftyp
                            Mark{"mov", ""sv, "mdat"sv, 4, Sure::no},
                            Mark{"mov", ""sv, "wide"sv, 4, Sure::no},
                            Mark{"voc", "Creative Voice File\x1a"sv},
                            Mark{"tta", "TTA1"sv}};

/// As far as there are bytes.
bool agrees(std::span<const uint8_t> bytes, std::string_view mark, std::size_t at) {
  if (at >= bytes.size() || mark.empty()) return true;
  const std::size_t count = std::min(mark.size(), bytes.size() - at);
  return std::memcmp(bytes.data() + at, mark.data(), count) == 0;
}

/// ISO/IEC 13818-1, 2.5.3.3, and 11172-1, 2.4.3.2: the header of a program stream's pack.
Match pack_of_program_stream(std::span<const uint8_t> bytes) {
  constexpr std::string_view kStart = "\0\0\1\xba"sv;
  if (!agrees(bytes, kStart, 0)) return Match::no;
  if (bytes.size() <= kStart.size()) return Match::open;
  const uint8_t next = bytes[kStart.size()];
  return (next & 0xc4) == 0x44 || (next & 0xf1) == 0x21 ? Match::yes : Match::no;
}

bool is_short(std::span<const uint8_t> bytes, const Mark& mark) {
  return bytes.size() < std::max(mark.begin.size(), mark.later_at + mark.later.size());
}

}  // namespace

std::optional<std::string_view> audio_format_of(std::span<const uint8_t> bytes, Sure sure, bool at_end) {
  for (const Mark& mark : kMarks) {
    if (sure == Sure::yes && mark.sure == Sure::no) continue;
    if (!is_short(bytes, mark) && agrees(bytes, mark.begin, 0) && agrees(bytes, mark.later, mark.later_at))
      return mark.demuxer;
  }
  if (sure == Sure::yes) return std::nullopt;
  if (id3_tag_bytes(bytes) > 0) return "mp3";
  if (pack_of_program_stream(bytes) == Match::yes) return "mpeg";
  const FrameFormat frames = frame_format_of(bytes, at_end);
  return frames.match == Match::yes ? std::optional(frames.demuxer) : std::nullopt;
}

bool may_begin_format(std::span<const uint8_t> bytes) {
  for (const Mark& mark : kMarks)
    if (is_short(bytes, mark) && agrees(bytes, mark.begin, 0) && agrees(bytes, mark.later, mark.later_at)) return true;
  if (bytes.size() < kId3HeaderBytes && agrees(bytes, "ID3"sv, 0)) return true;
  return pack_of_program_stream(bytes) == Match::open || frame_format_of(bytes).match == Match::open;
}

}  // namespace rushes::media
