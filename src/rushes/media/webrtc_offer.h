// What a WebRTC peer's offer in SDP lets us send to it and hear from it.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "rushes/media/access_unit.h"

namespace rushes::media {

struct WebRtcOffer {
  struct Format {
    Codec codec = Codec::h264;
    int payload_type = 0;
  };
  std::string sdp;
  std::vector<Format> formats;  // of the video: H.264 (constrained baseline, packetization mode 1) first, then VP8;
                                // empty: it would receive none
  std::optional<int> opus_payload_type;        // none: it would receive no sound, or not as Opus
  std::optional<int> microphone_payload_type;  // of Opus; none: it would send no sound

  /// Throws Error(invalid_argument) for what is no SDP, or offers neither to receive video nor to send sound;
  /// Error(unsupported) for other codecs; Error(unavailable) in a build without WebRTC.
  static WebRtcOffer parse(std::string_view sdp);
};

}  // namespace rushes::media
