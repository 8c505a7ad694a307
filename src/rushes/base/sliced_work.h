// Work that goes on only while somebody waits for it: what takes long can be done in slices, between which the same
// thread does something else, although the work itself knows nothing of it. It is done by a thread of its own, which
// never runs at the same time as its owner; it rests at its interruption_point()s.
#pragma once
#include <chrono>
#include <condition_variable>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>

namespace rushes::base {

/// One owner, one thread at a time.
class SlicedWork {
 public:
  SlicedWork() = default;
  /// Ends work in progress where it rests.
  ~SlicedWork();
  SlicedWork(const SlicedWork&) = delete;
  SlicedWork& operator=(const SlicedWork&) = delete;

  /// What advance() is to do; nothing may be in progress.
  void begin(std::function<void()> work);
  bool in_progress() const noexcept { return work_ != nullptr; }

  /// Lets it go on until `is_enough`, which is asked at its interruption points, or until its end. True: it has ended.
  /// Throws what it threw. Meanwhile passes interruption_point()s of the caller's, and leaves the work where it is if
  /// one of them throws.
  bool advance(const std::function<bool()>& is_enough);

 private:
  enum class Turn { owner, work };
  void run();
  void rest();
  void hand_over(std::unique_lock<std::mutex>& lock, Turn turn);

  std::function<void()> work_;
  const std::function<bool()>* is_enough_ = nullptr;
  std::exception_ptr failure_;
  bool had_enough_ = false, ending_ = false;
  std::chrono::steady_clock::time_point began_;  // since the owner's newest interruption point

  std::mutex mutex_;
  std::condition_variable changed_;
  Turn turn_ = Turn::owner;  // whose it is to run; all else is of whose turn it is
  std::jthread thread_;
};

}  // namespace rushes::base
