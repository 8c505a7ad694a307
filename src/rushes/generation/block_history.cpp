#include "rushes/generation/block_history.h"

namespace rushes::generation {

void BlockHistory::add(std::chrono::microseconds at, const std::string& prompt) {
  const bool is_same = !blocks.empty() && *blocks.back().prompt == prompt;
  if (!is_same) prompt_bytes_ += prompt.size();
  blocks.push_back({at, is_same ? blocks.back().prompt : std::make_shared<const std::string>(prompt)});
  while (blocks.size() > kMost || (prompt_bytes_ > kMostPromptBytes && blocks.size() > 1)) forget_oldest();
}

void BlockHistory::forget_oldest() {
  const auto prompt = blocks.front().prompt;
  blocks.pop_front();
  ++first;
  if (blocks.empty() || blocks.front().prompt != prompt) prompt_bytes_ -= prompt->size();
}

}  // namespace rushes::generation
