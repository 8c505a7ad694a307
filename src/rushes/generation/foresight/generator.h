// Words and frames side by side on one device: a step is a token, or as much of the video as leaves the words their
// share. Words go on within a denoising step, however long it takes.
#pragma once
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "rushes/base/sliced_work.h"
#include "rushes/generation/foresight/text_track.h"
#include "rushes/generation/foresight/video_track.h"
#include "rushes/generation/generator.h"
#include "rushes/generation/introspection.h"

namespace rushes::generation {

class ForesightGenerator final : public Generator, public WorksInParts {
 public:
  using Clock = std::chrono::steady_clock;

  /// Takes the plan's pictures. `now` measures what each half takes of the device.
  ForesightGenerator(std::shared_ptr<const ForesightParts> parts, std::shared_ptr<ForesightPlan> plan,
                     std::function<Clock::time_point()> now = Clock::now);

  VideoFormat format() const override { return plan_->format(); }
  /// One unit of work of one half, or a part of it. A half that fails is over, told by TrackFailed; if nothing is left
  /// that has not failed, its error is thrown.
  StepResult step(const Inbox& inbox) override;
  bool at_block_border() const override { return true; }  // others may have their turn after each step
  std::unique_ptr<Generator> fork() const override;
  int64_t bytes() const override;
  bool was_part() const override { return was_part_; }

 private:
  bool goes_on_beside() const;
  bool is_text_next(Clock::duration video) const;
  void advance(Track track, std::vector<Event>& events);
  void advance_video(std::vector<Event>& events);
  Clock::duration since(Clock::time_point begin) const { return now_() - begin; }
  bool is_over(Track track) const;
  void give_up(Track track);

  std::shared_ptr<const ForesightPlan> plan_;
  std::function<Clock::time_point()> now_;
  std::optional<TextTrack> text_;    // nothing: not wanted, or failed
  std::optional<VideoTrack> video_;  // the same
  bool was_part_ = false;
  bool delivered_ = false;                        // one half has come to its end
  Clock::duration text_time_{}, video_time_{};    // of the device, since both go side by side
  Clock::time_point rested_since_{};              // the video
  Clock::duration rested_{};                      // all that it did, within its steps
  std::vector<Event> video_events_;               // of the step in work
  std::unique_ptr<base::SlicedWork> video_step_;  // beside words; uses the video
};

}  // namespace rushes::generation
