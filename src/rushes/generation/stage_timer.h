// Wall time of a stage of a block. No libtorch here.
#pragma once
#include <chrono>
#include <functional>
#include <utility>

namespace rushes::generation {

/// Adds the time until its end to a stage.
class StageTimer {
 public:
  using Clock = std::chrono::steady_clock;

  explicit StageTimer(std::chrono::microseconds& stage, std::function<Clock::time_point()> now = Clock::now)
      : stage_(stage), now_(std::move(now)) {}
  ~StageTimer() { stage_ += std::chrono::duration_cast<std::chrono::microseconds>(now_() - start_); }
  StageTimer(const StageTimer&) = delete;
  StageTimer& operator=(const StageTimer&) = delete;

 private:
  std::chrono::microseconds& stage_;
  const std::function<Clock::time_point()> now_;
  const Clock::time_point start_ = now_();
};

}  // namespace rushes::generation
