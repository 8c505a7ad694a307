// One WebRTC peer whose offer we answer: it gets access units that are encoded already, of pictures and of sound
// (WHEP), and what its microphone sends is decoded (WHIP). GStreamer's webrtcbin does ICE, DTLS and SRTP; nothing is
// encoded here.
#pragma once
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "rushes/media/access_unit.h"
#include "rushes/media/webrtc_offer.h"

namespace rushes::media {

/// Any thread but those of GStreamer; a peer has about eight of its own.
class WebRtcPeer {
 public:
  struct Options {
    std::vector<std::string> local_addresses{"127.0.0.1"};  // candidates; empty: all of the machine's
    enum class Audio { none, if_offered } audio = Audio::none;
    int64_t microphone_hz = 0;    // what heard() gives; 0: it is not listened to
    std::size_t max_sources = 8;  // of RTP and RTCP that the peer may send; packets of others are dropped
    std::shared_ptr<std::atomic<int64_t>> dropped_packets = {};  // counts them; null: nobody does
  };
  using Time = std::chrono::nanoseconds;

  /// Negotiates; takes up to some hundred milliseconds. Without `format` no video is sent. Throws
  /// Error(invalid_argument) if the offer cannot be answered, Error(unavailable) if GStreamer's plugins are missing.
  WebRtcPeer(const WebRtcOffer& offer, const std::optional<WebRtcOffer::Format>& format, const Options& options);
  ~WebRtcPeer();
  WebRtcPeer(const WebRtcPeer&) = delete;
  WebRtcPeer& operator=(const WebRtcPeer&) = delete;

  const std::string& answer() const noexcept;
  /// The offer and the options agree on sound; else push_sound() does nothing.
  bool takes_audio() const noexcept;
  /// The offer and the options agree on a microphone; else heard() gives nothing.
  bool listens() const noexcept;
  /// One more candidate of the other side (trickle ICE), as its browser writes it: "candidate:..."; empty: that was
  /// all. Throws Error(invalid_argument) for what is none.
  void add_candidate(unsigned medium, const std::string& candidate);
  /// The clock of push().
  static Time now();
  /// Sends `unit` at the time `play`, at once if that has passed. Never waits: when too much is queued, what comes is
  /// dropped up to the next key frame.
  void push(const AccessUnit& unit, Time play);
  /// The same for a unit of Opus, one channel. Whoever is not connected yet gets nothing: sound that comes late in a
  /// burst is heard late for long.
  void push_audio(const AccessUnit& unit, Time play);
  /// What has come from the microphone since the last call: one channel of Options::microphone_hz, in [-1, 1]. Of what
  /// is not fetched, the newest second or so is kept.
  std::vector<float> heard();
  /// What is pushed is under way to the viewer, and no longer kept for its coming.
  bool connected() const;
  /// The other side has left, or never came.
  bool gone() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace rushes::media
