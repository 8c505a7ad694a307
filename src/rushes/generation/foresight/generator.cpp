#include "rushes/generation/foresight/generator.h"

#include <utility>

#include "rushes/base/error.h"
#include "rushes/base/interruption.h"
#include "rushes/base/log.h"
#include "rushes/generation/failure.h"
#include "rushes/tensor/ops.h"

namespace rushes::generation {
namespace {

/// Share of the device that the words get while frames are made: a reader then waits a quarter longer for each, and the
/// video comes later by no more than the whole text takes.
constexpr double kTextShare = 0.8;

/// What the video gets at a time, once the words have earned it: no reader notices it, and changing sides costs little
/// against it. A text that is over before that is as fast as without a video.
constexpr std::chrono::milliseconds kSlice{5};

}  // namespace

ForesightGenerator::ForesightGenerator(std::shared_ptr<const ForesightParts> parts, std::shared_ptr<ForesightPlan> plan,
                                       std::function<Clock::time_point()> now)
    : plan_(plan), now_(std::move(now)) {
  std::optional<Image> picture = std::exchange(plan->image, std::nullopt);
  std::vector<Image> pictures = std::exchange(plan->earlier_images, {});
  if (picture) pictures.push_back(*picture);
  if (plan->settings.has_text()) text_.emplace(parts, plan_, std::move(pictures));
  if (plan->settings.has_video()) video_.emplace(parts, plan_, std::move(picture), [this] { return now_() - rested_; });
}

/// Both are at work, and the first word has come.
bool ForesightGenerator::goes_on_beside() const {
  return text_ && text_->has_spoken() && !text_->is_finished() && video_ && !video_->is_finished();
}

/// First a word; from then on each its share. `video`: time of the video's that counts against the words'.
bool ForesightGenerator::is_text_next(Clock::duration video) const {
  if (!video_ || video_->is_finished()) return true;
  if (!text_ || text_->is_finished()) return false;
  if (!text_->has_spoken()) return true;
  const std::chrono::duration<double> words = text_time_, frames = video;
  return words.count() * (1 - kTextShare) < frames.count() * kTextShare;
}

StepResult ForesightGenerator::step(const Inbox&) {
  const c10::InferenceMode inference;
  StepResult result;
  const bool shares = goes_on_beside();
  const Track track = is_text_next(video_time_ + kSlice) ? Track::text : Track::video;
  const auto begin = now_();
  was_part_ = false;
  try {
    advance(track, result.events);
  } catch (const base::Interrupted&) {
    throw;
  } catch (...) {
    const Failure failure = current_failure();
    give_up(track);
    const bool other_goes_on = delivered_ || text_ || video_;
    if (!other_goes_on) throw;
    log::debug("{}: {}; the other half goes on", name(track), failure.message);
    result.events.push_back(TrackFailed{track, failure.code, failure.message});
  }
  if (shares) (track == Track::text ? text_time_ : video_time_) += since(begin);
  for (const Track each : {Track::text, Track::video})
    if (is_over(each)) {
      delivered_ = true;
      give_up(each);
    }
  if (!text_ && !video_) result.outcome = StepOutcome::finished;
  return result;
}

void ForesightGenerator::advance(Track track, std::vector<Event>& events) {
  if (track == Track::text)
    text_->step(events);
  else
    advance_video(events);
}

/// A step of the video as far as the words' share allows; all of it where there are no words.
void ForesightGenerator::advance_video(std::vector<Event>& events) {
  if (video_step_ && video_step_->in_progress()) {
    rested_ += since(rested_since_);
  } else {
    if (!text_) {
      video_step_.reset();
      return video_->step(events);
    }
    if (!video_step_) video_step_ = std::make_unique<base::SlicedWork>();
    video_step_->begin([this] {
      const c10::InferenceMode inference;
      video_->step(video_events_);
    });
  }
  const auto begin = now_();
  const bool is_done = video_step_->advance([&] { return is_text_next(video_time_ + since(begin)); });
  rested_since_ = now_();
  was_part_ = !is_done;
  if (is_done) std::swap(events, video_events_);
}

bool ForesightGenerator::is_over(Track track) const {
  if (track == Track::text) return text_ && text_->is_finished();
  return video_ && !(video_step_ && video_step_->in_progress()) && video_->is_finished();
}

/// With its memory. Not while a step of the video is in progress.
void ForesightGenerator::give_up(Track track) {
  if (track == Track::text)
    text_.reset();
  else
    video_.reset();
}

std::unique_ptr<Generator> ForesightGenerator::fork() const {
  fail(ErrorCode::unsupported, "a text with its video cannot be forked: ask again with another seed");
}

int64_t ForesightGenerator::bytes() const { return (text_ ? text_->bytes() : 0) + (video_ ? video_->bytes() : 0); }

}  // namespace rushes::generation
