// Blocks of encoded pictures and their sound, as WebRTC takes them: H.264 as it was encoded for all, VP8 encoded once
// more, and sound as Opus, encoded only while somebody hears it.
#pragma once
#include <memory>
#include <stop_token>
#include <vector>

#include "rushes/delivery/encoded_stream.h"

namespace rushes::delivery {

/// Access units of one block, whose pictures begin with a key frame. The sound may lag a little: what an encoder holds
/// back comes with the next block. After the last pictures there may be a block of sound only.
struct UnitBlock {
  std::vector<media::AccessUnit> pictures = {}, sound = {};
  bool empty() const { return pictures.empty() && sound.empty(); }
};

enum class Hearing { nobody, somebody };

/// Where a broadcast's access units come from. One thread.
class UnitSource {
 public:
  virtual ~UnitSource() = default;
  /// Waits for the next block; with its sound only if somebody hears it. Empty: no more come, or `stop` was requested.
  virtual UnitBlock next(const std::stop_token& stop, Hearing hearing) = 0;
};

/// The stream's own encode; from the start if the session has ended, else from the newest block. Sound is made of the
/// samples that come with the frames, at once; of a session that has ended, of the recorded AAC.
std::unique_ptr<UnitSource> h264_source(std::shared_ptr<EncodedStream> video);
/// VP8 of the blocks whose pixels are still there. Throws Error(unavailable) if libavcodec lacks libvpx.
std::unique_ptr<UnitSource> vp8_source(const std::shared_ptr<generation::Session>& session);

}  // namespace rushes::delivery
