// One WebRTC viewer that asked for a session's video (WHEP): we answer its offer and send access units that are encoded
// already, of pictures and of sound. GStreamer's webrtcbin does ICE, DTLS and SRTP; nothing is encoded here.
#pragma once
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "rushes/media/access_unit.h"

namespace rushes::media {

/// What an SDP offer lets us send, in the order of our preference.
struct WebRtcOffer {
  struct Format {
    Codec codec = Codec::h264;
    int payload_type = 0;
  };
  std::string sdp;
  std::vector<Format> formats;  // never empty: H.264 (constrained baseline, packetization mode 1) first, then VP8
  std::optional<int> opus_payload_type;  // none: it would receive no sound, or not as Opus

  /// Throws Error(invalid_argument) for what is no SDP or offers to receive no video, Error(unsupported) for neither
  /// codec, Error(unavailable) in a build without WebRTC.
  static WebRtcOffer parse(std::string_view sdp);
};

/// Any thread but those of GStreamer; a peer has about eight of its own.
class WebRtcPeer {
 public:
  struct Options {
    std::vector<std::string> local_addresses{"127.0.0.1"};  // candidates; empty: all of the machine's
    enum class Sound { none, if_offered } sound = Sound::none;
  };
  using Time = std::chrono::nanoseconds;

  /// Negotiates; takes up to some hundred milliseconds. Throws Error(invalid_argument) if the offer cannot be answered,
  /// Error(unavailable) if GStreamer's plugins are missing.
  WebRtcPeer(const WebRtcOffer& offer, const WebRtcOffer::Format& format, const Options& options);
  ~WebRtcPeer();
  WebRtcPeer(const WebRtcPeer&) = delete;
  WebRtcPeer& operator=(const WebRtcPeer&) = delete;

  const std::string& answer() const noexcept;
  /// The offer and the options agree on sound; else push_sound() does nothing.
  bool takes_sound() const noexcept;
  /// The clock of push().
  static Time now();
  /// Sends `unit` at the time `play`, at once if that has passed. Never waits: when too much is queued, what comes is
  /// dropped up to the next key frame.
  void push(const AccessUnit& unit, Time play);
  /// The same for a unit of Opus, one channel. Whoever is not connected yet gets nothing: sound that comes late in a
  /// burst is heard late for long.
  void push_sound(const AccessUnit& unit, Time play);
  /// What is pushed is under way to the viewer, and no longer kept for its coming.
  bool connected() const;
  /// The viewer has left, or never came.
  bool gone() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace rushes::media
