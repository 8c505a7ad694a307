// Ditto's clients by the names that they chose, each with the connection that is told what happens and the stream that
// runs for it, if one does. The server's thread only.
#pragma once
#include <chrono>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>

#include "rushes/server/api/ditto/messages.h"
#include "rushes/server/http/wakeup.h"
#include "rushes/server/http/websocket.h"
#include "rushes/server/streaming/dialect.h"

namespace rushes::server::ditto {

/// What runs from start_streaming on: a session, as soon as there is one.
struct Streaming {
  explicit Streaming(net::any_io_executor executor) : room(std::make_shared<Wakeup>(std::move(executor))) {}

  bool cancelled = false;
  std::optional<Hosted> hosted;
  const std::shared_ptr<Wakeup> room;  // its queue has been taken from, or it was cancelled
  const std::shared_ptr<std::atomic<int>> quality = std::make_shared<std::atomic<int>>(0);
};

class Client {
 public:
  using Clock = std::chrono::steady_clock;
  explicit Client(std::string id) : id_(std::move(id)) {}

  const std::string& id() const noexcept { return id_; }
  bool streams() const noexcept { return stream_ != nullptr; }
  const std::shared_ptr<Streaming>& stream() const noexcept { return stream_; }
  /// Messages then go there, and no more where they went before.
  void connect(std::shared_ptr<Wakeup> connection) { connection_ = std::move(connection); }
  bool is_at(const std::shared_ptr<Wakeup>& connection) const noexcept { return connection_ == connection; }

  void begin(std::shared_ptr<Streaming> stream) { stream_ = std::move(stream); }
  /// What waits is thrown away, and its session ends. False: nothing runs.
  bool cancel(std::string reason, generation::EndReason kind = generation::EndReason::requested);
  /// All of it has been told.
  void end(const Streaming& stream) {
    if (stream_.get() == &stream) stream_.reset();
  }

  /// Goes out before what waits of a stream.
  void reply(Json message);
  static constexpr std::size_t kMostReplies = 256;
  bool floods() const noexcept { return replies_.size() > kMostReplies; }
  /// `period`: of a frame that is not to go out sooner than so long after the one before.
  void add(Message message, Clock::duration period = {});
  std::size_t waiting() const noexcept { return messages_.size(); }
  /// When the next message may go out; nothing: none waits.
  std::optional<Clock::time_point> due() const;
  /// The next message, which is due.
  Message take(Clock::time_point now = Clock::now());
  void wake() const { connection_->notifier()(); }

 private:
  const std::string id_;
  std::shared_ptr<Wakeup> connection_;
  std::shared_ptr<Streaming> stream_;
  struct Waiting {
    Message message;
    Clock::duration period;
  };
  std::deque<Message> replies_;
  std::deque<Waiting> messages_;
  Clock::time_point next_frame_ = {};  // not before
};

class Clients {
 public:
  std::shared_ptr<Client> enter(const std::string& id, std::shared_ptr<Wakeup> connection);
  /// Does nothing for a connection that another one has replaced.
  void leave(const Client& client, const std::shared_ptr<Wakeup>& connection);
  std::size_t active_streams() const;
  /// All connections, those that others have replaced too.
  void wake_all() const {
    for (const auto& connection : connections_) connection->notifier()();
  }

 private:
  std::map<std::string, std::shared_ptr<Client>> by_id_;
  std::set<std::shared_ptr<Wakeup>> connections_;
};

}  // namespace rushes::server::ditto
