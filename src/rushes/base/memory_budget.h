// Memory that many share and that somebody outside decides about: each charges what it holds, and beyond the limit
// nobody gets more.
#pragma once
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>

namespace rushes::base {

/// Any thread.
class MemoryBudget {
  struct State {
    explicit State(int64_t limit) : most(limit) {}
    const int64_t most;
    std::mutex mutex;
    int64_t used = 0, refused = 0;
  };

 public:
  explicit MemoryBudget(int64_t most) : state_(std::make_shared<State>(most)) {}

  /// What one holds; given back at its end. May outlive the budget.
  class Charge {
   public:
    Charge() = default;
    Charge(Charge&& other) noexcept : state_(std::move(other.state_)), bytes_(std::exchange(other.bytes_, 0)) {}
    Charge& operator=(Charge&& other) noexcept {
      std::swap(state_, other.state_);
      std::swap(bytes_, other.bytes_);
      return *this;
    }
    ~Charge() { resize(0); }

    int64_t bytes() const noexcept { return bytes_; }
    /// False, and nothing has changed: there is no room for so many. Fewer than before always fit. One of no budget
    /// holds nothing, and whatever is asked of it fits.
    bool resize(int64_t bytes) {
      if (!state_) return true;
      const std::scoped_lock lock(state_->mutex);
      if (bytes > bytes_ && state_->used + bytes - bytes_ > state_->most) {
        ++state_->refused;
        return false;
      }
      state_->used += bytes - bytes_;
      bytes_ = bytes;
      return true;
    }

   private:
    friend class MemoryBudget;
    explicit Charge(std::shared_ptr<MemoryBudget::State> state) : state_(std::move(state)) {}
    std::shared_ptr<MemoryBudget::State> state_;
    int64_t bytes_ = 0;
  };

  /// Of nothing so far.
  Charge charge() const { return Charge(state_); }
  int64_t most() const noexcept { return state_->most; }
  int64_t used() const {
    const std::scoped_lock lock(state_->mutex);
    return state_->used;
  }
  /// How often there was no room.
  int64_t refused() const {
    const std::scoped_lock lock(state_->mutex);
    return state_->refused;
  }

 private:
  std::shared_ptr<State> state_;
};

}  // namespace rushes::base
