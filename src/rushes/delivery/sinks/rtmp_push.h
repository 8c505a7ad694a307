// A session's video pushed to an RTMP server, from a thread of its own: a server that is slow, dies or comes back never
// disturbs the stream.
#pragma once
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "rushes/delivery/encoded_stream.h"
#include "rushes/media/flv_publisher.h"

namespace rushes::delivery {

struct RtmpOptions {
  enum class Pacing { realtime, asap };
  Pacing pacing = Pacing::realtime;  // what servers expect of a live encoder
  EncodedStream::From from = EncodedStream::From::newest;
  media::LiveInterleaver::Silence silence = media::LiveInterleaver::Silence::where_there_is_no_audio;
  std::chrono::milliseconds timeout{10'000};   // of each operation of the network
  std::chrono::milliseconds first_retry{500};  // doubled from failure to failure
  std::chrono::milliseconds longest_retry{15'000};
  int attempts_after_end = 5;  // to deliver the rest, once nothing new comes
};

enum class RtmpState { connecting, live, waiting, finished, stopped, failed };
std::string_view name(RtmpState state) noexcept;

/// Any thread.
class RtmpPush {
 public:
  RtmpPush(std::shared_ptr<EncodedStream> video, media::RtmpUrl url, RtmpOptions options = {});
  /// Stops, and waits for the thread: at most as long as resolving the host's name takes.
  ~RtmpPush();
  RtmpPush(const RtmpPush&) = delete;
  RtmpPush& operator=(const RtmpPush&) = delete;

  struct Status {
    RtmpState state = RtmpState::connecting;
    int64_t connections = 0;  // that were established
    int64_t video_frames = 0, bytes = 0;
    int64_t skipped_blocks = 0;  // whose time had passed while there was no connection
    std::string error;           // the last one
  };
  Status status() const;
  const std::string& shown_url() const noexcept { return url_.shown; }
  /// Returns at once. Nothing more is sent.
  void stop();
  /// The thread has ended.
  bool over() const;

 private:
  using Clock = std::chrono::steady_clock;
  void run(std::stop_token stop);
  /// Sends until the video ends (true) or it is to stop (false). Throws when the connection fails.
  bool publish(Viewer& viewer, std::stop_token stop);
  bool send(media::FlvPublisher& publisher, media::LiveInterleaver& units, std::stop_token stop);
  bool wait_until_due(media::Pts pts, std::stop_token stop);
  bool missed(const Gop& gop) const;
  void become(RtmpState state, std::string error = {});

  const std::shared_ptr<EncodedStream> video_;
  const media::RtmpUrl url_;
  const RtmpOptions options_;
  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  Status status_;
  // The thread's:
  GopPtr unsent_;
  std::optional<Clock::time_point> start_;  // when the picture of time 0 is or was due
  bool reconnected_ = false;
  std::jthread thread_;
};

}  // namespace rushes::delivery
