#include "rushes/server/http/response_writer.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/http/span_body.hpp>
#include <fstream>

#include "rushes/base/log.h"
#include "rushes/generation/device_worker.h"
#include "rushes/server/http/websocket.h"

namespace rushes::server {
namespace {

namespace beast = boost::beast;
namespace http = beast::http;
using tcp = net::ip::tcp;
using boost::system::error_code;
using namespace net::experimental::awaitable_operators;

constexpr auto kAsTuple = net::as_tuple(net::use_awaitable);
constexpr std::size_t kPieceBytes = 64 << 10;

class ResponseWriter {
 public:
  ResponseWriter(beast::tcp_stream& stream, Service& service, Exchange& exchange)
      : stream_(stream), service_(service), exchange_(exchange) {}

  net::awaitable<bool> run(Response response) {
    ++service_.counters.answers[response.status];
    if (const auto* text = std::get_if<std::string>(&response.body)) co_return co_await send_text(response, *text);
    if (const auto* bytes = std::get_if<SharedRange>(&response.body))
      co_return co_await send_text(response, bytes->view());
    if (const auto* file = std::get_if<FileRange>(&response.body)) co_return co_await send_file(response, *file);
    co_return co_await send_stream(response, *std::get<std::unique_ptr<BodySource>>(response.body));
  }

 private:
  template <typename Message>
  void fill_header(Message& message, const Response& response) {
    message.version(exchange_.version);
    message.result(static_cast<unsigned>(response.status));
    message.set(http::field::server, "rushes");
    message.set("X-Content-Type-Options", "nosniff");
    if (response.status != 204) message.set(http::field::content_type, response.content_type);
    if (const auto origin = allowed_origin(service_.access, exchange_.request)) {
      message.set(http::field::access_control_allow_origin, *origin);
      message.set(http::field::vary, "Origin");
    }
    for (const auto& [name, value] : response.headers) message.set(name, value);
  }

  /// `text` is sent from where it lies.
  net::awaitable<bool> send_text(const Response& response, std::string_view text) {
    using Body = http::span_body<const char>;
    http::response<Body> message;
    fill_header(message, response);
    message.keep_alive(exchange_.keep_alive);
    if (response.status != 204) message.content_length(text.size());
    if (!exchange_.request.head) message.body() = {text.data(), text.size()};
    stream_.expires_after(service_.limits.stall);
    http::response_serializer<Body> serializer(message);
    auto writing = http::async_write(stream_, serializer, kAsTuple);
    const auto [error, bytes] = co_await std::move(writing);
    service_.counters.bytes_sent += static_cast<int64_t>(bytes);
    co_return !error;
  }

  net::awaitable<bool> send_head(http::response<http::empty_body>& message) {
    http::response_serializer<http::empty_body> serializer(message);
    stream_.expires_after(service_.limits.stall);
    auto writing = http::async_write_header(stream_, serializer, kAsTuple);
    const auto [error, bytes] = co_await std::move(writing);
    co_return !error;
  }

  net::awaitable<bool> send_file(const Response& response, const FileRange& range) {
    http::response<http::empty_body> message;
    fill_header(message, response);
    message.keep_alive(exchange_.keep_alive);
    message.content_length(static_cast<uint64_t>(range.size));
    bool sent = co_await send_head(message);
    if (exchange_.request.head) co_return sent;
    std::ifstream file(range.path, std::ios::binary);
    file.seekg(range.offset);
    std::vector<char> piece;
    for (int64_t left = range.size; sent && left > 0; left -= static_cast<int64_t>(piece.size())) {
      piece.resize(std::min(kPieceBytes, static_cast<std::size_t>(left)));
      // Shorter than announced (somebody cut it): the connection must end, so that the client sees it.
      if (!file.read(piece.data(), static_cast<std::streamsize>(piece.size()))) co_return false;
      stream_.expires_after(service_.limits.download_stall);
      auto writing = net::async_write(stream_, net::buffer(piece), kAsTuple);
      const auto [error, bytes] = co_await std::move(writing);
      service_.counters.bytes_sent += static_cast<int64_t>(bytes);
      sent = !error;
    }
    co_return sent;
  }

  net::awaitable<bool> send_stream(const Response& response, BodySource& source) {
    http::response<http::empty_body> message;
    fill_header(message, response);
    const bool chunked = exchange_.version >= 11;
    if (!chunked) exchange_.keep_alive = false;  // the end of the connection is the end of the body
    message.keep_alive(exchange_.keep_alive);
    if (chunked) message.chunked(true);
    if (!co_await send_head(message)) co_return false;
    if (exchange_.request.head) co_return true;
    const Counted viewer(service_.counters.viewers_by_kind[exchange_.kind]);
    try {
      while (const auto piece = co_await next_piece(source))
        for (std::size_t offset = 0; offset < piece->size(); offset += kPieceBytes) {
          const auto part = net::buffer(*piece) + offset;
          if (!co_await send_part(net::buffer(part, kPieceBytes), chunked)) co_return false;
        }
    } catch (const ViewerGone&) {
      co_return false;
    } catch (...) {
      // Too late for a status: a body that ends without its last chunk tells the client that it is incomplete.
      log::warning("video stream: {}", generation::current_failure().message);
      co_return false;
    }
    if (!chunked) co_return true;
    auto writing = net::async_write(stream_, http::make_chunk_last(), kAsTuple);
    const auto [error, bytes] = co_await std::move(writing);
    co_return !error;
  }

  net::awaitable<bool> send_part(net::const_buffer part, bool chunked) {
    stream_.expires_after(service_.limits.download_stall);
    error_code failed;
    if (chunked) {
      auto writing = net::async_write(stream_, http::make_chunk(part), kAsTuple);
      const auto [error, bytes] = co_await std::move(writing);
      service_.counters.bytes_sent += static_cast<int64_t>(bytes);
      failed = error;
    } else {
      auto writing = net::async_write(stream_, part, kAsTuple);
      const auto [error, bytes] = co_await std::move(writing);
      service_.counters.bytes_sent += static_cast<int64_t>(bytes);
      failed = error;
    }
    if (failed == beast::error::timeout) ++service_.counters.viewers_dropped;
    co_return !failed;
  }

  /// Null: the body is complete. Throws if the client leaves while there is nothing to send.
  net::awaitable<std::shared_ptr<const std::vector<uint8_t>>> next_piece(BodySource& source) {
    stream_.expires_never();
    auto piece = source.next();
    auto gone = client_gone(stream_);
    auto first = co_await (std::move(piece) || std::move(gone));
    if (first.index() != 0) throw ViewerGone("left");
    co_return std::get<0>(std::move(first));
  }

  beast::tcp_stream& stream_;
  Service& service_;
  Exchange& exchange_;
};

}  // namespace

net::awaitable<bool> send_response(beast::tcp_stream& stream, Service& service, Exchange& exchange, Response response) {
  ResponseWriter writer(stream, service, exchange);
  auto sending = writer.run(std::move(response));
  co_return co_await std::move(sending);
}

net::awaitable<void> client_gone(beast::tcp_stream& stream) {
  auto readable = stream.socket().async_wait(tcp::socket::wait_read, kAsTuple);
  const auto [error] = co_await std::move(readable);
  error_code failed;
  if (error || stream.socket().available(failed) == 0 || failed) co_return;
  // It has sent its next request early; from here on only a write can tell that it has left.
  net::steady_timer never(stream.get_executor(), std::chrono::steady_clock::time_point::max());
  auto waiting = never.async_wait(kAsTuple);
  co_await std::move(waiting);
}

}  // namespace rushes::server
