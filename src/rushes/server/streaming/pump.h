// The loop that tells a session to one client, whatever the protocol.
#pragma once
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <deque>
#include <memory>
#include <optional>
#include <variant>

#include "rushes/server/http/router.h"
#include "rushes/server/http/wakeup.h"
#include "rushes/server/http/websocket.h"
#include "rushes/server/http/work_pool.h"
#include "rushes/server/streaming/dialect.h"

namespace rushes::server {

/// Which items a dialect is told. Of those that are there at the same time events come first, then GOPs, then JPEGs.
struct Interest {
  struct Events {
    generation::Stream::Role role = generation::Stream::Role::observer;
    generation::Stream::From from = generation::Stream::From::start;
  };
  std::optional<Events> events = {};
  /// The place to begin at, or the index of the first GOP.
  std::optional<std::variant<delivery::EncodedStream::From, int64_t>> gops = {};
  std::optional<delivery::JpegStream::From> jpegs = {};
  bool paced = false;        // each JPEG at its time, counted from the first
  bool video_end = false;    // with `gops`: VideoComplete, after the last of them
  WorkPool* work = nullptr;  // where the dialect works, if it takes its time; it must outlive the pump
};

/// What a transport carries. Pulled by it. The server's thread.
class MessageSource {
 public:
  virtual ~MessageSource() = default;
  /// The next message; nothing after the last one. Waits without blocking. Throws when it is cancelled.
  virtual net::awaitable<std::optional<Message>> next() = 0;
  /// Ends what it tells of, for its client has left; does nothing if that has ended.
  virtual void stop() = 0;
};

/// Pulled by the transport: a client that reads slowly is moved forward like any other viewer, nothing queues up for
/// it. The server's thread.
class Pump final : public MessageSource {
 public:
  Pump(Hosted hosted, Interest interest, std::unique_ptr<Dialect> dialect)
      : hosted_(std::move(hosted)), interest_(interest), dialect_(std::move(dialect)) {}

  /// From now on nothing is missed. next() does it else.
  void open(const net::any_io_executor& executor);
  /// Throws what the dialect throws, too.
  net::awaitable<std::optional<Message>> next() override;
  void stop() override { hosted_.session->stop("the viewer has disconnected", generation::EndReason::client_left); }
  /// Goes out after the messages that are ready.
  void add(Message message);
  /// Messages that wait for their client.
  std::size_t ready() const noexcept { return ready_.size(); }
  const Hosted& hosted() const noexcept { return hosted_; }

 private:
  bool ended() const;
  std::optional<StreamItem> poll();
  net::awaitable<void> tell(StreamItem item);
  net::awaitable<void> wait_until_due(double seconds);
  void take(std::vector<Message> messages);

  const Hosted hosted_;
  const Interest interest_;
  const std::unique_ptr<Dialect> dialect_;
  std::shared_ptr<Wakeup> wakeup_;
  std::unique_ptr<generation::Subscription> events_;
  std::unique_ptr<delivery::Viewer> gops_;
  std::unique_ptr<delivery::JpegViewer> jpegs_;
  std::deque<Message> ready_;
  std::optional<std::chrono::steady_clock::time_point> start_;  // of the pacing
  bool told_video_end_ = false, over_ = false;
};

/// Why a stream ends, as its viewer is told.
std::pair<CloseCode, std::string> farewell(const generation::Session& session, bool draining);

// ---- transports ----

/// JSON and text as text messages, bytes as binary ones.
net::awaitable<void> send_message(WebSocket& viewer, Message message);
/// All of them; closed with the reason in the end.
net::awaitable<void> send_all(std::shared_ptr<Pump> pump, const SessionStore* sessions, WebSocket* viewer);
/// The same as a route's feed.
Feed feed_of(const SessionStore& sessions, Hosted hosted, Interest interest, std::unique_ptr<Dialect> dialect);

enum class Framing {
  mp4,                 // bytes as they are, in silence with empty boxes between them
  file,                // only the bytes of a file that grows: who is cut off may ask for the rest by its place
  ndjson,              // a line for each message
  server_sent_events,  // text as it is, JSON on one line
  multipart            // parts with the boundary "frame", each a JPEG
};

struct BodyOptions {
  Framing framing = Framing::mp4;
  bool stops_session = false;  // when its client leaves
};

/// Its body lasts as long as there are messages: as long as the session.
Response streamed_response(std::shared_ptr<MessageSource> messages, const BodyOptions& options);

}  // namespace rushes::server
