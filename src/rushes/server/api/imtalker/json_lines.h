// A talking head as lines of JSON (NDJSON): some pictures, the speech that belongs to them, and how long they took.
#pragma once
#include <memory>
#include <thread>

#include "rushes/base/channel.h"
#include "rushes/generation/stream.h"
#include "rushes/server/http/http.h"
#include "rushes/server/http/wakeup.h"
#include "rushes/server/sessions/session_store.h"

namespace rushes::server {

/// The whole of a session that belongs to this answer alone: no picture is left out, the generator waits while its
/// reader is slow, and the session ends when he has left. To be made before the session is fed.
class JsonLines final : public BodySource {
 public:
  /// `total`: the pictures that the speech will give, as the lines tell it.
  JsonLines(const Hosted& entry, int64_t total);
  ~JsonLines() override;
  net::awaitable<std::shared_ptr<const media::Bytes>> next() override;

 private:
  using Line = std::shared_ptr<const media::Bytes>;
  void run(const std::stop_token& stop);
  void work(const std::stop_token& stop);

  const Hosted entry_;
  const int64_t total_;
  const std::unique_ptr<generation::Subscription> blocks_;
  base::Channel<Line> lines_;
  std::shared_ptr<Wakeup> wakeup_;
  std::jthread thread_;  // encodes; begins with the first line that is asked for
};

}  // namespace rushes::server
