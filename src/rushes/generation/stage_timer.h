// Wall time of a stage of a block. No libtorch here.
#pragma once
#include <chrono>

namespace rushes::generation {

/// Adds the time until its end to a stage.
class StageTimer {
 public:
  explicit StageTimer(std::chrono::microseconds& stage) : stage_(stage) {}
  ~StageTimer() { stage_ += std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - start_); }
  StageTimer(const StageTimer&) = delete;
  StageTimer& operator=(const StageTimer&) = delete;

 private:
  using Clock = std::chrono::steady_clock;
  std::chrono::microseconds& stage_;
  Clock::time_point start_ = Clock::now();
};

}  // namespace rushes::generation
