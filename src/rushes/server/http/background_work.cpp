#include "rushes/server/http/background_work.h"

#include <boost/asio/this_coro.hpp>
#include <exception>

#include "rushes/server/http/wakeup.h"

namespace rushes::server {

BackgroundWork::BackgroundWork(std::size_t most_waiting)
    : queue_(most_waiting), thread_([this](const std::stop_token& stop) {
        while (const auto work = queue_.receive(stop)) (*work)();
      }) {}

BackgroundWork::~BackgroundWork() = default;

net::awaitable<Response> BackgroundWork::run(std::function<Response()> work) {
  struct Result {
    Response response;
    std::exception_ptr failure;
  };
  const net::any_io_executor executor = co_await net::this_coro::executor;
  const auto wakeup = std::make_shared<Wakeup>(executor);
  auto result = std::make_shared<Result>();
  const bool queued = queue_.try_send([work = std::move(work), result, notify = wakeup->notifier()]() mutable {
    try {
      result->response = work();
    } catch (...) {
      result->failure = std::current_exception();
    }
    result.reset();  // what was thrown is the waiter's alone
    notify();
  });
  require(queued, ErrorCode::unavailable, "too many are connecting at the moment");
  co_await wakeup->wait();
  if (result->failure) std::rethrow_exception(result->failure);
  co_return std::move(result->response);
}

}  // namespace rushes::server
