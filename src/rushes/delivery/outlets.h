// The ways out of one session's video that share work between their viewers. Each is made when it is first asked for.
#pragma once
#include <memory>
#include <mutex>

#include "rushes/delivery/encoded_stream.h"
#include "rushes/delivery/hls.h"

namespace rushes::delivery {

/// Any thread.
class Outlets {
 public:
  explicit Outlets(std::shared_ptr<EncodedStream> video) : video_(std::move(video)) {}

  std::shared_ptr<HlsStream> hls() {
    const std::scoped_lock lock(mutex_);
    if (!hls_) hls_ = std::make_shared<HlsStream>(video_);
    return hls_;
  }

 private:
  const std::shared_ptr<EncodedStream> video_;
  std::mutex mutex_;
  std::shared_ptr<HlsStream> hls_;
};

}  // namespace rushes::delivery
