#include "rushes/server/api/omniavatar/assistant.h"

#include <openssl/ssl.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>
#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>

#include "rushes/server/http/base64.h"

namespace rushes::server::omniavatar {
namespace {

namespace beast = boost::beast;
namespace http = beast::http;
namespace ssl = net::ssl;
using tcp = net::ip::tcp;
using boost::system::error_code;

constexpr auto kAsTuple = net::as_tuple(net::use_awaitable);
constexpr std::uint64_t kMaxAnswerBytes = 64 << 20;

void check(const error_code& error, const char* what) {
  require(!error, ErrorCode::unavailable, "the assistant cannot be reached: {}: {}", what, error.message());
}

struct Answer {
  unsigned status = 0;
  std::string body;
};

/// `stream` is connected.
template <typename Stream>
net::awaitable<Answer> ask_over(Stream& stream, const http::request<http::string_body>& request) {
  auto writing = http::async_write(stream, request, kAsTuple);
  const auto [write_error, written] = co_await std::move(writing);
  check(write_error, "the question");
  beast::flat_buffer buffer;
  http::response_parser<http::string_body> parser;
  parser.body_limit(kMaxAnswerBytes);
  auto reading = http::async_read(stream, buffer, parser, kAsTuple);
  const auto [read_error, read] = co_await std::move(reading);
  check(read_error, "the answer");
  co_return Answer{parser.get().result_int(), std::move(parser.get().body())};
}

net::awaitable<Answer> post(const AssistantOptions& options, std::string body) {
  const auto url = boost::urls::parse_uri(options.url);
  require(url.has_value() && (url->scheme() == "http" || url->scheme() == "https"), ErrorCode::invalid_argument,
          "the assistant's address '{}' is not an http:// or https:// address", options.url);
  const std::string host = url->host_name(), scheme = url->scheme();
  std::string path(url->encoded_path());
  if (path.ends_with('/')) path.pop_back();
  http::request<http::string_body> request{http::verb::post, path + "/chat/completions", 11};
  request.set(http::field::host, std::string(url->encoded_host_and_port()));
  request.set(http::field::content_type, "application/json");
  request.set(http::field::accept, "application/json");
  if (!options.key.empty()) request.set(http::field::authorization, "Bearer " + options.key);
  request.body() = std::move(body);
  request.prepare_payload();

  const auto executor = co_await net::this_coro::executor;
  tcp::resolver resolver(executor);
  const std::string port = url->has_port() && !url->port().empty() ? std::string(url->port()) : scheme;
  auto resolving = resolver.async_resolve(host, port, kAsTuple);
  const auto [resolve_error, endpoints] = co_await std::move(resolving);
  check(resolve_error, "its address");
  ssl::context context(ssl::context::tls_client);
  context.set_default_verify_paths();
  context.set_verify_mode(ssl::verify_peer);
  beast::ssl_stream<beast::tcp_stream> stream(executor, context);
  beast::tcp_stream& plain = stream.next_layer();
  plain.expires_after(options.patience);
  auto connecting = plain.async_connect(endpoints, kAsTuple);
  const auto [connect_error, endpoint] = co_await std::move(connecting);
  check(connect_error, "its address");
  if (scheme == "http") {
    auto exchanging = ask_over(plain, request);
    co_return co_await std::move(exchanging);
  }
  SSL_set_tlsext_host_name(stream.native_handle(), host.c_str());
  stream.set_verify_callback(ssl::host_name_verification(host));
  auto shaking = stream.async_handshake(ssl::stream_base::client, kAsTuple);
  const auto [handshake_error] = co_await std::move(shaking);
  check(handshake_error, "TLS");
  auto exchanging = ask_over(stream, request);
  co_return co_await std::move(exchanging);
}

}  // namespace

std::string question(const AssistantOptions& options, std::span<const uint8_t> wav) {
  const Json heard{{"type", "input_audio"}, {"input_audio", {{"data", encode_base64(wav)}, {"format", "wav"}}}};
  return Json{{"model", options.model},
              {"modalities", {"text", "audio"}},
              {"audio", {{"voice", options.voice}, {"format", "wav"}}},
              {"messages", Json::array({{{"role", "user"}, {"content", Json::array({heard})}}})}}
      .dump();
}

Reply read_reply(unsigned status, std::string_view body) {
  const Json answer = Json::parse(body, nullptr, false);
  require(status == 200, ErrorCode::unavailable, "the assistant answers {}: {}", status, body.substr(0, 300));
  Reply reply;
  try {
    const Json& message = answer.at("choices").at(0).at("message");
    const Json& sound = message.at("audio");
    reply.sound = decode_base64("audio", sound.at("data").get_ref<const std::string&>());
    const auto words = sound.find("transcript");
    if (words != sound.end() && words->is_string()) reply.text = words->get<std::string>();
    const auto content = message.find("content");
    if (reply.text.empty() && content != message.end() && content->is_string())
      reply.text = content->get<std::string>();
  } catch (const std::exception& error) {
    fail(ErrorCode::unavailable, "the assistant's answer has no choices[0].message.audio.data ({}): {}", error.what(),
         body.substr(0, 300));
  }
  require(!reply.sound.empty(), ErrorCode::unavailable, "the assistant said nothing");
  return reply;
}

net::awaitable<Reply> ask(AssistantOptions options, std::vector<uint8_t> wav, WorkPool& work) {
  auto writing = work.run([&] { return question(options, wav); });
  std::string body = co_await std::move(writing);
  auto posting = post(options, std::move(body));
  const Answer answer = co_await std::move(posting);
  auto reading = work.run([&] { return read_reply(answer.status, answer.body); });
  co_return co_await std::move(reading);
}

}  // namespace rushes::server::omniavatar
