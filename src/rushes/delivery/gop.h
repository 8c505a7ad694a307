// What delivery handles: groups of encoded pictures and their audio, made once and shared by all who want them.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "rushes/media/access_unit.h"

namespace rushes::delivery {

/// A frame block, encoded; nothing of it ever changes. It begins with a key frame. The audio may lag a little: what its
/// encoder holds back comes with the next GOP, at the end of a stream in one that has only audio.
struct Gop {
  int64_t index = 0;
  std::vector<media::AccessUnit> pictures = {}, audio = {};  // in decoding order
  media::Pts begin{0}, duration{0};                          // of the pictures
  /// In MP4: what is recorded, and what viewers of MP4 get. Null where WebRTC has an encoding of its own.
  std::shared_ptr<const media::Bytes> fragment = {};

  media::Pts end() const { return begin + duration; }
  bool empty() const { return pictures.empty() && audio.empty(); }
};
using GopPtr = std::shared_ptr<const Gop>;

/// What is known of a GOP without having it.
struct GopTimes {
  media::Pts pts{0}, duration{0};
  int64_t bytes = 0;                          // of its fragment
  std::chrono::system_clock::time_point out;  // when it left the encoder
};

}  // namespace rushes::delivery
