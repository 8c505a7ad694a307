// What carries messages: WebSockets, and bodies of responses that last as long as the session.
#include <boost/asio/this_coro.hpp>

#include "rushes/media/fragmented_mp4.h"
#include "rushes/server/http/websocket.h"
#include "rushes/server/streaming/pump.h"

namespace rushes::server {
namespace {

using SharedBytes = std::shared_ptr<const media::Bytes>;

std::string text_of(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

class StreamedBody final : public BodySource {
 public:
  StreamedBody(std::shared_ptr<MessageSource> messages, const BodyOptions& options)
      : messages_(std::move(messages)), options_(options) {}
  ~StreamedBody() override {
    if (options_.stops_session) messages_->stop();
  }

  net::awaitable<SharedBytes> next() override {
    auto waiting = messages_->next();
    std::optional<Message> message = co_await std::move(waiting);
    if (!message) co_return nullptr;
    if (auto* bytes = std::get_if<SharedBytes>(&message->body)) {
      if (options_.framing != Framing::multipart) co_return std::move(*bytes);
      std::string part = "--frame\r\nContent-Type: image/jpeg\r\n\r\n";
      part.append((*bytes)->begin(), (*bytes)->end());
      co_return bytes_of(part + "\r\n");
    }
    const auto* given = std::get_if<std::string>(&message->body);
    const std::string text = given ? *given : text_of(std::get<Json>(message->body));
    if (options_.framing != Framing::server_sent_events) co_return bytes_of(text + "\n");
    std::string lines;
    if (!message->event.empty()) lines += "event: " + message->event + "\n";
    if (!message->id.empty()) lines += "id: " + message->id + "\n";
    co_return bytes_of(lines + "data: " + text + "\n\n");
  }

  std::string keep_alive() override {
    switch (options_.framing) {
      case Framing::mp4: return std::string(media::kEmptyBox);  // between two fragments
      case Framing::ndjson: return " ";                         // before the next line, where JSON allows blanks
      case Framing::server_sent_events: return ": keep-alive\n\n";
      case Framing::multipart: return "\r\n";  // in front of a boundary
      case Framing::file: return "";
    }
    return "";
  }

 private:
  static SharedBytes bytes_of(std::string_view text) {
    return std::make_shared<const media::Bytes>(text.begin(), text.end());
  }

  const std::shared_ptr<MessageSource> messages_;
  const BodyOptions options_;
};

std::string_view content_type(Framing framing) {
  switch (framing) {
    case Framing::mp4:
    case Framing::file: return "video/mp4";
    case Framing::ndjson: return "application/x-ndjson";
    case Framing::server_sent_events: return "text/event-stream";
    case Framing::multipart: return "multipart/x-mixed-replace; boundary=frame";
  }
  return "";
}

}  // namespace

net::awaitable<void> send_message(WebSocket& viewer, Message message) {
  if (auto* bytes = std::get_if<SharedBytes>(&message.body)) {
    auto sending = viewer.send_binary(std::move(*bytes));
    co_await std::move(sending);
    co_return;
  }
  auto* text = std::get_if<std::string>(&message.body);
  auto sending = viewer.send_text(text ? std::move(*text) : text_of(std::get<Json>(message.body)));
  co_await std::move(sending);
}

net::awaitable<void> send_all(std::shared_ptr<Pump> pump, const SessionStore* sessions, WebSocket* viewer) {
  for (;;) {
    auto waiting = pump->next();
    std::optional<Message> message = co_await std::move(waiting);
    if (!message) break;
    auto sending = send_message(*viewer, std::move(*message));
    co_await std::move(sending);
  }
  auto [code, reason] = farewell(*pump->hosted().session, sessions->draining());
  co_await viewer->close(code, std::move(reason));
}

Feed feed_of(const SessionStore& sessions, Hosted hosted, Interest interest, std::unique_ptr<Dialect> dialect) {
  const auto pump = std::make_shared<Pump>(std::move(hosted), interest, std::move(dialect));
  return [pump, &sessions](WebSocket& viewer) { return send_all(pump, &sessions, &viewer); };
}

Response streamed_response(std::shared_ptr<MessageSource> messages, const BodyOptions& options) {
  Response response;
  response.content_type = content_type(options.framing);
  // A proxy must not wait for more.
  response.headers.emplace_back("X-Accel-Buffering", "no");
  response.body = std::make_unique<StreamedBody>(std::move(messages), options);
  return response;
}

}  // namespace rushes::server
