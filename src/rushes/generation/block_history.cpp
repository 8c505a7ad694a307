#include "rushes/generation/block_history.h"

#include <algorithm>
#include <cstring>

namespace rushes::generation {

void BlockHistory::add(std::chrono::microseconds at, const std::string& prompt, std::optional<uint32_t> check) {
  const bool is_same = !blocks.empty() && *blocks.back().prompt == prompt;
  if (!is_same) prompt_bytes_ += prompt.size();
  blocks.push_back({at, is_same ? blocks.back().prompt : std::make_shared<const std::string>(prompt), check});
  while (blocks.size() > kMost || (prompt_bytes_ > kMostPromptBytes && blocks.size() > 1)) forget_oldest();
}

BlockHistory BlockHistory::beginning(int64_t count, std::chrono::microseconds at) const {
  BlockHistory part(std::min(first, count));
  for (int64_t block = first; block < std::min(count, end()); ++block)
    part.add(at, *of(block)->prompt, of(block)->check);
  if (steered_from && *steered_from < count) part.steered_from = steered_from;
  return part;
}

void BlockHistory::forget_oldest() {
  const auto prompt = blocks.front().prompt;
  blocks.pop_front();
  ++first;
  if (blocks.empty() || blocks.front().prompt != prompt) prompt_bytes_ -= prompt->size();
}

uint32_t frames_check(const FrameBlock& block) {
  constexpr uint64_t kBasis = 0xcbf29ce484222325, kPrime = 0x100000001b3;  // of FNV-1a, here by words instead of bytes
  const std::size_t bytes = static_cast<std::size_t>(block.video_frames) * block.frame_bytes();
  const uint8_t* const pixels = block.rgb.get();
  uint64_t hash = kBasis;
  const auto mix = [&](uint64_t word) {
    hash = (hash ^ word) * kPrime;
    hash ^= hash >> 32;
  };
  std::size_t at = 0;
  for (uint64_t word = 0; at + sizeof word <= bytes; at += sizeof word) {
    std::memcpy(&word, pixels + at, sizeof word);
    mix(word);
  }
  for (; at < bytes; ++at) mix(pixels[at]);
  mix(bytes);
  return static_cast<uint32_t>(hash);
}

}  // namespace rushes::generation
