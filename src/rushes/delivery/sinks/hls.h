// A session's video as HLS: playlists that grow with it, segments of its GOPs. Nothing is encoded twice, and each
// segment is made once for all who ask for it at about the same time.
#pragma once
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "rushes/delivery/encoded_stream.h"
#include "rushes/delivery/packager.h"
#include "rushes/delivery/sinks/hls_playlist.h"

namespace rushes::delivery {

struct HlsOptions {
  std::size_t window_segments = 600;  // of an endless video's playlist, after which the oldest leave it
  std::size_t cached_segments = 8;    // of each format: live viewers ask for the same ones
  media::Pts least_segment = HlsSegments::kLeastSegment;
  media::Pts mpeg_ts_shift{0};  // added to all times in MPEG-TS
  bool operator==(const HlsOptions&) const = default;
};

/// Any thread.
class HlsStream {
 public:
  explicit HlsStream(std::shared_ptr<const EncodedStream> video, HlsOptions options = {});

  /// As of now.
  std::string master(HlsFormat format);
  std::string playlist(HlsFormat format, bool from_start = false);
  /// Complete segments, counted from the start of the video.
  int64_t segments();
  /// Their durations.
  std::vector<media::Pts> durations();
  /// Segment `number` is complete, or has more than `part` parts, or no more will come.
  bool has(int64_t number, std::optional<int64_t> part);
  bool ended();

  /// The bytes of segment `number`. Throws Error(not_found) naming those that exist, Error(unsupported) for MPEG-TS
  /// without H.264.
  SharedBytes segment(int64_t number, HlsFormat format);
  /// The fragment of one GOP. Throws Error(not_found).
  SharedBytes part(int64_t number) const;
  const SharedBytes& init_segment() const noexcept { return video_->init_segment(); }

 private:
  void update_locked();
  std::size_t first_locked() const;

  const std::shared_ptr<const EncodedStream> video_;
  const HlsOptions options_;
  const bool endless_;
  std::mutex mutex_;
  HlsSegments segments_;
  bool ended_ = false;
  std::size_t utterances_ = 0;  // whose ends have been taken over
  struct Text {
    int64_t parts = -1;
    bool ended = false;
    std::string text;
  };
  Text texts_[2][2];  // by format and from_start
  Packager fmp4_, mpeg_ts_;
};

}  // namespace rushes::delivery
