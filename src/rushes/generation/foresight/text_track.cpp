#include "rushes/generation/foresight/text_track.h"

#include <algorithm>
#include <utility>

#include "rushes/tensor/ops.h"

namespace rushes::generation {

TextTrack::TextTrack(std::shared_ptr<const ForesightParts> parts, std::shared_ptr<const ForesightPlan> plan,
                     std::vector<Image> pictures)
    : parts_(std::move(parts)), plan_(std::move(plan)), unseen_(std::move(pictures)) {
  std::reverse(unseen_.begin(), unseen_.end());
}

qwen::GenerationOptions TextTrack::options() const {
  const ForesightSettings& s = plan_->settings;
  return {.sampling = {.do_sample = s.temperature > 0,
                       .temperature = s.temperature > 0 ? s.temperature : 1,
                       .top_k = s.top_k,
                       .top_p = s.top_p,
                       .repetition_penalty = s.repetition_penalty},
          .max_new_tokens = s.max_new_tokens,
          .seed = plan_->seed};
}

void TextTrack::step(std::vector<Event>& events) {
  if (!unseen_.empty()) {
    pictures_.push_back(parts_->see(unseen_.back(), plan_->settings.picture_pixels));
    unseen_.pop_back();
    return;
  }
  if (!generation_) {
    // Earlier turns' words are not sent, as published: the pictures are all that is remembered.
    const auto turns = qwen::question_about(static_cast<int64_t>(pictures_.size()), plan_->prompt);
    generation_.emplace(parts_->language(), parts_->language()->prompt(turns, std::exchange(pictures_, {})), options());
  }
  const qwen::Generation::Step made = generation_->step();
  finished_ = generation_->finished();
  if (made.text.empty() && !finished_) return;
  spoken_ = true;
  events.push_back(TextChunk{.utf8 = made.text, .last = finished_});
}

int64_t TextTrack::bytes() const {
  int64_t total = generation_ ? generation_->bytes() : 0;
  for (const qwen::PictureFeatures& picture : pictures_) total += static_cast<int64_t>(picture.tokens.nbytes());
  return total;
}

}  // namespace rushes::generation
