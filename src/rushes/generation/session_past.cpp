// What a session takes over: all of one of an earlier process, or the blocks of the one that it is forked from, as they
// are or made again.
#include <algorithm>
#include <utility>
#include <variant>

#include "rushes/generation/session.h"

namespace rushes::generation {

Session::Session(Request request, const VideoFormat& format, Past past)
    : id_(std::move(past.id)),
      request_(std::move(request)),
      format_(format),
      created_(past.created),
      start_(Clock::now() - std::chrono::duration_cast<Clock::duration>(std::chrono::system_clock::now() - created_)),
      stream_(std::make_shared<Stream>()),
      status_(std::move(past.status)),
      ignored_(std::move(past.ignored)),
      unknown_words_(std::move(past.unknown_words)),
      history_(std::move(past.history)) {
  const auto end = status_.end.value_or(std::chrono::microseconds{0});
  if (!past.blocks.empty()) first_block_video_frames_ = past.blocks.front().video_frames;
  if (status_.text) stream_->publish(TextChunk{*status_.text, true}, end);
  int64_t index = 0;
  const std::string* prompt = nullptr;
  for (FrameBlock& block : past.blocks) {
    const BlockHistory::Block* made = history_.of(index++);
    if (made && (!prompt || *prompt != *made->prompt))
      stream_->publish(PromptApplied{*made->prompt, block.segment, block.block}, made->at);
    if (made) prompt = made->prompt.get();
    stream_->publish(std::move(block), made ? made->at : end);
  }
  stream_->publish(StateChanged{status_.state, status_.failure, status_.reason}, end);
  stream_->close();
}

void Session::inherit(const Session& origin, int64_t blocks) {
  std::vector<std::variant<FrameBlock, TextChunk>> kept;  // the newest: a long video's oldest are counted and not told
  const auto events = origin.stream_->subscribe(Stream::Role::observer, Stream::From::start);
  while (const EventPtr event = events->poll()) {
    if (const auto* block = std::get_if<FrameBlock>(&event->what)) kept.emplace_back(*block);
    if (const auto* chunk = std::get_if<TextChunk>(&event->what)) kept.emplace_back(*chunk);
  }
  // Text behind the last of these blocks belongs to the next one, which the fork makes itself.
  const int64_t made = origin.status().blocks;
  int64_t later = made - blocks;
  for (; !kept.empty(); kept.pop_back()) {
    const bool is_block = std::holds_alternative<FrameBlock>(kept.back());
    if (is_block && later == 0) break;
    later -= is_block;
  }
  const BlockHistory history = origin.history();
  std::optional<std::string> taken;  // its generator may be about to take it over
  if (made == blocks) {
    const std::scoped_lock lock(origin.mutex_);
    taken = origin.taken_prompt_;
  }
  const std::scoped_lock lock(mutex_);
  if (ended(status_.state)) return;
  for (auto& each : kept) {
    if (auto* chunk = std::get_if<TextChunk>(&each)) {
      keep_text(*chunk);
      stream_->publish(std::move(*chunk), age());
      continue;
    }
    tell_made(std::move(std::get<FrameBlock>(each)));
  }
  status_.blocks = blocks;
  status_.replay_blocks = 0;
  history_ = history.beginning(blocks, age());
  taken_prompt_ = std::move(taken);
}

/// One of its origin's.
void Session::tell_made(FrameBlock block) {
  block.rgb.reset();
  block.audio = {};
  status_.video_frames = block.first_video_frame + block.video_frames;
  status_.prompt = block.prompt;
  stream_->publish(std::move(block), age());
}

void Session::replay(const Session& origin, int64_t until) {
  BlockHistory made = origin.history().beginning(until, {});
  const std::scoped_lock lock(mutex_);
  status_.replay_blocks = std::max<int64_t>(0, until - status_.blocks);
  history_.steered_from = made.steered_from;
  if (status_.replay_blocks > 0) replay_ = Replay{.origin = origin.id(), .made = std::move(made)};
}

void Session::expect_replay(int64_t blocks) {
  const std::scoped_lock lock(mutex_);
  status_.replay_blocks = blocks;
}

bool Session::replays() const {
  const std::scoped_lock lock(mutex_);
  return replay_.has_value();
}

/// The prompt that the origin was told, once for each block. Those of the request come by themselves.
Inbox Session::replay_inbox() {
  Inbox inbox;
  const int64_t block = status_.blocks;
  const auto from = replay_->made.steered_from;
  if (!from || block < *from || std::exchange(replay_->prompted, block) == block) return inbox;
  if (const auto* made = replay_->made.of(block)) taken_prompt_ = inbox.prompt = *made->prompt;
  return inbox;
}

void Session::publish_again(Event event, std::optional<uint32_t> check) {
  if (auto* chunk = std::get_if<TextChunk>(&event)) {
    keep_text(*chunk);
    stream_->publish(std::move(*chunk), age());
  }
  auto* block = std::get_if<FrameBlock>(&event);
  if (!block) return;
  const BlockHistory::Block* made = replay_->made.of(status_.blocks);
  require(!made || (made->check == check && *made->prompt == block->prompt), ErrorCode::conflict,
          "block {} of session {}, made again, is not the same: its model, or the program or machine that computes it, "
          "has changed since then",
          status_.blocks, replay_->origin.text());
  history_.add(age(), block->prompt, check);
  tell_made(std::move(*block));
  ++status_.blocks;
  if (++status_.replayed_blocks == status_.replay_blocks) replay_.reset();
}

}  // namespace rushes::generation
