#include "rushes/generation/foresight/generator.h"

#include <utility>

#include "rushes/base/error.h"
#include "rushes/base/interruption.h"
#include "rushes/base/log.h"
#include "rushes/generation/failure.h"
#include "rushes/tensor/ops.h"

namespace rushes::generation {
namespace {

/// Share of the device that the words get while frames are made: a reader then waits a third longer for each, and the
/// video comes later by no more than the whole text takes.
constexpr double kTextShare = 0.75;

}  // namespace

ForesightGenerator::ForesightGenerator(std::shared_ptr<const ForesightParts> parts, std::shared_ptr<ForesightPlan> plan,
                                       std::function<Clock::time_point()> now)
    : plan_(plan), now_(std::move(now)) {
  std::optional<Image> picture = std::exchange(plan->image, std::nullopt);
  std::vector<Image> pictures = std::exchange(plan->earlier_images, {});
  if (picture) pictures.push_back(*picture);
  if (plan->settings.has_text()) text_.emplace(parts, plan_, std::move(pictures));
  if (plan->settings.has_video()) video_.emplace(parts, plan_, std::move(picture));
}

/// First a word, then the first frame; from then on each its share.
bool ForesightGenerator::is_text_next() const {
  if (!video_ || video_->is_finished()) return true;
  if (!text_ || text_->is_finished()) return false;
  if (!text_->has_spoken()) return true;
  if (!video_->has_shown()) return false;
  const std::chrono::duration<double> text = text_time_, video = video_time_;
  return text.count() * (1 - kTextShare) < video.count() * kTextShare;
}

StepResult ForesightGenerator::step(const Inbox&) {
  const c10::InferenceMode inference;
  StepResult result;
  const bool shares = text_ && text_->has_spoken() && video_ && video_->has_shown();
  const Track track = is_text_next() ? Track::text : Track::video;
  const auto begin = now_();
  try {
    advance(track, result.events);
  } catch (const base::Interrupted&) {
    throw;
  } catch (...) {
    const Failure failure = current_failure();
    give_up(track);
    const bool other_goes_on = delivered_ || text_ || video_;
    if (!other_goes_on) throw;
    log::error("{}: {}; the other half goes on", name(track), failure.message);
    result.events.push_back(TrackFailed{track, failure.code, failure.message});
  }
  if (shares) (track == Track::text ? text_time_ : video_time_) += now_() - begin;
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
    video_->step(events);
}

bool ForesightGenerator::is_over(Track track) const {
  return track == Track::text ? text_ && text_->is_finished() : video_ && video_->is_finished();
}

/// With its memory.
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
