// A sequence that grows at one end, of which the newest values are in memory, and readers who each have a place in it.
#pragma once
#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <stop_token>
#include <utility>
#include <vector>

#include "rushes/base/notify.h"

namespace rushes::base {

template <typename T>
class Cursor;

/// Any thread. Values are counted from 0; null stands for none.
template <typename T>
class Ring {
 public:
  using Value = std::shared_ptr<const T>;
  /// Gives a value again that has left the memory. Called without a lock, by the reader's thread.
  using Recall = std::function<Value(int64_t index)>;
  enum class Entry { yes, no };       // a reader may begin there
  enum class Recallable { yes, no };  // yes counts only as long as there was no `no`

  /// Keeps the newest values up to `capacity`, and at least one. The first `recallable` of them were there before.
  explicit Ring(int64_t capacity, Recall recall = {}, int64_t recallable = 0)
      : capacity_(capacity), recall_(std::move(recall)), end_(recallable), recallable_(recallable), entry_(recallable) {
    if (entry_ > 0) --entry_;
  }

  void push(Value value, int64_t weight, Entry entry = Entry::yes, Recallable recallable = Recallable::no) {
    {
      const std::scoped_lock lock(mutex_);
      if (entry == Entry::yes) entry_ = end_;
      if (recallable == Recallable::yes && recallable_ == end_) ++recallable_;
      ++end_;
      kept_.push_back({std::move(value), weight});
      weight_ += weight;
      for (; weight_ > capacity_ && kept_.size() > 1; kept_.pop_front()) weight_ -= kept_.front().weight;
    }
    tell();
  }

  /// Nothing more will come.
  void end() {
    {
      const std::scoped_lock lock(mutex_);
      ended_ = true;
    }
    tell();
  }

  /// Gives up the memory.
  void forget() {
    const std::scoped_lock lock(mutex_);
    kept_.clear();
    weight_ = 0;
  }

  /// Null: it does not exist yet, or can no longer be had.
  Value at(int64_t index) const {
    {
      const std::scoped_lock lock(mutex_);
      if (index < 0 || index >= end_ || !has(index)) return nullptr;
      if (index >= first()) return kept(index);
    }
    return recall_(index);
  }

  /// How many there were so far.
  int64_t size() const {
    const std::scoped_lock lock(mutex_);
    return end_;
  }
  bool ended() const {
    const std::scoped_lock lock(mutex_);
    return ended_;
  }
  /// From which on all can be had.
  int64_t oldest() const {
    const std::scoped_lock lock(mutex_);
    return recallable_ >= first() ? 0 : first();
  }
  /// The newest at which a reader may begin; 0 if there is none yet.
  int64_t newest_entry() const {
    const std::scoped_lock lock(mutex_);
    return std::max(entry_, has(entry_) ? 0 : first());
  }
  std::size_t readers() const {
    const std::scoped_lock lock(mutex_);
    return readers_.size();
  }
  /// That all readers were moved past.
  int64_t skipped() const {
    const std::scoped_lock lock(mutex_);
    return skipped_;
  }

  /// Waits for a value. False: the sequence has ended without it, or `stop` was requested.
  bool wait(int64_t index, const std::stop_token& stop) const {
    std::unique_lock lock(mutex_);
    return changed_.wait(lock, stop, [&] { return ended_ || index < end_; }) && index < end_;
  }
  /// Waits for the end; false: the time has passed.
  bool wait_until_ended(std::chrono::milliseconds timeout) const {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, timeout, [&] { return ended_; });
  }

 private:
  friend class Cursor<T>;
  struct Kept {
    Value value;
    int64_t weight;
  };

  // With the lock held:
  int64_t first() const { return end_ - static_cast<int64_t>(kept_.size()); }
  bool has(int64_t index) const { return index >= first() || index < recallable_; }
  const Value& kept(int64_t index) const { return kept_[static_cast<std::size_t>(index - first())].value; }

  void tell() {
    std::vector<Notifier> calls;
    {
      const std::scoped_lock lock(mutex_);
      changed_.notify_all();
      calls = readers_;
    }
    for (const Notifier& call : calls) (*call)();
  }

  const int64_t capacity_;
  const Recall recall_;
  mutable std::mutex mutex_;
  mutable std::condition_variable_any changed_;
  std::deque<Kept> kept_;  // the newest
  int64_t weight_ = 0;     // of all in it
  int64_t end_, recallable_, entry_;
  int64_t skipped_ = 0;
  bool ended_ = false;
  std::vector<Notifier> readers_;
};

/// One reader's place: no copy of anything, so a reader that never reads costs nothing. One thread.
template <typename T>
class Cursor {
 public:
  /// Begins at value `first`, which need not exist yet. `notify` is called by the writing thread after each value and
  /// at the end: it must return at once. A call may still come when the cursor is gone, so it must own what it touches.
  Cursor(std::shared_ptr<Ring<T>> ring, int64_t first, std::function<void()> notify = {})
      : ring_(std::move(ring)),
        next_(first),
        notify_(notifier(notify ? std::move(notify) : std::function<void()>([] {}))) {
    const std::scoped_lock lock(ring_->mutex_);
    ring_->readers_.push_back(notify_);
  }
  ~Cursor() {
    const std::scoped_lock lock(ring_->mutex_);
    std::erase(ring_->readers_, notify_);
  }
  Cursor(const Cursor&) = delete;
  Cursor& operator=(const Cursor&) = delete;

  /// The next value; null if there is none yet. Never waits for the writer. Who is so slow that the next one cannot be
  /// had any more is moved forward to the newest entry.
  std::shared_ptr<const T> poll() {
    int64_t index = 0;
    {
      const std::scoped_lock lock(ring_->mutex_);
      if (next_ < ring_->end_ && !ring_->has(next_)) {
        const int64_t to = std::max(ring_->first(), ring_->entry_);
        skipped_ += to - next_;
        ring_->skipped_ += to - next_;
        next_ = to;
      }
      if (next_ >= ring_->end_) return nullptr;
      index = next_++;
      if (index >= ring_->first()) return ring_->kept(index);
    }
    return ring_->recall_(index);
  }
  /// The same, but waits for the writer. Null: all has been read and no more will come, or `stop` was requested.
  std::shared_ptr<const T> next(const std::stop_token& stop) { return ring_->wait(next_, stop) ? poll() : nullptr; }
  /// All has been read and no more will come.
  bool ended() const {
    const std::scoped_lock lock(ring_->mutex_);
    return ring_->ended_ && next_ >= ring_->end_;
  }
  /// Values that it was moved past.
  int64_t skipped() const noexcept { return skipped_; }

 private:
  const std::shared_ptr<Ring<T>> ring_;
  int64_t next_, skipped_ = 0;
  const Notifier notify_;
};

}  // namespace rushes::base
