#include "rushes/server/http/connection.h"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/websocket/rfc6455.hpp>

#include "rushes/base/log.h"
#include "rushes/base/printable.h"
#include "rushes/generation/device_worker.h"
#include "rushes/server/http/cors.h"
#include "rushes/server/http/incoming.h"
#include "rushes/server/http/pace.h"
#include "rushes/server/http/response_writer.h"
#include "rushes/server/http/retry_after.h"
#include "rushes/server/http/static_files.h"
#include "rushes/server/http/text_case.h"
#include "rushes/server/http/viewer_socket.h"
#include "rushes/server/http/websocket.h"

namespace rushes::server {
namespace {

namespace beast = boost::beast;
namespace http = beast::http;
using tcp = net::ip::tcp;
using boost::system::error_code;
using namespace net::experimental::awaitable_operators;
using Parser = http::request_parser<http::buffer_body>;

// Every operation gives its error as a value; with GCC 12 it is named before it is awaited.
constexpr auto kAsTuple = net::as_tuple(net::use_awaitable);
constexpr std::size_t kPieceBytes = 64 << 10;
// Of a body's chunks, what is no body: sizes, extensions, line breaks, trailers. Chunks of a byte have five.
constexpr std::size_t kMaxFramingBytes = 1 << 20, kMaxFramingOfByte = 8;

class Connection {
 public:
  Connection(tcp::socket socket, const tcp::endpoint& peer, uint16_t port, Service& service, const Router& router)
      : stream_(std::move(socket)),
        peer_(peer.address()),
        port_(port),
        buffer_(service.limits.header_bytes + kPieceBytes),
        service_(service),
        router_(router) {}

  net::awaitable<void> run() {
    bool open = true;
    while (open && !service_.closing) {
      open = co_await wait_for_request();
      if (open) open = co_await serve_request();
    }
    error_code ignored;
    stream_.socket().shutdown(tcp::socket::shutdown_both, ignored);
  }

 private:
  /// False: the client has left, or kept silent for too long, or the server ends.
  net::awaitable<bool> wait_for_request() {
    if (buffer_.size() > 0) co_return true;
    service_.idle.insert(&stream_);
    stream_.expires_after(service_.limits.idle);
    auto reading = stream_.async_read_some(buffer_.prepare(4096), kAsTuple);
    const auto [error, bytes] = co_await std::move(reading);
    service_.idle.erase(&stream_);
    buffer_.commit(bytes);
    co_return !error;
  }

  /// Throws away the empty lines that some clients send before a request (RFC 9112, 2.2). False: nothing follows.
  net::awaitable<bool> skip_empty_lines() {
    for (;;) {
      const std::string_view begin(static_cast<const char*>(buffer_.data().data()), buffer_.size());
      const std::size_t empty = std::min(begin.find_first_not_of("\r\n"), begin.size());
      buffer_.consume(empty);
      if (empty < begin.size()) co_return true;
      auto reading = stream_.async_read_some(buffer_.prepare(4096), kAsTuple);
      const auto [error, bytes] = co_await std::move(reading);
      if (error) co_return false;
      buffer_.commit(bytes);
    }
  }

  /// False: no further request on this connection.
  net::awaitable<bool> serve_request() {
    exchange_ = {};
    Parser parser;
    parser.header_limit(static_cast<uint32_t>(service_.limits.header_bytes));
    parser.body_limit(boost::none);  // known when the route is
    stream_.expires_after(service_.limits.header);
    if (!co_await skip_empty_lines()) co_return false;
    auto reading = http::async_read_header(stream_, buffer_, parser, kAsTuple);
    const auto [error, bytes] = co_await std::move(reading);
    if (error) {
      co_await refuse_header(error);
      co_return false;
    }
    exchange_.version = parser.get().version();
    exchange_.keep_alive = parser.get().keep_alive() && !service_.closing;
    const bool has_body = !parser.is_done();
    Response response;
    Feed feed;
    const Route* route = prepare(parser, response, feed);
    const Route* const asked = route;
    if (feed) {
      ViewerKind kind{exchange_.kind, exchange_.max_message_bytes};
      auto serving =
          run_viewer_socket(std::move(stream_), parser.release(), std::move(feed), std::move(kind), service_);
      co_await std::move(serving);
      co_return false;
    }
    std::optional<Uploads::Upload> upload;
    upload.emplace(service_.uploads, [this] { stream_.cancel(); });
    if (route && has_body) {
      if (!co_await read_body(parser, *route, *upload, response)) route = nullptr;
      if (!stream_.socket().is_open()) co_return false;
    }
    if (route) {
      if (route->answer_later) {
        auto answering = answer_later(*route);
        std::optional<Response> answer = co_await std::move(answering);
        if (!answer) co_return false;
        response = std::move(*answer);
      } else {
        response = answer(*route);
      }
    } else {
      if (has_body) exchange_.keep_alive = false;  // what the client still sends of the body is no request
      rephrase(asked, response);
    }
    // An answer may last as long as a session; what was asked for with is not needed any more.
    std::string().swap(exchange_.request.body);
    upload.reset();
    const bool sent = co_await send_response(stream_, service_, exchange_, std::move(response));
    if (sent && !exchange_.keep_alive) co_await linger();
    co_return sent&& exchange_.keep_alive;
  }

  net::awaitable<void> refuse_header(error_code error) {
    // A timeout or a client that has left: nobody is there to be told.
    if (error.category() != make_error_code(http::error::bad_method).category() ||
        error == http::error::end_of_stream || error == http::error::partial_message)
      co_return;
    exchange_.keep_alive = false;
    Response response =
        error == http::error::header_limit
            ? error_response(431, "too_large",
                             fmt::format("the header has more than {} bytes", service_.limits.header_bytes))
            : error_response(400, "invalid_argument", "this is not an HTTP/1.1 request: " + error.message());
    if (co_await send_response(stream_, service_, exchange_, std::move(response))) co_await linger();
  }

  /// The route that is to answer, or null: then `feed` or `response` is set.
  const Route* prepare(const Parser& parser, Response& response, Feed& feed) {
    Request& request = exchange_.request;
    try {
      request = read_header(parser.get());
      if (auto refusal = refuse_message(parser.get(), request)) {
        exchange_.keep_alive = false;
        response = std::move(*refusal);
        return nullptr;
      }
      service_.proxies.apply(peer_, port_, request);
      request.query = parse_query(request.query_text);
      return choose(beast::websocket::is_upgrade(parser.get()), response, feed);
    } catch (...) {
      response = failure();
      return nullptr;
    }
  }

  const Route* choose(bool is_upgrade, Response& response, Feed& feed) {
    Request& request = exchange_.request;
    Router::Match match = router_.match(request.method, request.path);
    if (request.method == "OPTIONS") {
      response = preflight(service_.access, request, match.allowed);
      return nullptr;
    }
    const bool is_page = !match.route && match.allowed.empty() && !request.path.starts_with("/v1/");
    const Asked asked{.needs_token = !is_page && (!match.route || match.route->access == Route::Access::token),
                      .changes = is_upgrade || request.method != "GET" ||
                                 (match.route && match.route->effect == Route::Effect::changes)};
    if (auto refusal = refuse(service_.access, request, asked)) {
      response = std::move(*refusal);
      return nullptr;
    }
    if (!match.route && !match.allowed.empty()) {
      response =
          error_response(405, "invalid_argument",
                         fmt::format("{} does not support {}; use {}", request.path, request.method, match.allowed));
      response.headers.emplace_back("Allow", match.allowed);
      return nullptr;
    }
    if (!match.route) {
      require(is_page, ErrorCode::not_found, "there is nothing at {}", request.path);
      response = unknown(request);
      return nullptr;
    }
    request.path_values = std::move(match.path_values);
    exchange_.kind = match.route->kind();
    exchange_.max_message_bytes =
        match.route->max_message_bytes ? match.route->max_message_bytes : service_.limits.message_bytes;
    const bool answers = match.route->answer || match.route->answer_later;
    if (!match.route->feed || (answers && !is_upgrade)) return match.route;
    if (!is_upgrade) {
      response =
          error_response(426, "invalid_argument", "this address is a WebSocket; connect with Upgrade: websocket");
      response.headers.emplace_back("Upgrade", "websocket");
      return nullptr;
    }
    if (!service_.closing)
      feed = match.route->feed(request);
    else
      response = error_response(503, "unavailable", "the server is shutting down");
    return nullptr;
  }

  /// A file of the page, or that there is nothing. Our hints are no words of the APIs of others.
  Response unknown(const Request& request) const {
    if (request.method != "GET") return error_response(405, "invalid_argument", "only GET is supported here");
    return serve_static(service_.web_root, request, router_.rephrase() ? NoPage::not_found : NoPage::explained);
  }

  /// `asked`: the route that would have answered; null: there is none.
  void rephrase(const Route* asked, Response& response) const {
    const Rephrase& words = asked && asked->rephrase ? asked->rephrase : router_.rephrase();
    if (words && (response.status >= 400 || exchange_.request.method == "OPTIONS")) words(exchange_.request, response);
  }

  /// False: `response` says why not, or the client has left.
  net::awaitable<bool> read_body(Parser& parser, const Route& route, Uploads::Upload& upload, Response& response) {
    const std::size_t limit = route.max_body_bytes;
    const auto too_large = [&] {
      return error_response(
          Error(ErrorCode::too_large,
                fmt::format("the body has more than the {} bytes that are allowed for this path", limit)));
    };
    if (parser.content_length() && *parser.content_length() > limit) {
      response = too_large();
      co_return false;
    }
    parser.body_limit(limit);
    if (exchange_.version > 10 && equal_names(exchange_.request.header("expect"), "100-continue")) {
      static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
      stream_.expires_after(service_.limits.stall);
      auto writing = net::async_write(stream_, net::buffer(kContinue), kAsTuple);
      co_await std::move(writing);
    }
    auto receiving = receive(parser, upload);
    const error_code error = co_await std::move(receiving);
    upload.complete();
    if (!error) co_return true;
    if (error == http::error::body_limit) {
      response = too_large();
    } else if (error == net::error::no_buffer_space) {
      response = error_response(Error(
          ErrorCode::unavailable,
          fmt::format("the bodies of all requests would have more than {} bytes, which is the limit; try again later "
                      "(--max-upload-mib)",
                      service_.uploads.memory().most())));
    } else if (error == net::error::no_memory) {
      response = error_response(503, "exhausted", "not enough memory for the body of this request; try again later");
    } else if (error.category() == make_error_code(http::error::bad_method).category() &&
               error != http::error::partial_message) {
      response = error_response(400, "invalid_argument", "the body is malformed: " + error.message());
    } else {
      error_code ignored;
      stream_.socket().close(ignored);
    }
    co_return false;
  }

  /// Into the request, piece by piece: the time is for a stall, not for all of it.
  net::awaitable<error_code> receive(Parser& parser, Uploads::Upload& upload) {
    std::string& body = exchange_.request.body;
    Pace pace(service_.limits.body, Pace::Clock::now());
    std::vector<char> piece(kPieceBytes);
    // A body that is announced, and may be as large, is never moved: growing by doubling copies its last half at once,
    // on the thread that answers everybody. Memory that nothing has been written to costs nothing.
    try {
      body.reserve(static_cast<std::size_t>(parser.content_length().value_or(0)));
    } catch (const std::exception&) {
      co_return net::error::no_memory;
    }
    int64_t received = 0;
    while (!parser.is_done()) {
      parser.get().body().data = piece.data();
      parser.get().body().size = piece.size();
      stream_.expires_after(pace.stall());
      auto reading = http::async_read_some(stream_, buffer_, parser, kAsTuple);
      const auto [error, bytes] = co_await std::move(reading);
      if (error && error != http::error::need_buffer) co_return error;
      received += static_cast<int64_t>(bytes);
      if (!pace.goes_on(received, Pace::Clock::now())) co_return net::error::timed_out;
      try {
        body.append(piece.data(), piece.size() - parser.get().body().size);
      } catch (const std::bad_alloc&) {
        std::string().swap(body);
        co_return net::error::no_memory;
      }
      if (upload.interrupted() || !upload.grow(static_cast<int64_t>(body.size()))) {
        std::string().swap(body);  // at once, not when its client has heard of it
        co_return net::error::no_buffer_space;
      }
      if (static_cast<std::size_t>(received) > kMaxFramingBytes + (1 + kMaxFramingOfByte) * body.size())
        co_return http::error::bad_chunk;
    }
    co_return error_code{};
  }

  Response failure() const {
    try {
      throw;
    } catch (const Busy& busy) {  // says for how long
      return error_response(busy);
    } catch (...) {
      const generation::Failure failure = generation::current_failure();
      if (failure.code == ErrorCode::internal)
        log::error("request {} {}: {}", exchange_.request.method, printable(exchange_.request.path), failure.message);
      return error_response(Error(failure.code, failure.message));
    }
  }

  Response answer(const Route& route) {
    try {
      return route.answer(exchange_.request);
    } catch (...) {
      return failure();
    }
  }

  /// Nothing: the client has left. What was done for it ends where it waits.
  net::awaitable<std::optional<Response>> answer_later(const Route& route) {
    stream_.expires_never();
    auto answering = answer_or_failure(route);
    auto gone = client_gone(stream_);
    auto first = co_await (std::move(answering) || std::move(gone));
    if (first.index() != 0) co_return std::nullopt;
    co_return std::get<0>(std::move(first));
  }

  net::awaitable<Response> answer_or_failure(const Route& route) {
    try {
      auto answering = route.answer_later(exchange_.request);
      co_return co_await std::move(answering);
    } catch (const boost::system::system_error& error) {
      if (error.code() == net::error::operation_aborted) throw;  // nobody is there to be told
      co_return failure();
    } catch (...) {
      co_return failure();
    }
  }

  /// Ends the connection so that the answer arrives even if the client is still sending: closing with unread bytes
  /// would reset it.
  net::awaitable<void> linger() {
    error_code ignored;
    stream_.socket().shutdown(tcp::socket::shutdown_send, ignored);
    stream_.expires_after(std::chrono::seconds(2));
    std::vector<char> scratch(kPieceBytes);
    for (std::size_t total = 0; total < (std::size_t{64} << 20);) {
      auto reading = stream_.async_read_some(net::buffer(scratch), kAsTuple);
      const auto [error, bytes] = co_await std::move(reading);
      if (error) break;
      total += bytes;
    }
  }

  beast::tcp_stream stream_;
  const net::ip::address peer_;
  const uint16_t port_;
  beast::flat_buffer buffer_;
  Service& service_;
  const Router& router_;
  Exchange exchange_;
};

}  // namespace

net::awaitable<void> serve_connection(tcp::socket socket, Service& service, const Router& router,
                                      [[maybe_unused]] Counted counted) {
  error_code ignored;
  socket.set_option(tcp::no_delay(true), ignored);
  socket.set_option(tcp::socket::send_buffer_size(service.limits.send_buffer_bytes), ignored);
  const tcp::endpoint peer = socket.remote_endpoint(ignored);
  const uint16_t port = socket.local_endpoint(ignored).port();
  try {
    Connection connection(std::move(socket), peer, port, service, router);
    co_await connection.run();
  } catch (...) {
    log::warning("connection: {}", generation::current_failure().message);
  }
}

}  // namespace rushes::server
