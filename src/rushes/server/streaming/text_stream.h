// A session as lines of text: its events and, in base64, its video. For clients that have neither WebSockets nor a
// player at hand: server-sent events (EventSource) and NDJSON (curl, logs, scripts).
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "rushes/server/http/http.h"
#include "rushes/server/http/wakeup.h"
#include "rushes/server/sessions/session_store.h"

namespace rushes::server {

enum class TextFormat { server_sent_events, ndjson };

/// What a client has had already; an EventSource brings it back as Last-Event-ID when its connection was cut.
struct TextPosition {
  int64_t fragment = 0, sequence = 0;  // the next ones

  std::string text() const;
  /// Throws Error(invalid_argument) for anything but what text() gives.
  static TextPosition parse(std::string_view text);
};

struct TextStreamOptions {
  TextFormat format = TextFormat::ndjson;
  bool video = true;
  bool from_newest = false;
  TextPosition position = {};
};

/// Everything that happens, until the session has ended and all its video is out. A client that reads slowly is moved
/// forward like any other viewer; nothing queues up for it.
class TextStream final : public BodySource {
 public:
  TextStream(const Hosted& entry, TextStreamOptions options);
  ~TextStream() override;
  net::awaitable<std::shared_ptr<const std::vector<uint8_t>>> next() override;

 private:
  /// The next message if there is one.
  std::optional<std::string> poll();
  std::string message(std::string_view type, const Json& json) const;

  const std::shared_ptr<generation::Session> session_;
  const std::shared_ptr<delivery::EncodedStream> video_;
  TextStreamOptions options_;
  std::shared_ptr<Wakeup> wakeup_;
  std::unique_ptr<generation::Subscription> events_;
  std::unique_ptr<delivery::Viewer> viewer_;
  bool told_init_ = false;
};

}  // namespace rushes::server
