// A session's video while it grows, as a body or a feed sends it; and how a feed says goodbye.
#pragma once
#include <boost/asio/this_coro.hpp>
#include <memory>
#include <string>
#include <utility>

#include "rushes/delivery/encoded_stream.h"
#include "rushes/server/http/http.h"
#include "rushes/server/http/wakeup.h"
#include "rushes/server/http/websocket.h"

namespace rushes::server {

/// Why a feed ends, as its viewer is told.
inline std::pair<CloseCode, std::string> farewell(const generation::Session& session, bool draining) {
  const generation::SessionStatus status = session.status();
  if (status.state == generation::SessionState::failed)
    return {CloseCode::internal, "failed: " + status.failure->message};
  if (draining && status.state == generation::SessionState::stopped)
    return {CloseCode::going_away, "the server is shutting down"};
  return {CloseCode::normal, std::string(name(status.state))};
}

/// The initialisation segment, then fragments as they come, for the viewer of a growing file.
class GrowingVideo final : public BodySource {
 public:
  GrowingVideo(std::shared_ptr<delivery::EncodedStream> video, delivery::EncodedStream::From from)
      : video_(std::move(video)), from_(from) {}

  net::awaitable<std::shared_ptr<const media::Bytes>> next() override {
    if (!viewer_) {
      const net::any_io_executor executor = co_await net::this_coro::executor;
      wakeup_ = std::make_shared<Wakeup>(executor);
      viewer_ = video_->watch(from_, wakeup_->notifier());
      co_return video_->init_segment();
    }
    for (;;) {
      if (const auto gop = viewer_->poll()) co_return gop->fragment;
      if (viewer_->ended()) co_return nullptr;
      co_await wakeup_->wait();
    }
  }

 private:
  const std::shared_ptr<delivery::EncodedStream> video_;
  const delivery::EncodedStream::From from_;
  std::shared_ptr<Wakeup> wakeup_;
  std::unique_ptr<delivery::Viewer> viewer_;
};

}  // namespace rushes::server
