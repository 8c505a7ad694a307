// The half of a request that is answered in words: pictures are seen, the question is read, tokens follow.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "rushes/generation/event.h"
#include "rushes/generation/foresight/parts.h"
#include "rushes/generation/foresight/plan.h"
#include "rushes/models/qwen/generation.h"

namespace rushes::generation {

/// One owner, one thread at a time.
class TextTrack {
 public:
  /// `pictures`: the conversation's, oldest first.
  TextTrack(std::shared_ptr<const ForesightParts> parts, std::shared_ptr<const ForesightPlan> plan,
            std::vector<Image> pictures);

  /// A picture is seen, the prompt is read, or a token is made. Adds what can be told of it.
  void step(std::vector<Event>& events);
  bool is_finished() const { return finished_; }
  /// A word has been told.
  bool has_spoken() const { return spoken_; }
  int64_t bytes() const;

 private:
  qwen::GenerationOptions options() const;

  std::shared_ptr<const ForesightParts> parts_;
  std::shared_ptr<const ForesightPlan> plan_;
  std::vector<Image> unseen_;  // newest first: taken from the end
  std::vector<qwen::PictureFeatures> pictures_;
  std::optional<qwen::Generation> generation_;  // once the pictures are seen
  bool spoken_ = false, finished_ = false;
};

}  // namespace rushes::generation
