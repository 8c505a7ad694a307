#include "rushes/models/ditto/motion_noise.h"

#include "rushes/base/error.h"

namespace rushes::ditto {

MotionNoise::MotionNoise(uint64_t seed, int64_t steps, int64_t frames, int64_t width)
    : stream_(seed), frames_(frames), width_(width) {
  for (int64_t i = 1; i < steps; ++i) steps_.push_back(stream_->normal({1, frames_, width_}));
}

MotionNoise::MotionNoise(std::vector<at::Tensor> steps, std::deque<at::Tensor> starts)
    : steps_(std::move(steps)), starts_(std::move(starts)) {}

at::Tensor MotionNoise::next_start() {
  if (stream_) return stream_->normal({1, frames_, width_});
  require(!starts_.empty(), ErrorCode::invalid_argument, "there is no noise for another window");
  at::Tensor start = std::move(starts_.front());
  starts_.pop_front();
  return start;
}

}  // namespace rushes::ditto
