// What a session takes over: all of one of an earlier process, or the blocks of the one that it is forked from.
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
  int64_t later = origin.status().blocks - blocks;
  for (; !kept.empty(); kept.pop_back()) {
    const bool is_block = std::holds_alternative<FrameBlock>(kept.back());
    if (is_block && later == 0) break;
    later -= is_block;
  }
  const std::scoped_lock lock(mutex_);
  if (ended(status_.state)) return;
  for (auto& each : kept) {
    if (auto* chunk = std::get_if<TextChunk>(&each)) {
      keep_text(*chunk);
      stream_->publish(std::move(*chunk), age());
      continue;
    }
    auto& block = std::get<FrameBlock>(each);
    block.rgb.reset();
    block.audio = {};
    status_.video_frames = block.first_video_frame + block.video_frames;
    status_.prompt = block.prompt;
    history_.add(age(), block.prompt);
    stream_->publish(std::move(block), age());
  }
  status_.blocks = blocks;
  history_.first = blocks - static_cast<int64_t>(history_.blocks.size());
}

}  // namespace rushes::generation
