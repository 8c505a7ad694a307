// Access units to an RTMP server, as a live encoder sends them (FLV over RTMP).
#pragma once
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "rushes/media/access_unit.h"
#include "rushes/media/live_interleaver.h"

namespace rushes::media {

/// An RTMP address, checked: "rtmp://host[:port]/application/stream".
struct RtmpUrl {
  std::string text;   // made anew of what was understood, and so read alike; may hold a stream key: never to be shown
  std::string host;   // a name in lower case, or an address in its shortest form, without brackets
  std::string tcp;    // host:port of the connection
  std::string shown;  // without what follows the application, and without a password

  /// Throws Error(invalid_argument) for anything else, e.g. spaces, which would be options to FFmpeg.
  static RtmpUrl parse(std::string_view text);
};

/// One connection. All calls wait for the network, but no longer than the time-out and only until `cancelled` gives
/// true (it is asked about ten times a second). One thread at a time.
class FlvPublisher {
 public:
  struct Options {
    std::chrono::milliseconds timeout{10'000};  // of each call
    std::function<bool()> cancelled = {};
  };
  /// Connects and publishes a stream of these tracks, of pictures alone if `audio` is null. Throws Error(unavailable)
  /// with the reason, Error(cancelled), Error(unsupported) for a track that is not H.264.
  FlvPublisher(const VideoTrack& track, const AudioTrack* audio, const RtmpUrl& url, Options options);
  /// Closes without goodbye if finish() was not called.
  ~FlvPublisher();
  FlvPublisher(const FlvPublisher&) = delete;
  FlvPublisher& operator=(const FlvPublisher&) = delete;

  /// The first picture must be a key frame. Throws Error(unavailable) when the connection has failed, Error(cancelled).
  void write(const LiveInterleaver::Unit& unit);
  /// Ends the stream in good order. Throws as write() does.
  void finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace rushes::media
