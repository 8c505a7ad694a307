#include "rushes/server/http/work_pool.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <exception>
#include <thread>

#include "rushes/base/interruption.h"
#include "rushes/server/http/wakeup.h"

namespace rushes::server {
namespace {

/// Work on its way. Whoever changes its state from `waiting` owns it: the pool's thread to do it, or the one who waits,
/// to leave.
struct Ticket {
  enum class State { waiting, started, left };
  std::atomic<State> state = State::waiting;
  std::atomic<bool> abandoned = false;  // nobody wants what has been started
  std::exception_ptr failure;

  bool become(State next) {
    State expected = State::waiting;
    return state.compare_exchange_strong(expected, next);
  }
};

/// What viewers wait for comes first: the server's thread and the encoders are not held up by decoding that takes long.
/// A thread of Linux has a priority of its own. Where it cannot be lowered it stays.
constexpr int kNiceness = 5;
void give_way() {
  static thread_local const bool given = setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), kNiceness) == 0;
  static_cast<void>(given);
}

}  // namespace

WorkPool::WorkPool(const WorkLimits& limits)
    : threads_(limits.threads ? limits.threads : std::max<std::size_t>(2, std::thread::hardware_concurrency())),
      queue_{.post = [this](std::function<void()> job) { net::post(threads_, std::move(job)); },
             .most_waiting = limits.waiting,
             .closed = closed_,
             .pending = pending_} {}

bool WorkPool::close(std::chrono::milliseconds most) {
  *closed_ = true;
  threads_.stop();
  if (!ending_.valid()) ending_ = std::async(std::launch::async, [this] { threads_.join(); });
  return ending_.wait_for(most) == std::future_status::ready;
}

std::size_t WorkPool::pending_for(std::chrono::milliseconds time) const {
  const auto before = std::chrono::steady_clock::now() - time;
  return static_cast<std::size_t>(
      std::count_if(pending_->begin(), pending_->end(), [&](auto since) { return since <= before; }));
}

/// Among those that are not done while it lives.
class WorkPool::PendingPiece {
 public:
  explicit PendingPiece(std::shared_ptr<Pending> all)
      : all_(std::move(all)), place_(all_->insert(all_->end(), std::chrono::steady_clock::now())) {}
  ~PendingPiece() { all_->erase(place_); }
  PendingPiece(const PendingPiece&) = delete;
  PendingPiece& operator=(const PendingPiece&) = delete;

 private:
  const std::shared_ptr<Pending> all_;
  const Pending::iterator place_;
};

WorkPool::Lane::Lane(WorkPool& pool) : Lane(pool, pool.queue_.most_waiting) {}

WorkPool::Lane::Lane(WorkPool& pool, std::size_t most_waiting)
    : queue_{.post = [strand = net::make_strand(pool.threads_.get_executor())](
                         std::function<void()> job) { net::post(strand, std::move(job)); },
             .most_waiting = most_waiting,
             .closed = pool.closed_,
             .pending = pool.pending_} {}

net::awaitable<void> WorkPool::run_job(const Queue& queue, std::function<void()> job) {
  const auto waiting = queue.waiting;
  const net::any_io_executor executor = co_await net::this_coro::executor;
  const auto wakeup = std::make_shared<Wakeup>(executor);
  const auto ticket = std::make_shared<Ticket>();
  if (waiting->fetch_add(1) >= queue.most_waiting) {
    --*waiting;
    fail(ErrorCode::unavailable, "{} jobs are waiting in the server, which is the limit; try again later",
         queue.most_waiting);
  }
  const PendingPiece piece(queue.pending);
  std::function<void()> posted = [ticket = ticket, waiting, closed = queue.closed, job = std::move(job),
                                  notify = wakeup->notifier()]() mutable {
    if (!ticket->become(Ticket::State::started)) return;
    --*waiting;
    give_way();
    try {
      const base::Interruptible interruptible([&] {
        if (ticket->abandoned || *closed) throw base::Interrupted();
      });
      job();
    } catch (...) {
      ticket->failure = std::current_exception();
    }
    ticket.reset();  // what was thrown is the waiter's alone
    notify();
  };
  try {
    queue.post(std::move(posted));
  } catch (...) {
    --*waiting;
    throw;
  }
  std::exception_ptr cancelled;
  try {
    auto done = wakeup->wait();
    co_await std::move(done);
  } catch (...) {
    cancelled = std::current_exception();
  }
  if (cancelled) {
    if (ticket->become(Ticket::State::left)) {
      --*waiting;
    } else {  // the work refers to what the caller holds
      ticket->abandoned = true;
      co_await net::this_coro::reset_cancellation_state(net::disable_cancellation());
      auto done = wakeup->wait();
      co_await std::move(done);
    }
    std::rethrow_exception(cancelled);
  }
  if (ticket->failure) std::rethrow_exception(ticket->failure);
}

}  // namespace rushes::server
