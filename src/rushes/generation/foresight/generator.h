// Words and frames side by side on one device: a step is one of either half.
#pragma once
#include <chrono>
#include <functional>
#include <memory>
#include <optional>

#include "rushes/generation/foresight/text_track.h"
#include "rushes/generation/foresight/video_track.h"
#include "rushes/generation/generator.h"

namespace rushes::generation {

class ForesightGenerator final : public Generator {
 public:
  using Clock = std::chrono::steady_clock;

  /// Takes the plan's pictures. `now` measures what each half takes of the device.
  ForesightGenerator(std::shared_ptr<const ForesightParts> parts, std::shared_ptr<ForesightPlan> plan,
                     std::function<Clock::time_point()> now = Clock::now);

  VideoFormat format() const override { return plan_->format(); }
  /// One unit of work of one half. A half that fails is over, told by TrackFailed; if nothing is left that has not
  /// failed, its error is thrown.
  StepResult step(const Inbox& inbox) override;
  bool at_block_border() const override { return true; }  // others may have their turn after each step
  std::unique_ptr<Generator> fork() const override;
  int64_t bytes() const override;

 private:
  bool is_text_next() const;
  void advance(Track track, std::vector<Event>& events);
  bool is_over(Track track) const;
  void give_up(Track track);

  std::shared_ptr<const ForesightPlan> plan_;
  std::function<Clock::time_point()> now_;
  std::optional<TextTrack> text_;               // nothing: not wanted, or failed
  std::optional<VideoTrack> video_;             // the same
  bool delivered_ = false;                      // one half has come to its end
  Clock::duration text_time_{}, video_time_{};  // of the device, since both go side by side
};

}  // namespace rushes::generation
