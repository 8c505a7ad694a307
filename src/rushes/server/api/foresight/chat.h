// The chat: questions with pictures over a WebSocket, answered one after the other, and a single one by HTTP.
#pragma once
#include <list>
#include <memory>

#include "rushes/server/api/foresight/predictor.h"
#include "rushes/server/http/wakeup.h"
#include "rushes/server/http/websocket.h"

namespace rushes::server::foresight {

/// The connections that are open. The server's thread only.
class Chats {
 public:
  void add(const std::shared_ptr<Wakeup>& wakeup) { open_.push_back(wakeup); }
  /// For what they look at before they wait again.
  void wake_all() {
    std::erase_if(open_, [](const auto& each) { return each.expired(); });
    for (const auto& each : open_)
      if (const auto wakeup = each.lock()) wakeup->notifier()();
  }

 private:
  std::list<std::weak_ptr<Wakeup>> open_;
};

/// /ws/chat, until the client leaves or says something that is no message; then what is being made for it ends.
net::awaitable<void> converse(std::shared_ptr<const Predictor> predictor, std::shared_ptr<Chats> chats,
                              WebSocket& socket);

/// POST /api/chat: the whole answer, when its video is complete. It ends with its client.
net::awaitable<Response> answer_whole(std::shared_ptr<const Predictor> predictor, const Request& request);

}  // namespace rushes::server::foresight
