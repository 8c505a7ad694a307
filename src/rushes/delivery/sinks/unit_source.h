// GOPs as WebRTC takes them: H.264 as it was encoded for all, VP8 encoded once more, and audio as Opus, encoded only
// while somebody hears it.
#pragma once
#include <memory>
#include <stop_token>

#include "rushes/delivery/encoded_stream.h"

namespace rushes::delivery {

enum class Hearing { nobody, somebody };

/// Where a broadcast's access units come from. One thread.
class UnitSource {
 public:
  virtual ~UnitSource() = default;
  /// Waits for the next GOP; with its audio only if somebody hears it. Empty: no more come, or `stop` was requested.
  virtual Gop next(const std::stop_token& stop, Hearing hearing) = 0;
};

/// The stream's own GOPs; from the start if the session has ended, else from the newest. Audio is made of the samples
/// that come with the frames, at once; of a session that has ended, of the recorded AAC.
std::unique_ptr<UnitSource> h264_source(std::shared_ptr<EncodedStream> video);
/// VP8 of the blocks whose pixels are still there. Throws Error(unavailable) if libavcodec lacks libvpx.
std::unique_ptr<UnitSource> vp8_source(const std::shared_ptr<generation::Session>& session);

}  // namespace rushes::delivery
