#include "rushes/server/api/vllm_omni/routes.h"

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>

#include "rushes/server/api/vllm_omni/messages.h"
#include "rushes/server/streaming/growing_video.h"

namespace rushes::server {
namespace {

constexpr std::chrono::seconds kStartTimeout{10};
constexpr std::size_t kMaxWaitingMessages = 64;  // of a client that talks faster than it reads

/// One client's session from session.start to session.done.
class RealtimeConversation {
 public:
  RealtimeConversation(SessionStore& sessions, WorkPool& work, WebSocket& viewer)
      : sessions_(sessions), work_(work), viewer_(viewer) {}
  RealtimeConversation(const RealtimeConversation&) = delete;
  RealtimeConversation& operator=(const RealtimeConversation&) = delete;
  /// Nobody is left to watch; what was made stays.
  ~RealtimeConversation() {
    if (entry_.session) entry_.session->stop("its client has left");
  }

  net::awaitable<void> run() {
    const net::any_io_executor executor = co_await net::this_coro::executor;
    wakeup_ = std::make_shared<Wakeup>(executor);
    viewer_.on_text([inbox = inbox_, notify = wakeup_->notifier()](std::string message) {
      // One too many stays in the queue, so that the reader sees that there were.
      if (inbox->size() <= kMaxWaitingMessages) inbox->push_back(std::move(message));
      notify();
    });
    auto starting = wait_for_start(executor);
    if (!co_await std::move(starting)) co_return;
    auto streaming = stream();
    co_await std::move(streaming);
  }

 private:
  // ---- the client's messages ----

  net::awaitable<bool> wait_for_start(net::any_io_executor executor) {
    net::steady_timer deadline(executor, kStartTimeout);
    deadline.async_wait([notify = wakeup_->notifier()](boost::system::error_code) { notify(); });
    while (!entry_.session) {
      auto answering = answer_messages();
      co_await std::move(answering);
      if (entry_.session) break;
      const bool refused = std::exchange(refused_, false), late = deadline.expiry() <= std::chrono::steady_clock::now();
      if (refused || late) {
        if (late) {
          auto telling = send_error("no session.start came within 10 s");
          co_await std::move(telling);
        }
        auto closing = viewer_.close(CloseCode::policy, late ? "no session.start" : "refused");
        co_await std::move(closing);
        co_return false;
      }
      auto waiting = wakeup_->wait();
      co_await std::move(waiting);
    }
    co_return true;
  }

  net::awaitable<void> answer_messages() {
    while (!inbox_->empty()) {
      const bool flood = inbox_->size() > kMaxWaitingMessages;
      const std::string text = std::move(inbox_->front());
      inbox_->pop_front();
      Json reply = error_json("too many messages wait; some are lost");
      if (!flood) {
        auto answering = answer(text);
        reply = co_await std::move(answering);
      }
      auto sending = send(std::move(reply));
      co_await std::move(sending);
    }
  }

  net::awaitable<Json> answer(const std::string& text) {
    try {
      const ClientMessage message = parse_client_message(text);
      if (message.type != ClientMessage::Type::start) co_return answer(message);
      auto starting = start(message.fields, text.size());
      co_return co_await std::move(starting);
    } catch (const Error& error) {
      refused_ = !entry_.session;
      co_return error_json(error.what());
    }
  }

  Json answer(const ClientMessage& message) {
    using Type = ClientMessage::Type;
    if (message.type == Type::ping) return {{"type", "session.pong"}};
    require(entry_.session != nullptr, ErrorCode::conflict, "session.start must come first");
    if (message.type == Type::stop) {
      entry_.session->stop("stopped by its client");
      return nullptr;  // session.done follows
    }
    Interaction interaction = parse_interaction(message.fields, ++interactions_);
    entry_.session->set_prompt(interaction.prompt);
    Json reply{
        {"type", "session.interaction.queued"}, {"request_id", request_id()}, {"event_id", interaction.event_id}};
    pending_.add(std::move(interaction));
    return reply;
  }

  net::awaitable<Json> start(const Json& fields, std::size_t bytes) {
    require(!entry_.session, ErrorCode::conflict, "the session of this connection has started already");
    auto parsing = work_.run_if_large(
        bytes, [&] { return parse_start(fields, sessions_.model(), sessions_.models().default_name()); });
    generation::Request wanted = co_await std::move(parsing);
    entry_ = sessions_.create(std::move(wanted));
    const generation::VideoFormat& format = entry_.session->format();
    Json reply{{"type", "video.start"},
               {"request_id", request_id()},
               {"format", "m4s"},
               {"config",
                {{"model", sessions_.model().card().name},
                 {"prompt", entry_.session->request().prompts.front()},
                 {"width", format.width},
                 {"height", format.height},
                 {"fps", format.fps},
                 {"num_frames", format.video_frames ? Json(*format.video_frames) : Json(nullptr)},
                 {"seed", entry_.session->request().seed}}}};
    co_return reply;
  }

  // ---- the video ----

  net::awaitable<void> stream() {
    blocks_ = entry_.session->stream().subscribe(generation::Stream::Role::observer, generation::Stream::From::start);
    const auto viewer = entry_.video->watch(delivery::EncodedStream::From::start, wakeup_->notifier());
    for (;;) {
      auto answering = answer_messages();
      co_await std::move(answering);
      if (const auto gop = viewer->poll()) {
        auto sending = send_chunk(*gop);
        co_await std::move(sending);
      } else if (viewer->ended()) {
        break;
      } else {
        auto waiting = wakeup_->wait();
        co_await std::move(waiting);
      }
    }
    auto ending = say_goodbye();
    co_await std::move(ending);
  }

  net::awaitable<void> send_chunk(const delivery::Gop& gop) {
    const auto [prompt, video_frames] = next_block();
    Json events = Json::array();
    if (const auto id = pending_.take(prompt)) events.push_back(*id);
    auto bytes = gop.fragment;
    if (chunks_ == 0) {  // the initialisation segment goes with it, so that each chunk is media
      auto joined = std::make_shared<media::Bytes>(*entry_.video->init_segment());
      joined->insert(joined->end(), bytes->begin(), bytes->end());
      bytes = std::move(joined);
    }
    // A prompt takes over within one chunk: it starts and completes in the same.
    Json metadata{
        {"type", "video.chunk_metadata"},   {"request_id", request_id()},          {"kind", "media"},
        {"transport_chunk_index", chunks_}, {"generation_chunk_index", gop.index}, {"num_frames", video_frames},
        {"byte_length", bytes->size()},     {"started_event_ids", events},         {"active_event_ids", events},
        {"completed_event_ids", events}};
    ++chunks_;
    auto telling = send(std::move(metadata));
    co_await std::move(telling);
    auto sending = viewer_.send_binary(bytes);
    co_await std::move(sending);
  }

  /// Prompt and length of the block that the next fragment holds; it was told before it was encoded.
  std::pair<std::string, int64_t> next_block() {
    while (const generation::EventPtr event = blocks_->poll())
      if (const auto* block = std::get_if<generation::FrameBlock>(&event->what))
        return {block->prompt, block->video_frames};
    return {"", 0};
  }

  net::awaitable<void> say_goodbye() {
    const generation::SessionStatus status = entry_.session->status();
    const bool failed = status.state == generation::SessionState::failed;
    Json last = failed ? error_json(status.failure->message)
                       : Json{{"type", "session.done"},
                              {"request_id", request_id()},
                              {"chunks", chunks_},
                              {"stopped", status.state == generation::SessionState::stopped}};
    auto telling = send(std::move(last));
    co_await std::move(telling);
    auto [code, reason] = farewell(*entry_.session, sessions_.draining());
    auto closing = viewer_.close(code, std::move(reason));
    co_await std::move(closing);
  }

  // ---- what is sent ----

  std::string request_id() const { return entry_.session->id().text(); }
  static Json error_json(std::string_view message) { return {{"type", "error"}, {"message", message}}; }

  net::awaitable<void> send_error(std::string_view message) {
    auto sending = send(error_json(message));
    co_await std::move(sending);
  }

  net::awaitable<void> send(Json message) {
    if (message.is_null()) co_return;
    std::string text = message.dump(-1, ' ', false, Json::error_handler_t::replace);
    auto sending = viewer_.send_text(std::move(text));
    co_await std::move(sending);
  }

  SessionStore& sessions_;
  WorkPool& work_;
  WebSocket& viewer_;
  const std::shared_ptr<std::deque<std::string>> inbox_ = std::make_shared<std::deque<std::string>>();
  std::shared_ptr<Wakeup> wakeup_;
  Hosted entry_;  // from session.start on
  std::unique_ptr<generation::Subscription> blocks_;
  PendingInteractions pending_;
  int64_t interactions_ = 0, chunks_ = 0;
  bool refused_ = false;
};

net::awaitable<void> converse(SessionStore* sessions, WorkPool* work, WebSocket* viewer) {
  RealtimeConversation conversation(*sessions, *work, *viewer);
  auto running = conversation.run();
  co_await std::move(running);
}

}  // namespace

void add_realtime_routes(Router& router, SessionStore& sessions, WorkPool& work) {
  router.feed("/v1/realtime/video", [&sessions, &work](const Request&) -> Feed {
    return [&sessions, &work](WebSocket& viewer) { return converse(&sessions, &work, &viewer); };
  });
}

}  // namespace rushes::server
