// A bounded queue between threads: the only way that threads of rushes talk to each other.
#pragma once
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <optional>
#include <stop_token>
#include <utility>

namespace rushes::base {

/// Bounded, closable, cancellable. Any number of senders and receivers.
/// After close() nothing more is taken in; what is queued can still be received.
template <typename T>
class Channel {
 public:
  explicit Channel(std::size_t capacity) : capacity_(capacity) {}

  /// Waits for room. False: closed or `stop` was requested, `value` was not queued.
  bool send(T value, std::stop_token stop = {}) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, stop, [&] { return closed_ || queue_.size() < capacity_; });
    if (closed_ || queue_.size() >= capacity_) return false;
    queue_.push_back(std::move(value));
    changed_.notify_all();
    return true;
  }

  /// Waits for a value. Nothing: closed and drained, or `stop` was requested.
  std::optional<T> receive(std::stop_token stop = {}) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, stop, [&] { return closed_ || !queue_.empty(); });
    return take();
  }

  void close() {
    const std::scoped_lock lock(mutex_);
    closed_ = true;
    changed_.notify_all();
  }

  bool closed() const {
    const std::scoped_lock lock(mutex_);
    return closed_;
  }

  std::size_t size() const {
    const std::scoped_lock lock(mutex_);
    return queue_.size();
  }

 private:
  std::optional<T> take() {
    if (queue_.empty()) return std::nullopt;
    std::optional<T> value(std::move(queue_.front()));
    queue_.pop_front();
    changed_.notify_all();
    return value;
  }

  const std::size_t capacity_;
  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<T> queue_;
  bool closed_ = false;
};

}  // namespace rushes::base
