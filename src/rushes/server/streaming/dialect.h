// How a session is told to one kind of client: a dialect makes messages of what happens, a transport makes bytes of
// messages, and Pump is the loop between them.
#pragma once
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "rushes/delivery/gop.h"
#include "rushes/delivery/sinks/jpeg_stream.h"
#include "rushes/generation/stream.h"
#include "rushes/server/http/http.h"
#include "rushes/server/sessions/session_store.h"

namespace rushes::server {

/// The whole video is encoded and in its file. Its session may go on: one that also writes may still do so.
struct VideoComplete {
  std::shared_ptr<const delivery::EncodedStream> video;
};

/// What happens in a session, in the order in which a viewer learns of it.
using StreamItem = std::variant<generation::EventPtr, delivery::GopPtr, delivery::JpegFrame, VideoComplete>;

struct Message {
  std::variant<Json, std::string, std::shared_ptr<const media::Bytes>> body;
  std::string event = {}, id = {};  // for server-sent events, which can name and number messages
};

/// One client's. Plain functions of their arguments and of what was told before: no socket, no clock, no thread, so
/// that tables test them. One call at a time.
class Dialect {
 public:
  virtual ~Dialect() = default;
  /// Before anything else.
  virtual std::vector<Message> begin(const Hosted&) { return {}; }
  virtual std::vector<Message> on(const StreamItem& item) = 0;
  /// After everything else: the session has ended and all its items were told.
  virtual std::vector<Message> end(const generation::SessionStatus&) { return {}; }
};

/// A single message, as begin(), on() and end() give it.
inline std::vector<Message> just(Message message) {
  std::vector<Message> messages;
  messages.push_back(std::move(message));
  return messages;
}

}  // namespace rushes::server
