#include "rushes/server/http/viewer_socket.h"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/buffers_to_string.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/websocket.hpp>

#include "rushes/base/log.h"
#include "rushes/generation/device_worker.h"
#include "rushes/server/http/websocket.h"

namespace rushes::server {
namespace {

namespace beast = boost::beast;
namespace websocket = beast::websocket;
using tcp = net::ip::tcp;
using boost::system::error_code;
using namespace net::experimental::awaitable_operators;

constexpr auto kAsTuple = net::as_tuple(net::use_awaitable);
constexpr std::size_t kMaxIncomingBytes = 64 << 10;  // a control message with a prompt
constexpr std::size_t kReasonBytes = 123;            // RFC 6455, 5.5: 125 less the code

// Note: room for the close frame. A message goes out in frames of this size, each begun only when the kernel calls the
// socket writable, that is (Linux) while at least a third of the send buffer is free. So a frame never gets stuck half
// way, and a viewer that does not read can still be sent a close frame with the reason.
constexpr std::size_t kFrameBytes = 16 << 10;

class ViewerSocket final : public WebSocket {
 public:
  ViewerSocket(beast::tcp_stream stream, Service& service)
      : socket_(std::move(stream)), timer_(socket_.get_executor()), service_(service) {}

  net::awaitable<bool> accept(const beast::http::request<beast::http::string_body>& request) {
    beast::get_lowest_layer(socket_).expires_never();  // the WebSocket has its own
    websocket::stream_base::timeout timeouts{};
    timeouts.handshake_timeout = service_.limits.closing;
    timeouts.idle_timeout = service_.limits.idle;
    timeouts.keep_alive_pings = true;
    socket_.set_option(timeouts);
    socket_.read_message_max(kMaxIncomingBytes);
    socket_.auto_fragment(false);
    auto accepting = socket_.async_accept(request, kAsTuple);
    const auto [error] = co_await std::move(accepting);
    co_return !error;
  }

  /// Until the viewer has left: pings and closes are answered in here.
  net::awaitable<void> read() {
    beast::flat_buffer buffer;
    for (;;) {
      auto reading = socket_.async_read(buffer, kAsTuple);
      const auto [error, bytes] = co_await std::move(reading);
      if (error) break;
      const auto& callback = socket_.got_text() ? on_text_ : on_binary_;
      if (callback) callback(beast::buffers_to_string(buffer.data()));
      buffer.clear();
    }
    // Whatever the feed waits for, it ends now.
    abandon();
  }

  net::awaitable<void> write(Feed feed) {
    std::string failure;
    try {
      auto feeding = feed(*this);
      co_await std::move(feeding);
    } catch (const ViewerGone&) {
    } catch (const boost::system::system_error& error) {
      // Cancelled: the viewer has left.
    } catch (...) {
      failure = generation::current_failure().message;
    }
    if (!failure.empty()) {
      log::warning("viewer: {}", failure);
      auto closing = close(CloseCode::internal, failure);
      co_await std::move(closing);
    }
    abandon();
  }

  net::awaitable<void> send_text(std::string message) override {
    socket_.text(true);
    auto sending = send(net::buffer(message));
    co_await std::move(sending);
  }

  net::awaitable<void> send_binary(std::shared_ptr<const std::vector<uint8_t>> message) override {
    socket_.binary(true);
    auto sending = send(net::buffer(*message));
    co_await std::move(sending);
  }

  void on_text(std::function<void(std::string)> callback) override { on_text_ = std::move(callback); }
  void on_binary(std::function<void(std::string)> callback) override { on_binary_ = std::move(callback); }

  net::awaitable<void> close(CloseCode code, std::string reason) override {
    if (reason.size() > kReasonBytes) reason.resize(kReasonBytes);
    while (!reason.empty() && (static_cast<unsigned char>(reason.back()) & 0x80))
      reason.pop_back();  // no half character
    websocket::close_reason why(static_cast<websocket::close_code>(code), reason);
    auto closing = socket_.async_close(why, kAsTuple);  // bounded by handshake_timeout
    co_await std::move(closing);
  }

 private:
  net::awaitable<void> send(net::const_buffer message) {
    do {
      const net::const_buffer frame = net::buffer(message, kFrameBytes);
      message += frame.size();
      auto ready = wait_writable();
      if (!co_await std::move(ready)) {
        ++service_.counters.viewers_dropped;
        auto closing =
            close(CloseCode::policy, fmt::format("the client read nothing for {} ms", service_.limits.stall.count()));
        co_await std::move(closing);
        throw ViewerGone("too slow");
      }
      auto writing = socket_.async_write_some(message.size() == 0, frame, kAsTuple);
      const auto [error, bytes] = co_await std::move(writing);
      if (error) throw ViewerGone(error.message());
      service_.counters.bytes_sent += static_cast<int64_t>(bytes);
    } while (message.size() > 0);
  }

  /// False: no room in the send buffer for the time of a stall.
  net::awaitable<bool> wait_writable() {
    timer_.expires_after(service_.limits.stall);
    auto writable = beast::get_lowest_layer(socket_).socket().async_wait(tcp::socket::wait_write, kAsTuple);
    auto late = timer_.async_wait(kAsTuple);
    const auto first = co_await (std::move(writable) || std::move(late));
    const auto state = co_await net::this_coro::cancellation_state;
    if (state.cancelled() != net::cancellation_type::none) throw ViewerGone("left");
    co_return first.index() == 0;
  }

  void abandon() {
    error_code ignored;
    beast::get_lowest_layer(socket_).socket().close(ignored);
  }

  websocket::stream<beast::tcp_stream> socket_;
  net::steady_timer timer_;
  std::function<void(std::string)> on_text_, on_binary_;
  Service& service_;
};

}  // namespace

net::awaitable<void> run_viewer_socket(beast::tcp_stream stream, beast::http::request<beast::http::string_body> request,
                                       Feed feed, std::string kind, Service& service) {
  ViewerSocket viewer(std::move(stream), service);
  auto accepting = viewer.accept(request);
  if (!co_await std::move(accepting)) co_return;
  ++service.counters.answers[101];
  const Counted counted(service.counters.viewers);
  const Counted of_kind(service.counters.viewers_by_kind[kind]);  // map nodes stay where they are
  auto reading = viewer.read();
  auto writing = viewer.write(std::move(feed));
  co_await (std::move(reading) || std::move(writing));
}

}  // namespace rushes::server
