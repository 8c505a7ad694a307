// The microphone of a WebRTC peer, which makes a portrait speak while somebody speaks into it (WHIP).
#pragma once
#include <atomic>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "rushes/generation/session.h"
#include "rushes/media/webrtc_peer.h"

namespace rushes::ingest {

/// Answers an offer that sends sound; takes up to some hundred milliseconds. Throws as WebRtcOffer::parse() and
/// WebRtcPeer, and Error(invalid_argument) if the offer would send no sound.
std::shared_ptr<media::WebRtcPeer> connect_microphone(std::string_view offer,
                                                      const media::WebRtcPeer::Options& options);

/// Feeds the session from the moment when the peer is connected, on a thread of its own.
class Microphone {
 public:
  /// The peer was made with Options::microphone_hz = the session's speech_hz; if it does not listen, the session is fed
  /// with silence. `greeting`, at speech_hz, is said first.
  Microphone(std::shared_ptr<media::WebRtcPeer> peer, std::shared_ptr<generation::Session> session,
             std::vector<float> greeting = {});
  Microphone(const Microphone&) = delete;
  Microphone& operator=(const Microphone&) = delete;

  /// Not to be guessed.
  const std::string& id() const noexcept { return id_; }
  const std::shared_ptr<media::WebRtcPeer>& peer() const noexcept { return peer_; }
  /// The greeting is not yet over.
  bool greets() const noexcept { return greets_; }
  /// The peer has left, or the session has ended.
  bool ended() const noexcept { return ended_; }

 private:
  void run(const std::stop_token& stop, std::span<const float> greeting);

  const std::string id_ = generation::SessionId::random().text();
  const std::shared_ptr<media::WebRtcPeer> peer_;
  const std::shared_ptr<generation::Session> session_;
  std::atomic<bool> ended_ = false, greets_;
  std::jthread thread_;
};

}  // namespace rushes::ingest
