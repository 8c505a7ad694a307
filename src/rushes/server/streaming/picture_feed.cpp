#include "rushes/server/streaming/picture_feed.h"

#include <boost/asio/as_tuple.hpp>

#include "rushes/server/http/base64.h"
#include "rushes/server/streaming/growing_video.h"

namespace rushes::server {
namespace {

using Clock = std::chrono::steady_clock;

/// Holds pictures back until their time.
class Pace {
 public:
  explicit Pace(net::any_io_executor executor) : timer_(executor) {}

  net::awaitable<void> wait_for(double seconds) {
    const Clock::time_point now = Clock::now();
    auto due = start_ + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
    if (!begun_ || due < now) {  // the first one, or it came late: from here on the others count from now
      start_ += now - due;
      begun_ = true;
      co_return;
    }
    timer_.expires_at(due);
    auto waiting = timer_.async_wait(net::use_awaitable);
    co_await std::move(waiting);
  }

 private:
  net::steady_timer timer_;
  Clock::time_point start_{};
  bool begun_ = false;
};

}  // namespace

net::awaitable<void> send_pictures(Hosted entry, PictureFeedOptions options, const SessionStore* sessions,
                                   WebSocket* viewer) {
  const net::any_io_executor executor = co_await net::this_coro::executor;
  const auto wakeup = std::make_shared<Wakeup>(executor);
  const auto pictures = entry.sinks->jpeg()->watch(options.from, wakeup->notifier());
  const generation::VideoFormat& format = entry.session->format();
  const Json head{{"type", "format"},
                  {"width", format.width},
                  {"height", format.height},
                  {"fps", format.fps},
                  {"mime_type", "image/jpeg"}};
  std::string text = head.dump();
  co_await viewer->send_text(std::move(text));
  Pace pace(executor);
  int64_t expected = -1;
  for (;;) {
    const bool ended = pictures->ended();  // asked first, so that nothing is missed
    delivery::JpegFrame picture = pictures->poll();
    if (!picture.bytes) {
      if (ended) break;
      co_await wakeup->wait();
      continue;
    }
    if (options.realtime) co_await pace.wait_for(picture.seconds);
    Json about{{"type", options.base64 ? "frame" : "position"},
               {"index", picture.index},
               {"pts_s", picture.seconds},
               {"skipped", pictures->skipped()}};
    if (options.base64) {
      about["data"] = encode_base64(*picture.bytes);
      text = about.dump();
      co_await viewer->send_text(std::move(text));
    } else {
      if (picture.index != expected) {
        text = about.dump();
        co_await viewer->send_text(std::move(text));
      }
      co_await viewer->send_binary(picture.bytes);
    }
    expected = picture.index + 1;
  }
  auto [code, reason] = farewell(*entry.session, sessions->draining());
  co_await viewer->close(code, std::move(reason));
}

}  // namespace rushes::server
