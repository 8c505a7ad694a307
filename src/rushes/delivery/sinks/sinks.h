// The ways out of one session's video that share work between their viewers. Each is made when it is first asked for.
#pragma once
#include <map>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "rushes/delivery/encoded_stream.h"
#include "rushes/delivery/sinks/hls.h"
#include "rushes/delivery/sinks/jpeg_stream.h"
#include "rushes/delivery/sinks/rtmp_push.h"
#include "rushes/delivery/sinks/whep.h"

namespace rushes::delivery {

/// Any thread.
class Sinks {
 public:
  static constexpr std::size_t kMaxPushes = 4;       // at a time
  static constexpr std::size_t kMaxKeptPushes = 16;  // with those that are over

  explicit Sinks(std::shared_ptr<EncodedStream> video) : video_(std::move(video)) {}

  std::shared_ptr<HlsStream> hls(const HlsOptions& options = {});
  std::shared_ptr<JpegStream> jpeg();
  std::shared_ptr<Whep> whep();

  using Pushes = std::map<int64_t, std::shared_ptr<RtmpPush>>;  // by number, counted from 1
  /// Starts one. Throws Error(exhausted) at the limit.
  Pushes::value_type push(media::RtmpUrl url, RtmpOptions options);
  Pushes pushes() const;
  /// Throws Error(not_found).
  std::shared_ptr<RtmpPush> find_push(int64_t number) const;

  /// Ends what sends by itself; returns at once. idle() tells when it has ended, so that destroying this waits for
  /// nothing.
  void stop();
  bool idle() const;
  /// Gives up what can be made again when it is asked for.
  void forget_caches();
  /// Viewers by WebRTC.
  std::size_t peers() const;

 private:
  const std::shared_ptr<EncodedStream> video_;
  mutable std::mutex mutex_;
  std::vector<std::pair<HlsOptions, std::shared_ptr<HlsStream>>> hls_;  // few
  std::shared_ptr<JpegStream> jpeg_;
  std::shared_ptr<Whep> whep_;
  Pushes pushes_;
  int64_t next_push_ = 1;
};

}  // namespace rushes::delivery
