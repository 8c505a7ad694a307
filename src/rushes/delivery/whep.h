// A session's video over WebRTC (WHEP): every block's pictures at their own times, the same for all who watch.
// H.264 is the stream's one encode; VP8 is encoded once more, and only while a viewer without H.264 is there.
#pragma once
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "rushes/base/channel.h"
#include "rushes/base/error.h"
#include "rushes/delivery/encoded_stream.h"
#include "rushes/media/webrtc_peer.h"

namespace rushes::delivery {

/// Access units of one block, which begins with a key frame.
using UnitBlock = std::vector<media::AccessUnit>;

/// Where a broadcast's access units come from. One thread.
class UnitSource {
 public:
  virtual ~UnitSource() = default;
  /// Waits for the next block. Empty: no more come, or `stop` was requested.
  virtual UnitBlock next(const std::stop_token& stop) = 0;
};

/// The stream's own encode; from the start if the session has ended, else from the newest block.
std::unique_ptr<UnitSource> h264_source(std::shared_ptr<EncodedStream> video);
/// VP8 of the blocks whose pixels are still there. Throws Error(unavailable) if libavcodec lacks libvpx.
std::unique_ptr<UnitSource> vp8_source(const std::shared_ptr<generation::Session>& session);

/// Sends one source's units to its peers at their times. Any thread.
class WhepBroadcast {
 public:
  /// `open` is called when the first peer is connected, so that it misses nothing.
  explicit WhepBroadcast(std::function<std::unique_ptr<UnitSource>()> open);
  ~WhepBroadcast() { stop(); }
  WhepBroadcast(const WhepBroadcast&) = delete;
  WhepBroadcast& operator=(const WhepBroadcast&) = delete;
  /// Closes all connections; returns at once.
  void stop() { stop_.request_stop(); }

  /// The peer gets the block that is being shown at once, then what follows.
  void add(std::string id, std::shared_ptr<media::WebRtcPeer> peer);
  /// False if there is no such peer (any more).
  bool remove(const std::string& id);
  std::size_t peers() const;
  /// Nothing more will come and the last has been sent, or nobody has watched for some seconds.
  bool ended() const;

 private:
  using Time = media::WebRtcPeer::Time;
  void run(const std::stop_token& stop);
  void wait_for_viewer(const std::stop_token& stop);
  void send(const UnitBlock& block, bool at_live_end, const std::stop_token& stop);
  void schedule(const UnitBlock& block, bool at_live_end);
  void reap();

  const std::function<std::unique_ptr<UnitSource>()> open_;
  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  std::map<std::string, std::shared_ptr<media::WebRtcPeer>> peers_;
  UnitBlock shown_;  // the newest that was sent
  Time start_{-1};   // when the picture of time 0 is or was due
  // How early blocks came at the least within the last seconds: what may be caught up after a delay.
  Time least_early_ = Time::max(), watched_{0}, to_catch_up_{0};
  bool ended_ = false;
  int idle_ = 0;  // rounds of the reaper without peers
  std::stop_source stop_;
  std::jthread thread_, reaper_;
};

/// All that watch one session by WebRTC. Any thread.
class Whep {
 public:
  explicit Whep(std::shared_ptr<EncodedStream> video) : video_(std::move(video)) {}

  struct Answer {
    std::string id;  // of the new viewer, not to be guessed
    std::string sdp;
  };
  /// Negotiates with a new viewer; takes up to some hundred milliseconds. Throws as WebRtcOffer::parse() and
  /// WebRtcPeer.
  Answer connect(std::string_view offer, const media::WebRtcPeer::Options& options);
  /// Throws Error(not_found).
  void disconnect(const std::string& id);
  std::size_t peers() const;
  /// Closes all connections; returns at once. idle() tells when that is done.
  void stop();
  bool idle() const;

 private:
  std::shared_ptr<WhepBroadcast> broadcast(media::Codec codec);

  const std::shared_ptr<EncodedStream> video_;
  mutable std::mutex mutex_;
  std::shared_ptr<WhepBroadcast> h264_, vp8_;
};

}  // namespace rushes::delivery
