#include "rushes/server/http/response_writer.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/buffers_to_string.hpp>
#include <boost/beast/http.hpp>
#include <optional>

#include "rushes/base/log.h"
#include "rushes/base/printable.h"
#include "rushes/generation/device_worker.h"
#include "rushes/server/http/cors.h"
#include "rushes/server/http/pace.h"
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

using Piece = std::shared_ptr<const std::vector<uint8_t>>;

class ResponseWriter {
 public:
  ResponseWriter(beast::tcp_stream& stream, Service& service, Exchange& exchange)
      : stream_(stream), service_(service), exchange_(exchange) {
    stream_.expires_never();  // PacedWriter has its own
  }

  net::awaitable<bool> run(Response response) {
    ++service_.counters.answers[response.status];
    if (const auto* text = std::get_if<std::string>(&response.body)) co_return co_await send_text(response, *text);
    if (const auto* bytes = std::get_if<SharedRange>(&response.body))
      co_return co_await send_text(response, bytes->view());
    if (const auto* file = std::get_if<FileRange>(&response.body)) co_return co_await send_file(response, *file);
    co_return co_await send_stream(response, *std::get<std::unique_ptr<BodySource>>(response.body));
  }

 private:
  http::response<http::empty_body> header_of(const Response& response) {
    http::response<http::empty_body> message;
    message.version(exchange_.version);
    message.result(static_cast<unsigned>(response.status));
    message.set(http::field::server, "rushes");
    message.set("X-Content-Type-Options", "nosniff");
    if (has_content(response)) message.set(http::field::content_type, response.content_type);
    for (const auto& [name, value] : cors_headers(service_.access, exchange_.request, response))
      message.set(name, value);
    for (const auto& [name, value] : response.headers) message.set(name, value);
    message.keep_alive(exchange_.keep_alive);
    return message;
  }

  /// 304 would have to tell the length of what it does not send.
  static bool has_content(const Response& response) { return response.status != 204 && response.status != 304; }

  static std::string text_of(http::response<http::empty_body>& message) {
    http::response_serializer<http::empty_body> serializer(message);
    std::string text;
    error_code ignored;
    serializer.next(ignored, [&](error_code&, const auto& buffers) { text = beast::buffers_to_string(buffers); });
    return text;
  }

  PacedWriter paced(std::chrono::milliseconds stall) { return PacedWriter(stream_.socket(), stall); }

  /// `text` is sent from where it lies.
  net::awaitable<bool> send_text(const Response& response, std::string_view text) {
    auto message = header_of(response);
    if (has_content(response)) message.content_length(text.size());
    const std::string head = text_of(message);
    if (exchange_.request.head) text = {};
    PacedWriter writer = paced(service_.limits.stall);
    co_return co_await write(writer, net::buffer(head), net::buffer(text));
  }

  net::awaitable<bool> send_file(const Response& response, const FileRange& range) {
    auto message = header_of(response);
    message.content_length(static_cast<uint64_t>(range.size));
    const std::string head = text_of(message);
    PacedWriter writer = paced(service_.limits.download_stall);
    bool sent = co_await write(writer, net::buffer(head));
    if (exchange_.request.head) co_return sent;
    std::vector<uint8_t> piece;
    for (int64_t left = range.size; sent && left > 0; left -= static_cast<int64_t>(piece.size())) {
      piece.resize(std::min(kPieceBytes, static_cast<std::size_t>(left)));
      // Shorter than announced (somebody cut it): the connection must end, so that the client sees it.
      if (!range.file->read(range.offset + range.size - left, piece)) co_return false;
      sent = co_await write(writer, net::buffer(piece));
    }
    co_return sent;
  }

  /// In chunks, unless the response has a Content-Length.
  net::awaitable<bool> send_stream(const Response& response, BodySource& source) {
    const bool sized = response.has_header("Content-Length"), chunked = !sized && exchange_.version >= 11;
    if (!sized && !chunked) exchange_.keep_alive = false;  // the end of the connection is the end of the body
    auto message = header_of(response);
    if (chunked) message.chunked(true);
    const std::string head = text_of(message);
    PacedWriter writer = paced(service_.limits.download_stall);
    if (!co_await write(writer, net::buffer(head))) co_return false;
    if (exchange_.request.head) co_return true;
    const Counted viewer(service_.counters.viewers_by_kind[exchange_.kind]);
    try {
      while (const auto piece = co_await next_piece(source, writer, chunked)) {
        writer.resume();
        if (!co_await send_part(writer, net::buffer(*piece), chunked)) co_return false;
      }
    } catch (const ViewerGone&) {
      co_return false;
    } catch (...) {
      // Too late for a status: a body that ends without its last chunk tells the client that it is incomplete.
      log::warning("request {} {}: {}", exchange_.request.method, printable(exchange_.request.path),
                   generation::current_failure().message);
      co_return false;
    }
    if (!chunked) co_return true;
    static constexpr std::string_view kLastChunk = "0\r\n\r\n";
    co_return co_await write(writer, net::buffer(kLastChunk));
  }

  net::awaitable<bool> send_part(PacedWriter& writer, net::const_buffer part, bool chunked) {
    if (part.size() == 0) co_return true;  // an empty chunk would be the last
    const std::string size = chunked ? fmt::format("{:x}\r\n", part.size()) : std::string();
    const std::string_view end = chunked ? "\r\n" : "";
    co_return co_await write(writer, net::buffer(size), part, net::buffer(end));
  }

  net::awaitable<bool> write(PacedWriter& writer, net::const_buffer first, net::const_buffer second = {},
                             net::const_buffer third = {}) {
    const PacedWriter::Buffers buffers{first, second, third};
    auto writing = writer.write(buffers);
    const bool written = co_await std::move(writing);
    if (written) service_.counters.bytes_sent += static_cast<int64_t>(beast::buffer_bytes(buffers));
    if (writer.late()) ++service_.counters.viewers_dropped;
    co_return written;
  }

  /// Null: the body is complete. Throws what the source throws, and if the client leaves while there is nothing to
  /// send.
  net::awaitable<Piece> next_piece(BodySource& source, PacedWriter& writer, bool chunked) {
    bool over = false;
    std::optional<std::pair<Piece, std::exception_ptr>> arrived;
    auto next = piece_of(source, arrived, over);
    auto gone = gone_from(stream_, over);
    auto silence = keep_alive(source, writer, chunked, over);
    co_await (std::move(next) || std::move(gone) || std::move(silence));
    // Which of them was the first does not tell: one that was just keeping the line open is done before the others,
    // too.
    if (!arrived) throw ViewerGone("left");
    auto [piece, failure] = std::move(*arrived);
    if (failure) std::rethrow_exception(failure);
    co_return std::move(piece);
  }

  /// The failure as a value: an exception would leave the others that are awaited with it running.
  static net::awaitable<bool> piece_of(BodySource& source, std::optional<std::pair<Piece, std::exception_ptr>>& arrived,
                                       bool& over) {
    std::pair<Piece, std::exception_ptr> result;
    try {
      auto next = source.next();
      result.first = co_await std::move(next);
    } catch (...) {
      result.second = std::current_exception();
    }
    if (!over) arrived = std::move(result);  // else it was cancelled
    over = true;
    co_return true;
  }

  static net::awaitable<bool> gone_from(beast::tcp_stream& stream, bool& over) {
    auto gone = client_gone(stream);
    co_await std::move(gone);
    over = true;
    co_return true;
  }

  /// Lets proxies and clients see, while there is nothing to send, that more will come. Returns when it cannot be sent.
  net::awaitable<void> keep_alive(BodySource& source, PacedWriter& writer, bool chunked, bool& over) {
    net::steady_timer silence(stream_.get_executor());
    for (;;) {
      silence.expires_after(service_.limits.keep_alive);
      auto waiting = silence.async_wait(kAsTuple);
      const auto [cancelled] = co_await std::move(waiting);
      if (cancelled) co_return;
      const std::string bytes = source.keep_alive();
      if (bytes.empty()) continue;
      // What has begun must be sent to its end: half a chunk would be none.
      co_await net::this_coro::reset_cancellation_state(net::disable_cancellation());
      writer.resume();
      const bool sent = co_await send_part(writer, net::buffer(bytes), chunked);
      if (!sent) over = true;
      if (over) co_return;
      co_await net::this_coro::reset_cancellation_state(net::enable_terminal_cancellation());
    }
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
