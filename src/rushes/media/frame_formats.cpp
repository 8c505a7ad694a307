#include "rushes/media/frame_formats.h"

#include <algorithm>
#include <iterator>
#include <optional>

namespace rushes::media {
namespace {

using Bytes = std::span<const uint8_t>;

struct Header {
  std::size_t frame_bytes;
  uint64_t kind;  // is the same in all frames of a stream
};

struct Frames {
  std::string_view demuxer;
  Match (*sync)(Bytes);  // of the first bytes, as far as there are some
  std::size_t header_bytes;
  std::optional<Header> (*header)(Bytes);
  int headers;  // that must follow each other
};

Match all_ones(Bytes bytes, uint8_t mask, uint8_t wanted) {
  if (bytes[0] != 0xff || (bytes.size() > 1 && (bytes[1] & mask) != wanted)) return Match::no;
  return bytes.size() > 1 ? Match::yes : Match::open;
}

Match mpeg_sync(Bytes bytes) { return all_ones(bytes, 0xe0, 0xe0); }

/// ISO/IEC 11172-3, 2.4.1.3, and 13818-3; MPEG 2.5 as its decoders have it.
std::optional<Header> mpeg_header(Bytes bytes) {
  // kbit/s of MPEG 1, layers I, II, III, and of MPEG 2, layers I, II and III
  constexpr int kRates[5][15] = {{0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448},
                                 {0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384},
                                 {0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320},
                                 {0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256},
                                 {0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160}};
  constexpr int kHz[3] = {44'100, 48'000, 32'000};
  const int version = bytes[1] >> 3 & 3, layer = 4 - (bytes[1] >> 1 & 3), rate = bytes[2] >> 4, hz = bytes[2] >> 2 & 3;
  const bool reserved = version == 1 || layer == 4 || rate == 0 || rate == 15 || hz == 3 || (bytes[3] & 3) == 2;
  if (reserved) return std::nullopt;
  const bool first = version == 3;
  const int table = first ? layer - 1 : layer == 1 ? 3 : 4;
  const int bps = kRates[table][rate] * 1000, samples_hz = kHz[hz] >> (first ? 0 : version == 2 ? 1 : 2);
  const int padding = bytes[2] >> 1 & 1;
  const int size = layer == 1 ? (12 * bps / samples_hz + padding) * 4
                              : (layer == 3 && !first ? 72 : 144) * bps / samples_hz + padding;
  return Header{static_cast<std::size_t>(size), static_cast<uint64_t>((bytes[1] & 0xfe) << 8 | (bytes[2] & 0x0c))};
}

Match adts_sync(Bytes bytes) { return all_ones(bytes, 0xf6, 0xf0); }

/// ISO/IEC 13818-7, 6.2.
std::optional<Header> adts_header(Bytes bytes) {
  const int hz = bytes[2] >> 2 & 15;
  const auto size = static_cast<std::size_t>((bytes[3] & 3) << 11 | bytes[4] << 3 | bytes[5] >> 5);
  if (hz > 12 || size < 7) return std::nullopt;
  const int kind = bytes[1] << 16 | (bytes[2] & 0xfd) << 8 | (bytes[3] & 0xc0);
  return Header{size, static_cast<uint64_t>(kind)};
}

Match ac3_sync(Bytes bytes) {
  if (bytes[0] != 0x0b || (bytes.size() > 1 && bytes[1] != 0x77)) return Match::no;
  return bytes.size() > 1 ? Match::yes : Match::open;
}

/// ETSI TS 102 366, 4.4.1 and table 4.13.
std::optional<Header> ac3_header(Bytes bytes) {
  constexpr int kRates[19] = {32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640};
  const int hz = bytes[4] >> 6, code = bytes[4] & 63, version = bytes[5] >> 3;
  if (version > 10 || hz == 3 || code > 37) return std::nullopt;
  const int bps = kRates[code / 2] * 1000;
  const int words = hz == 0 ? bps / 500 : hz == 2 ? bps * 3 / 1000 : bps * 96 / 44'100 + code % 2;
  return Header{static_cast<std::size_t>(words) * 2, static_cast<uint64_t>(hz << 8 | version)};
}

/// The same, annex E.1.2.2.
std::optional<Header> eac3_header(Bytes bytes) {
  const int hz = bytes[4] >> 6, half_rate = bytes[4] >> 4 & 3, version = bytes[5] >> 3;
  if (version <= 10 || version > 16 || (hz == 3 && half_rate == 3) || bytes[2] >> 6 == 3) return std::nullopt;
  const auto size = static_cast<std::size_t>(((bytes[2] & 7) << 8 | bytes[3]) + 1) * 2;
  return Header{size, static_cast<uint64_t>((hz == 3 ? 12 + half_rate : hz) << 8 | version)};
}

Match packet_sync(Bytes bytes) { return bytes[0] == 'G' ? Match::yes : Match::no; }

/// ISO/IEC 13818-1, 2.4.3.2: without error, not scrambled, with something inside.
std::optional<Header> packet_header(Bytes bytes) {
  constexpr std::size_t kPacket = 188;
  if ((bytes[1] & 0x80) != 0 || (bytes[3] & 0xc0) != 0 || (bytes[3] & 0x30) == 0) return std::nullopt;
  return Header{kPacket, 0};
}

constexpr Frames kFrames[] = {{"mp3", mpeg_sync, 4, mpeg_header, 3},
                              {"aac", adts_sync, 6, adts_header, 3},
                              {"ac3", ac3_sync, 6, ac3_header, 2},
                              {"eac3", ac3_sync, 6, eac3_header, 2},
                              {"mpegts", packet_sync, 4, packet_header, 3}};

Match match(Bytes bytes, const Frames& frames, bool at_end) {
  std::optional<Header> first;
  for (int found = 0; found < frames.headers; ++found) {
    if (bytes.empty() && at_end && found >= 2) return Match::yes;
    if (bytes.empty()) return Match::open;
    if (frames.sync(bytes) == Match::no) return Match::no;
    if (bytes.size() < frames.header_bytes) return Match::open;
    const auto header = frames.header(bytes);
    if (!header || header->frame_bytes < frames.header_bytes || (first && first->kind != header->kind))
      return Match::no;
    if (!first) first = header;
    bytes = bytes.subspan(std::min(bytes.size(), header->frame_bytes));
  }
  return Match::yes;
}

}  // namespace

FrameFormat frame_format_of(std::span<const uint8_t> bytes, bool at_end) {
  FrameFormat best;
  for (const Frames& frames : kFrames) {
    const Match now = match(bytes, frames, at_end);
    if (now == Match::yes) return {now, frames.demuxer};
    if (now == Match::open) best.match = now;
  }
  return best;
}

bool is_frame_format(std::string_view demuxer) {
  return std::any_of(std::begin(kFrames), std::end(kFrames),
                     [&](const Frames& frames) { return frames.demuxer == demuxer; });
}

std::string_view frame_format_of_media_type(std::string_view content_type) {
  struct Type {
    std::string_view name, demuxer;
  };
  constexpr Type kTypes[] = {
      {"audio/mpeg", "mp3"},    {"audio/mp3", "mp3"},   {"audio/x-mp3", "mp3"}, {"audio/x-mpeg", "mp3"},
      {"audio/mpa", "mp3"},     {"audio/mp2", "mp3"},   {"audio/aac", "aac"},   {"audio/aacp", "aac"},
      {"audio/x-aac", "aac"},   {"audio/ac3", "ac3"},   {"audio/eac3", "eac3"}, {"audio/mp2t", "mpegts"},
      {"video/mp2t", "mpegts"}, {"audio/mp2p", "mpeg"}, {"video/mp2p", "mpeg"}, {"audio/x-ac3", "ac3"}};
  std::string_view type = content_type.substr(0, content_type.find(';'));
  while (!type.empty() && (type.front() == ' ' || type.front() == '\t')) type.remove_prefix(1);
  while (!type.empty() && (type.back() == ' ' || type.back() == '\t')) type.remove_suffix(1);
  const auto same = [](char a, char b) { return a == (b >= 'A' && b <= 'Z' ? b - 'A' + 'a' : b); };
  for (const Type& known : kTypes)
    if (std::equal(known.name.begin(), known.name.end(), type.begin(), type.end(), same)) return known.demuxer;
  return {};
}

std::size_t id3_tag_bytes(std::span<const uint8_t> bytes) {
  if (bytes.size() < kId3HeaderBytes || bytes[0] != 'I' || bytes[1] != 'D' || bytes[2] != '3') return 0;
  if (bytes[3] < 2 || bytes[3] > 4 || bytes[4] == 0xff || (bytes[5] & 0x0f) != 0) return 0;
  std::size_t size = 0;
  for (std::size_t i = 6; i < kId3HeaderBytes; ++i) {
    if (bytes[i] >= 0x80) return 0;
    size = size << 7 | bytes[i];
  }
  const bool has_footer = (bytes[5] & 0x10) != 0;
  return kId3HeaderBytes + size + (has_footer ? kId3HeaderBytes : 0);
}

}  // namespace rushes::media
