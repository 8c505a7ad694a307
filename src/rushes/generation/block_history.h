// What is remembered of a session's blocks beyond its stream and its process: a plain value.
#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "rushes/generation/event.h"

namespace rushes::generation {

/// When blocks were made, under which prompts, and what tells whether they are the same when they are made again.
class BlockHistory {
 public:
  struct Block {
    std::chrono::microseconds at{0};  // since the session was created
    std::shared_ptr<const std::string> prompt;
    std::optional<uint32_t> check = {};  // frames_check(); nothing: nobody asked for it
  };
  BlockHistory() = default;
  explicit BlockHistory(int64_t first_block) : first(first_block) {}

  int64_t first = 0;  // of the video's blocks that is known here
  std::deque<Block> blocks;
  /// The first block under a prompt that was set while the session ran; so are all later ones. Nothing: each has that
  /// of its segment.
  std::optional<int64_t> steered_from;

  /// What is known of it without a look at each block.
  struct Reach {
    int64_t first = 0, end = 0;
    bool has_checks = false;
    std::optional<int64_t> steered_from = {};
  };
  Reach reach() const { return {first, end(), !blocks.empty() && blocks.back().check, steered_from}; }
  int64_t end() const { return first + static_cast<int64_t>(blocks.size()); }
  /// Of the first `count` blocks, as if all were made at `at`.
  BlockHistory beginning(int64_t count, std::chrono::microseconds at) const;

  /// Null: nothing is known of it.
  const Block* of(int64_t block) const {
    const int64_t at = block - first;
    return at < 0 || at >= static_cast<int64_t>(blocks.size()) ? nullptr : &blocks[static_cast<std::size_t>(at)];
  }
  /// The next one. Of a long video the oldest are forgotten, as its stream forgets them.
  void add(std::chrono::microseconds at, const std::string& prompt, std::optional<uint32_t> check = {});
  static constexpr std::size_t kMost = 4096;
  /// Of prompts that differ from the one before: the catalogue writes all of this with every change.
  static constexpr std::size_t kMostPromptBytes = 256 << 10;

 private:
  void forget_oldest();
  std::size_t prompt_bytes_ = 0;
};

/// A hash of its pixels: equal for equal frames, and for others by a chance of one in four billion.
uint32_t frames_check(const FrameBlock& block);

}  // namespace rushes::generation
