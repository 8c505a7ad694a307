// Work that takes too long for the server's thread, done one after the other on a thread of its own.
#pragma once
#include <functional>
#include <thread>

#include "rushes/base/channel.h"
#include "rushes/server/http/http.h"

namespace rushes::server {

class BackgroundWork {
 public:
  explicit BackgroundWork(std::size_t most_waiting);
  ~BackgroundWork();
  BackgroundWork(const BackgroundWork&) = delete;
  BackgroundWork& operator=(const BackgroundWork&) = delete;

  /// Gives what `work` gives, or throws what it throws; Error(unavailable) if too much waits already. `work` runs even
  /// if nobody waits for its answer any more.
  net::awaitable<Response> run(std::function<Response()> work);

 private:
  base::Channel<std::function<void()>> queue_;
  std::jthread thread_;
};

}  // namespace rushes::server
