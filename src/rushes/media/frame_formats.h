// Formats of sound that have no mark at their beginning, only frames or packets that follow each other, each with a
// short header of its own: MPEG audio, AAC (ADTS), AC-3 and E-AC-3, MPEG transport streams.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace rushes::media {

/// open: the bytes agree as far as they go, but there are too few of them.
enum class Match { no, open, yes };

struct FrameFormat {
  Match match = Match::no;
  std::string_view demuxer = {};  // as FFmpeg calls it
};

/// What begins at the first byte. Chance, which samples are for this, does not make headers that follow each other at
/// the distances that they say themselves. `at_end`: no more bytes will come, and fewer headers are enough.
FrameFormat frame_format_of(std::span<const uint8_t> bytes, bool at_end = false);

/// A demuxer of such streams.
bool is_frame_format(std::string_view demuxer);

/// What a media type says of such a stream, "audio/mpeg" or "video/mp2t": the demuxer. Empty: it is another type.
std::string_view frame_format_of_media_type(std::string_view content_type);

/// Bytes of the ID3v2 tag that begins here (id3.org/id3v2.4.0-structure, section 3), in front of frames or of a file.
/// 0: none does.
std::size_t id3_tag_bytes(std::span<const uint8_t> bytes);
constexpr std::size_t kId3HeaderBytes = 10;

}  // namespace rushes::media
