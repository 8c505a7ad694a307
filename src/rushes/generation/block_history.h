// What is remembered of a session's blocks beyond its stream and its process: a plain value.
#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>

namespace rushes::generation {

/// When blocks were made, and under which prompts.
class BlockHistory {
 public:
  struct Block {
    std::chrono::microseconds at{0};  // since the session was created
    std::shared_ptr<const std::string> prompt;
  };
  BlockHistory() = default;
  explicit BlockHistory(int64_t first_block) : first(first_block) {}

  int64_t first = 0;  // of the video's blocks that is known here
  std::deque<Block> blocks;

  /// Null: nothing is known of it.
  const Block* of(int64_t block) const {
    const int64_t at = block - first;
    return at < 0 || at >= static_cast<int64_t>(blocks.size()) ? nullptr : &blocks[static_cast<std::size_t>(at)];
  }
  /// The next one. Of a long video the oldest are forgotten, as its stream forgets them.
  void add(std::chrono::microseconds at, const std::string& prompt);
  static constexpr std::size_t kMost = 4096;
  /// Of prompts that differ from the one before: the catalogue writes all of this with every change.
  static constexpr std::size_t kMostPromptBytes = 256 << 10;

 private:
  void forget_oldest();
  std::size_t prompt_bytes_ = 0;
};

}  // namespace rushes::generation
