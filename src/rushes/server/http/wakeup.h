// Lets a coroutine of the server's thread sleep until another thread has something for it.
#pragma once
#include <atomic>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <functional>
#include <memory>

namespace rushes::server {

class Wakeup : public std::enable_shared_from_this<Wakeup> {
 public:
  explicit Wakeup(boost::asio::any_io_executor executor) : executor_(executor), timer_(executor) {}

  /// Any thread, never waits; may outlive this.
  std::function<void()> notifier() {
    return [weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->notify();
    };
  }

  /// Returns when notify() was called since the last return. One waiter at a time. Throws when it is cancelled.
  boost::asio::awaitable<void> wait() {
    while (!pending_.exchange(false)) {
      timer_.expires_at(std::chrono::steady_clock::time_point::max());
      auto woken = timer_.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
      co_await std::move(woken);
      const auto state = co_await boost::asio::this_coro::cancellation_state;
      if (state.cancelled() != boost::asio::cancellation_type::none)
        throw boost::system::system_error(boost::asio::error::operation_aborted);
    }
  }

 private:
  void notify() {
    // One post per wait is enough: until the waiter has run, further ones would tell it nothing new.
    if (!pending_.exchange(true)) boost::asio::post(executor_, [self = shared_from_this()] { self->timer_.cancel(); });
  }

  boost::asio::any_io_executor executor_;
  boost::asio::steady_timer timer_;  // the executor's thread only
  std::atomic<bool> pending_ = false;
};

}  // namespace rushes::server
