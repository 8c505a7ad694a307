#include "rushes/generation/stream.h"

#include <algorithm>
#include <utility>

namespace rushes::generation {
namespace {

EventPtr without_pixels(const StreamEvent& event) {
  StreamEvent thin = event;
  if (auto* preview = std::get_if<PreviewFrames>(&thin.what))
    preview->rgb.reset();
  else
    std::get<FrameBlock>(thin.what).rgb.reset();
  return std::make_shared<const StreamEvent>(std::move(thin));
}

bool is_block(const StreamEvent& event) { return std::holds_alternative<FrameBlock>(event.what); }
bool has_pixels(const StreamEvent& event) {
  const auto* block = std::get_if<FrameBlock>(&event.what);
  return block && block->rgb;
}

}  // namespace

void Stream::publish(StreamItem what, std::chrono::microseconds at) {
  {
    const std::scoped_lock lock(mutex_);
    if (closed_) return;
    auto event = std::make_shared<const StreamEvent>(StreamEvent{next_sequence_++, at, std::move(what)});
    if (has_pixels(*event)) {
      blocks_.push_back(event->sequence);
      for (auto& reader : readers_) ++reader->blocks;
    }
    if (std::holds_alternative<PreviewFrames>(event->what)) previews_.push_back(event->sequence);
    events_.push_back(std::move(event));
    drop_old_pixels();
    // A recorder bounds the ring from below: full() stops generation long before this could grow.
    int64_t oldest_needed = next_sequence_;
    for (const auto& reader : readers_)
      if (reader->role == Role::recorder) oldest_needed = std::min(oldest_needed, reader->next);
    while (events_.size() > options_.max_events && first() < oldest_needed) events_.pop_front();
    changed_.notify_all();
  }
  base::notify_all(mutex_, readers_);
}

void Stream::drop_old_pixels() {
  for (; previews_.size() > options_.pixel_blocks; previews_.pop_front()) thin_locked(previews_.front());
  while (blocks_.size() > options_.pixel_blocks) {
    const int64_t sequence = blocks_.front();
    for (const auto& reader : readers_)
      if (reader->role == Role::recorder && reader->next <= sequence) return;
    thin_locked(sequence);
    blocks_.pop_front();
  }
}

void Stream::close() {
  {
    const std::scoped_lock lock(mutex_);
    if (closed_) return;
    closed_ = true;
    changed_.notify_all();
  }
  base::notify_all(mutex_, readers_);
}

bool Stream::closed() const {
  const std::scoped_lock lock(mutex_);
  return closed_;
}

void Stream::forget_pixels() {
  const std::scoped_lock lock(mutex_);
  if (!closed_ || !readers_.empty()) return;
  for (std::deque<int64_t>* with_pixels : {&blocks_, &previews_}) {
    for (const int64_t sequence : *with_pixels) thin_locked(sequence);
    with_pixels->clear();
  }
}

void Stream::thin_locked(int64_t sequence) {
  if (sequence < first()) return;
  EventPtr& slot = events_[static_cast<std::size_t>(sequence - first())];
  slot = without_pixels(*slot);
}

bool Stream::full_locked() const {
  return std::any_of(readers_.begin(), readers_.end(), [&](const auto& reader) {
    return reader->role == Role::recorder && reader->blocks >= static_cast<int64_t>(options_.pixel_blocks);
  });
}

bool Stream::full() const {
  const std::scoped_lock lock(mutex_);
  return full_locked();
}

std::unique_ptr<Subscription> Stream::subscribe(Role role, From from, std::function<void()> notify) {
  const std::scoped_lock lock(mutex_);
  auto reader = std::make_shared<Reader>();
  reader->role = role;
  reader->next = from == From::newest_block && !blocks_.empty() ? blocks_.back() : first();
  reader->blocks = std::count_if(blocks_.begin(), blocks_.end(), [&](int64_t b) { return b >= reader->next; });
  reader->notify = base::notifier(std::move(notify));
  readers_.push_back(reader);
  return std::make_unique<Subscription>(shared_from_this(), std::move(reader));
}

void Stream::on_room(std::function<void()> callback) {
  const std::scoped_lock lock(mutex_);
  room_ = base::notifier(std::move(callback));
}

Subscription::~Subscription() {
  base::Notifier room;
  {
    const std::scoped_lock lock(stream_->mutex_);
    const bool was_full = stream_->full_locked();
    std::erase(stream_->readers_, reader_);
    stream_->drop_old_pixels();
    if (was_full && !stream_->full_locked()) room = stream_->room_;
  }
  if (room) (*room)();
}

EventPtr Subscription::take_locked(bool& made_room) {
  Stream& stream = *stream_;
  const auto move_forward = [&](int64_t to) {
    reader_->skipped += to - reader_->next;
    reader_->next = to;
  };
  if (reader_->next < stream.first())
    move_forward(stream.blocks_.empty() ? stream.first() : std::max(stream.first(), stream.blocks_.back()));
  if (reader_->next >= stream.next_sequence_) return nullptr;
  EventPtr event = stream.events_[static_cast<std::size_t>(reader_->next - stream.first())];
  if (reader_->role == Stream::Role::viewer && is_block(*event) && !std::get<FrameBlock>(event->what).rgb &&
      !stream.blocks_.empty()) {
    move_forward(stream.blocks_.back());
    event = stream.events_[static_cast<std::size_t>(reader_->next - stream.first())];
  }
  ++reader_->next;
  if (is_block(*event)) {
    const bool was_full = stream.full_locked();
    reader_->blocks =
        std::count_if(stream.blocks_.begin(), stream.blocks_.end(), [&](int64_t b) { return b >= reader_->next; });
    stream.drop_old_pixels();
    made_room = was_full && !stream.full_locked();
  }
  return event;
}

EventPtr Subscription::poll() {
  EventPtr event;
  base::Notifier room;
  {
    const std::scoped_lock lock(stream_->mutex_);
    bool made_room = false;
    event = take_locked(made_room);
    if (made_room) room = stream_->room_;
  }
  if (room) (*room)();
  return event;
}

EventPtr Subscription::next(std::stop_token stop) {
  while (!stop.stop_requested()) {
    if (EventPtr event = poll()) return event;
    std::unique_lock lock(stream_->mutex_);
    const bool woken =
        stream_->changed_.wait(lock, stop, [&] { return stream_->closed_ || reader_->next < stream_->next_sequence_; });
    if (!woken || (stream_->closed_ && reader_->next >= stream_->next_sequence_)) return nullptr;
  }
  return nullptr;
}

bool Subscription::ended() const {
  const std::scoped_lock lock(stream_->mutex_);
  return stream_->closed_ && reader_->next >= stream_->next_sequence_;
}

int64_t Subscription::skipped() const {
  const std::scoped_lock lock(stream_->mutex_);
  return reader_->skipped;
}

}  // namespace rushes::generation
