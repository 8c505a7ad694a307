#include "rushes/server/http/viewer_socket.h"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/websocket.hpp>
#include <optional>

#include "rushes/base/log.h"
#include "rushes/base/printable.h"
#include "rushes/generation/device_worker.h"
#include "rushes/server/http/pace.h"
#include "rushes/server/http/websocket.h"

namespace rushes::server {
namespace {

namespace beast = boost::beast;
namespace websocket = beast::websocket;
using tcp = net::ip::tcp;
using boost::system::error_code;
using namespace net::experimental::awaitable_operators;

constexpr auto kAsTuple = net::as_tuple(net::use_awaitable);
constexpr std::size_t kReasonBytes = 123;  // RFC 6455, 5.5: 125 less the code
constexpr std::size_t kReadBytes = 64 << 10, kFarBeyond = 16;
constexpr std::size_t kLargeBytes = 1 << 20;

// Note: room for the close frame. A message goes out in frames of this size, each begun only when the kernel calls the
// socket writable, that is (Linux) while at least a third of the send buffer is free. So a frame never gets stuck half
// way, and a viewer that does not read can still be sent a close frame with the reason.
constexpr std::size_t kFrameBytes = 16 << 10;

class ViewerSocket final : public WebSocket {
 public:
  ViewerSocket(beast::tcp_stream stream, std::size_t max_message_bytes, Service& service)
      : socket_(std::move(stream)),
        writer_(beast::get_lowest_layer(socket_).socket(), service.limits.stall),
        max_message_bytes_(max_message_bytes),
        service_(service) {}

  net::awaitable<bool> accept(const beast::http::request<beast::http::buffer_body>& request) {
    beast::get_lowest_layer(socket_).expires_never();                // the WebSocket has its own
    path_ = request.target().substr(0, request.target().find('?'));  // behind it may be a token
    websocket::stream_base::timeout timeouts{};
    timeouts.handshake_timeout = service_.limits.closing;
    timeouts.idle_timeout = websocket::stream_base::none();  // see keep_alive()
    socket_.set_option(timeouts);
    // What is far beyond the limit ends here, by the length that it gives; for the rest, see read_messages().
    socket_.read_message_max(kFarBeyond * max_message_bytes_);
    socket_.control_callback([this](websocket::frame_type, std::string_view) { heard_ = Pace::Clock::now(); });
    socket_.auto_fragment(false);
    auto accepting = socket_.async_accept(request, kAsTuple);
    const auto [error] = co_await std::move(accepting);
    co_return !error;
  }

  /// Until the viewer has left: pings and closes are answered in here.
  net::awaitable<void> read() {
    std::optional<std::pair<CloseCode, std::string>> refusal;
    try {
      auto reading = read_messages();
      refusal = co_await std::move(reading);
    } catch (...) {
      refusal = {CloseCode::internal, generation::current_failure().message};
    }
    if (refusal) {
      auto closing = close(refusal->first, std::move(refusal->second));
      co_await std::move(closing);
    }
    // Whatever the feed waits for, it ends now.
    abandon();
  }

  /// Pings, so that proxies between see no silence. Returns when nothing comes back any more. Who is behind with
  /// reading answers late, but takes what was sent.
  net::awaitable<void> keep_alive() {
    net::steady_timer timer(socket_.get_executor());
    const auto period = std::min(service_.limits.keep_alive, service_.limits.idle / 2);
    int64_t taken = 0;
    for (;;) {
      timer.expires_after(period);
      auto waiting = timer.async_wait(kAsTuple);
      const auto [cancelled] = co_await std::move(waiting);
      if (cancelled) co_return;
      const auto now = Pace::Clock::now();
      if (writer_.taken() > std::exchange(taken, writer_.taken())) heard_ = now;
      if (now - heard_ >= service_.limits.idle) break;
      if (sending_) continue;  // a ping could get stuck as well
      auto pinging = socket_.async_ping({}, kAsTuple);
      const auto [error] = co_await std::move(pinging);
      if (error) co_return;
    }
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
      log::warning("viewer of {}: {}", printable(path_), failure);
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
  void on_message(std::function<net::awaitable<void>(std::string, bool)> callback) override {
    on_message_ = std::move(callback);
  }

  net::awaitable<void> close(CloseCode code, std::string reason) override {
    if (reason.size() > kReasonBytes) reason.resize(kReasonBytes);
    while (!reason.empty() && (static_cast<unsigned char>(reason.back()) & 0x80))
      reason.pop_back();  // no half character
    websocket::close_reason why(static_cast<websocket::close_code>(code), reason);
    auto closing = socket_.async_close(why, kAsTuple);  // bounded by handshake_timeout
    co_await std::move(closing);
  }

 private:
  /// Why no more are read; nothing: the viewer has left.
  net::awaitable<std::optional<std::pair<CloseCode, std::string>>> read_messages() {
    std::vector<char> piece(kReadBytes);
    std::string message;
    std::optional<Uploads::Upload> upload;
    for (;;) {
      auto reading = socket_.async_read_some(net::buffer(piece), kAsTuple);
      const auto [error, bytes] = co_await std::move(reading);
      if (error) co_return std::nullopt;
      heard_ = Pace::Clock::now();
      if (message.size() + bytes > max_message_bytes_)
        co_return std::pair(CloseCode::too_big,
                            fmt::format("a message has more than the {} bytes that are allowed", max_message_bytes_));
      // One that is large is moved once, not each time that it has doubled. Memory that nothing has been written to
      // costs nothing.
      if (message.size() + bytes > kLargeBytes) message.reserve(max_message_bytes_);
      message.append(piece.data(), bytes);
      if (!upload && message.size() > kReadBytes) upload.emplace(service_.uploads, [this] { abandon(); });
      if (upload && (upload->interrupted() || !upload->grow(static_cast<int64_t>(message.size()))))
        co_return std::pair(CloseCode::policy, std::string("the bodies of all requests would have more bytes than are "
                                                           "allowed (--max-upload-mib); try again later"));
      if (!socket_.is_message_done()) continue;
      if (upload) upload->complete();
      const bool is_text = socket_.got_text();
      if (on_message_) {
        auto taking = on_message_(std::exchange(message, {}), is_text);
        co_await std::move(taking);
      } else if (const auto& callback = is_text ? on_text_ : on_binary_; callback) {
        callback(std::exchange(message, {}));
      }
      message = {};
      upload.reset();
    }
  }

  net::awaitable<void> send(net::const_buffer message) {
    sending_ = true;
    writer_.resume();
    do {
      const net::const_buffer frame = net::buffer(message, kFrameBytes);
      message += frame.size();
      auto ready = writer_.wait_writable();
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
      writer_.add(bytes);
      service_.counters.bytes_sent += static_cast<int64_t>(bytes);
    } while (message.size() > 0);
    sending_ = false;
  }

  void abandon() {
    error_code ignored;
    beast::get_lowest_layer(socket_).socket().close(ignored);
  }

  websocket::stream<beast::tcp_stream> socket_;
  PacedWriter writer_;
  bool sending_ = false;
  Pace::Clock::time_point heard_ = Pace::Clock::now();
  std::function<void(std::string)> on_text_, on_binary_;
  std::function<net::awaitable<void>(std::string, bool)> on_message_;
  const std::size_t max_message_bytes_;
  std::string path_;  // for the log
  Service& service_;
};

}  // namespace

net::awaitable<void> run_viewer_socket(beast::tcp_stream stream, beast::http::request<beast::http::buffer_body> request,
                                       Feed feed, ViewerKind kind, Service& service) {
  ViewerSocket viewer(std::move(stream), kind.max_message_bytes, service);
  auto accepting = viewer.accept(request);
  if (!co_await std::move(accepting)) co_return;
  ++service.counters.answers[101];
  const Counted viewers(service.counters.viewers);
  const Counted of_kind(service.counters.viewers_by_kind[kind.name]);  // map nodes stay where they are
  auto reading = viewer.read();
  auto writing = viewer.write(std::move(feed));
  auto keeping = viewer.keep_alive();
  co_await (std::move(reading) || std::move(writing) || std::move(keeping));
}

}  // namespace rushes::server
