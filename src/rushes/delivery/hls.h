// A session's video as HLS: playlists that grow with it, segments from memory or the recording. Nothing is encoded or
// kept twice; MPEG-TS is made from the same fragments when it is asked for.
#pragma once
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "rushes/delivery/encoded_stream.h"
#include "rushes/delivery/hls_playlist.h"

namespace rushes::delivery {

struct HlsOptions {
  std::size_t window_segments = 600;  // of an endless video's playlist, after which the oldest leave it
  std::size_t cached_segments = 8;    // in MPEG-TS: live viewers ask for the same ones
  media::Pts least_segment = HlsSegments::kLeastSegment;
  media::Pts mpeg_ts_shift{0};  // added to all times in MPEG-TS
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
  std::shared_ptr<const media::Bytes> segment(int64_t number, HlsFormat format);
  /// One fragment. Throws Error(not_found).
  std::shared_ptr<const media::Bytes> part(int64_t number) const;
  const std::shared_ptr<const media::Bytes>& init_segment() const noexcept { return video_->init_segment(); }

 private:
  void update_locked();
  std::size_t first_locked() const;
  std::shared_ptr<const media::Bytes> read(const HlsSegment& segment) const;

  const std::shared_ptr<const EncodedStream> video_;
  const HlsOptions options_;
  const bool endless_;
  std::mutex mutex_;
  HlsSegments segments_;
  bool ended_ = false;
  struct Text {
    int64_t parts = -1;
    bool ended = false;
    std::string text;
  };
  Text texts_[2][2];  // by format and from_start
  struct Cached {
    int64_t number;
    std::shared_ptr<const media::Bytes> bytes;
  };
  std::deque<Cached> mpeg_ts_;  // the newest last
};

}  // namespace rushes::delivery
