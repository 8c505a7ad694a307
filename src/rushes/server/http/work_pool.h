// Work that takes its time, away from the server's one thread: decoding of uploads, large bodies, loading of models,
// connecting by WebRTC. All of it shares one pool of threads, one for each core.
#pragma once
#include <atomic>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <chrono>
#include <cstddef>
#include <functional>
#include <future>
#include <list>
#include <memory>
#include <optional>
#include <type_traits>

#include "rushes/server/http/http.h"
#include "rushes/server/http/options.h"

namespace rushes::server {

class WorkPool {
 public:
  /// Parsed in less time than it takes to wake a thread twice, and no picture that fits has more than a megapixel.
  static constexpr std::size_t kSmallBytes = 4 << 10;

  explicit WorkPool(const WorkLimits& limits = {});
  ~WorkPool() { close(); }
  WorkPool(const WorkPool&) = delete;
  WorkPool& operator=(const WorkPool&) = delete;

  /// Gives what `work` gives, or throws what it throws; Error(unavailable) if too much waits already.
  /// Who is cancelled while the work waits leaves at once, and it is skipped; while it runs, stays until it is done,
  /// which is at its next interruption_point(). So `work` may refer to what its caller holds, as long as close() comes
  /// before the end of the caller's io_context.
  template <typename Work>
  net::awaitable<std::invoke_result_t<Work&>> run(Work work) {
    return run_in(queue_, std::move(work));
  }
  /// The same for work on `bytes` of input, done at once if they are few.
  template <typename Work>
  net::awaitable<std::invoke_result_t<Work&>> run_if_large(std::size_t bytes, Work work);

  /// Pieces of work that were asked for so long ago, and are not done.
  std::size_t pending_for(std::chrono::milliseconds time) const;
  /// Takes no more work, skips what waits, interrupts what runs, and waits so long for its end. False: some goes on.
  /// Nobody who waits is woken: to be called when the server's thread runs no more. May be called again.
  bool close(std::chrono::milliseconds most);
  void close() {
    while (!close(std::chrono::hours(1))) {}
  }

  class Lane;

 private:
  /// When each piece was asked for that is not done. The server's thread only.
  using Pending = std::list<std::chrono::steady_clock::time_point>;
  class PendingPiece;
  struct Queue {
    std::function<void(std::function<void()>)> post;
    std::size_t most_waiting = 0;
    std::shared_ptr<const std::atomic<bool>> closed;  // the pool is
    std::shared_ptr<Pending> pending;
    std::shared_ptr<std::atomic<std::size_t>> waiting = std::make_shared<std::atomic<std::size_t>>(0);
  };
  template <typename Work>
  static net::awaitable<std::invoke_result_t<Work&>> run_in(const Queue& queue, Work work);
  static net::awaitable<void> run_job(const Queue& queue, std::function<void()> job);

  const std::shared_ptr<std::atomic<bool>> closed_ = std::make_shared<std::atomic<bool>>(false);
  const std::shared_ptr<Pending> pending_ = std::make_shared<Pending>();
  net::thread_pool threads_;
  Queue queue_;
  std::future<void> ending_;  // of the threads, once they have been told to
};

/// Work of a pool that is done one piece after the other, in the order of the calls. However long it takes, it holds
/// one thread of the pool at most.
class WorkPool::Lane {
 public:
  /// As many pieces may wait as in the pool, or `most_waiting`. The pool must outlive it.
  explicit Lane(WorkPool& pool);
  Lane(WorkPool& pool, std::size_t most_waiting);
  /// As WorkPool::run().
  template <typename Work>
  net::awaitable<std::invoke_result_t<Work&>> run(Work work) {
    return run_in(queue_, std::move(work));
  }

 private:
  Queue queue_;
};

template <typename Work>
net::awaitable<std::invoke_result_t<Work&>> WorkPool::run_in(const Queue& queue, Work work) {
  std::optional<std::invoke_result_t<Work&>> result;
  std::function<void()> job = [&] { result.emplace(work()); };
  auto running = run_job(queue, std::move(job));
  co_await std::move(running);
  co_return std::move(*result);
}

template <typename Work>
net::awaitable<std::invoke_result_t<Work&>> WorkPool::run_if_large(std::size_t bytes, Work work) {
  if (bytes <= kSmallBytes) co_return work();
  auto running = run(std::move(work));
  co_return co_await std::move(running);
}

}  // namespace rushes::server
