// A session's video over WebRTC (WHEP): every GOP's pictures and audio at their own times, the same for all who
// watch. H.264 is the stream's one encode; VP8 and Opus are encoded once more, while a viewer is there who needs them.
#pragma once
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "rushes/base/channel.h"
#include "rushes/base/error.h"
#include "rushes/delivery/encoded_stream.h"
#include "rushes/delivery/playout.h"
#include "rushes/delivery/sinks/unit_source.h"
#include "rushes/media/webrtc_peer.h"

namespace rushes::delivery {

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

  /// The peer gets the GOP that is being shown at once, then what follows.
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
  void send(const Gop& gop, bool at_live_end, const std::stop_token& stop);
  void schedule(const Gop& gop, bool at_live_end);
  Hearing hearing() const;
  Time due(const media::AccessUnit& unit) const;
  void reap();

  const std::function<std::unique_ptr<UnitSource>()> open_;
  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  std::map<std::string, std::shared_ptr<media::WebRtcPeer>> peers_;
  Gop shown_;  // the newest that was sent
  Playout playout_;
  std::optional<Time> shown_until_, heard_until_;  // what was sent ends then; nothing: none was
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
    std::shared_ptr<media::WebRtcPeer> peer;
  };
  /// Negotiates with a new viewer; takes up to some hundred milliseconds. Throws as WebRtcOffer::parse() and
  /// WebRtcPeer, and Error(invalid_argument) if it would receive no video. Whether there is sound, the session says.
  Answer connect(std::string_view offer, media::WebRtcPeer::Options options);
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
