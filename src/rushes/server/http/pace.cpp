#include "rushes/server/http/pace.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/buffers_prefix.hpp>
#include <boost/beast/core/buffers_suffix.hpp>

namespace rushes::server {
namespace {

using namespace net::experimental::awaitable_operators;
using tcp = net::ip::tcp;

constexpr auto kAsTuple = net::as_tuple(net::use_awaitable);
constexpr std::size_t kPieceBytes = 64 << 10;  // between two of them, other clients have their turn

}  // namespace

bool Pace::goes_on(int64_t bytes, Clock::time_point now) {
  if (bytes > bytes_) {
    bytes_ = bytes;
    progress_at_ = now;
  }
  if (now - progress_at_ >= stall_) return false;
  const auto window = now - window_at_;
  if (window < kStallsOfWindow * stall_) return true;
  const auto least =
      kLeastBytesPerSecond * std::chrono::duration_cast<std::chrono::milliseconds>(window).count() / 1000;
  if (bytes_ - window_bytes_ < least) return false;
  window_at_ = now;
  window_bytes_ = bytes_;
  return true;
}

PacedWriter::PacedWriter(tcp::socket& socket, std::chrono::milliseconds stall)
    : socket_(socket), timer_(socket.get_executor()), pace_(stall, Pace::Clock::now()) {
  boost::system::error_code ignored;
  socket_.non_blocking(true, ignored);
}

int64_t PacedWriter::taken() const {
  int waiting = 0;
  if (::ioctl(socket_.native_handle(), SIOCOUTQ, &waiting) != 0) return written_;
  return std::max<int64_t>(0, written_ - waiting);
}

net::awaitable<bool> PacedWriter::write(Buffers buffers) {
  boost::beast::buffers_suffix<Buffers> left(buffers);
  while (boost::beast::buffer_bytes(left) > 0) {
    boost::system::error_code error;
    const std::size_t count = socket_.write_some(boost::beast::buffers_prefix(kPieceBytes, left), error);
    if (!error) {
      add(count);
      left.consume(count);
      if (boost::beast::buffer_bytes(left) == 0) break;
      auto turn = net::post(socket_.get_executor(), net::use_awaitable);
      co_await std::move(turn);
      continue;
    }
    if (error != net::error::would_block && error != net::error::try_again) co_return false;
    auto ready = wait_writable();
    if (!co_await std::move(ready)) co_return false;
  }
  co_return true;
}

net::awaitable<bool> PacedWriter::wait_writable() {
  for (;;) {
    timer_.expires_after(std::clamp(pace_.stall() / 8, std::chrono::milliseconds(1), std::chrono::milliseconds(1000)));
    auto writable = socket_.async_wait(tcp::socket::wait_write, kAsTuple);
    auto tick = timer_.async_wait(kAsTuple);
    const auto first = co_await (std::move(writable) || std::move(tick));
    const auto state = co_await net::this_coro::cancellation_state;
    if (state.cancelled() != net::cancellation_type::none)
      throw boost::system::system_error(net::error::operation_aborted);
    if (first.index() == 0) co_return true;
    if (!pace_.goes_on(taken(), Pace::Clock::now())) {
      late_ = true;
      co_return false;
    }
  }
}

}  // namespace rushes::server
