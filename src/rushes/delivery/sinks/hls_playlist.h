// HLS playlists (RFC 8216) as pure text, and how GOPs become segments.
#pragma once
#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "rushes/delivery/gop.h"

namespace rushes::delivery {

enum class HlsFormat { fmp4, mpeg_ts };

/// GOPs in a row that one URL gives out.
struct HlsSegment {
  int64_t first_gop = 0, gops = 0;
  media::Pts pts{0}, duration{0};
  int64_t bytes = 0;                          // as fMP4
  std::chrono::system_clock::time_point out;  // of its first GOP
};

/// Segments of at least `kLeastSegment`: a block each, except where blocks are very short.
class HlsSegments {
 public:
  static constexpr media::Pts kLeastSegment{45'000};

  explicit HlsSegments(media::Pts least = kLeastSegment) : least_(least) {}

  /// GOPs follow each other without gaps; one that takes no time (the end of the audio) joins the segment before.
  /// After `ended` the last segment may be shorter.
  void add(std::span<const GopTimes> gops);
  /// The open segment is complete, however short: nobody knows when more will come.
  void end();

  const std::vector<HlsSegment>& complete() const noexcept { return complete_; }
  /// What may still grow.
  const std::optional<HlsSegment>& open() const noexcept { return open_; }
  /// Durations of all GOPs; each is a part of low-latency HLS.
  const std::vector<media::Pts>& parts() const noexcept { return parts_; }

 private:
  media::Pts least_;
  std::vector<HlsSegment> complete_;
  std::optional<HlsSegment> open_;
  std::vector<media::Pts> parts_;
};

/// What a media playlist says beside its segments.
struct HlsPlaylist {
  HlsFormat format = HlsFormat::fmp4;
  std::size_t first = 0;       // segment that it begins with; those before have left the window
  int64_t target_seconds = 1;  // no segment, rounded, is longer; never changes
  bool event = true;           // nothing ever leaves it
  bool ended = false;
  bool from_start = false;    // players begin there, not near the live end
  media::Pts part_target{0};  // no part is longer; never changes. 0: no parts
};

/// video.m3u8 or ts.m3u8. URLs are relative: init.mp4, 0.m4s, 0.ts, part0.m4s.
std::string media_playlist(const HlsPlaylist& playlist, const HlsSegments& segments);

/// master.m3u8 with its one variant, at `media_url`.
std::string master_playlist(const media::VideoTrack& track, std::span<const HlsSegment> segments,
                            std::string_view media_url, bool has_audio = false);

/// The longest GOP (segment) to be expected, from the first alone: a block-causal model's first block has 3 video
/// frames fewer than the later ones, and further change is not expected.
media::Pts longest_from_first(media::Pts first, double fps);
/// EXT-X-TARGETDURATION from the first segment.
int64_t target_seconds(media::Pts first_segment, double fps);

}  // namespace rushes::delivery
