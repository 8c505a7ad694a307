#include "rushes/base/sliced_work.h"

#include <utility>

#include "rushes/base/error.h"
#include "rushes/base/interruption.h"

namespace rushes::base {
namespace {

/// Time between two interruption points of the owner's: changing threads costs some ten microseconds.
constexpr std::chrono::milliseconds kLookUp{2};

}  // namespace

SlicedWork::~SlicedWork() {
  if (!thread_.joinable()) return;
  const std::scoped_lock lock(mutex_);
  ending_ = true;
  turn_ = Turn::work;
  changed_.notify_all();
}

void SlicedWork::begin(std::function<void()> work) {
  RUSHES_ASSERT(!in_progress());
  work_ = std::move(work);
}

bool SlicedWork::advance(const std::function<bool()>& is_enough) {
  RUSHES_ASSERT(in_progress());
  is_enough_ = &is_enough;
  had_enough_ = false;
  do {
    interruption_point();
    began_ = std::chrono::steady_clock::now();
    std::unique_lock lock(mutex_);
    if (!thread_.joinable()) thread_ = std::jthread([this] { run(); });
    hand_over(lock, Turn::work);
  } while (in_progress() && !had_enough_);
  if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
  return !in_progress();
}

/// Until it is the caller's turn again.
void SlicedWork::hand_over(std::unique_lock<std::mutex>& lock, Turn turn) {
  const Turn own = turn == Turn::work ? Turn::owner : Turn::work;
  turn_ = turn;
  changed_.notify_all();
  changed_.wait(lock, [&] { return turn_ == own; });
}

void SlicedWork::run() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return turn_ == Turn::work; });
  while (!ending_) {
    lock.unlock();
    try {
      const Interruptible resting([this] { rest(); });
      work_();
    } catch (...) {
      failure_ = std::current_exception();
    }
    work_ = nullptr;
    lock.lock();
    if (ending_) return;
    hand_over(lock, Turn::owner);
  }
}

/// At the work's interruption points. Those that are passed while it is given up do nothing.
void SlicedWork::rest() {
  if (ending_) return;
  had_enough_ = (*is_enough_)();
  if (!had_enough_ && std::chrono::steady_clock::now() - began_ < kLookUp) return;
  std::unique_lock lock(mutex_);
  hand_over(lock, Turn::owner);
  if (ending_) throw Interrupted();
}

}  // namespace rushes::base
