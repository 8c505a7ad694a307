#include "rushes/server/api/vllm_omni/routes.h"

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <deque>

#include "rushes/server/api/native/session_json.h"
#include "rushes/server/api/video_fields.h"
#include "rushes/server/api/vllm_omni/dialect.h"
#include "rushes/server/api/vllm_omni/openapi.json.h"
#include "rushes/server/sessions/inputs_memory.h"
#include "rushes/server/streaming/pump.h"

namespace rushes::server {
namespace {

constexpr std::chrono::seconds kStartTimeout{10};
constexpr std::size_t kMaxWaitingMessages = 64;  // of a client that talks faster than it reads
constexpr std::string_view kTooMany = "too many messages are waiting; some of them were dropped";
constexpr std::string_view kTooManyReplies = "too many replies wait for this client; some of them were dropped";

/// One client's session from session.start to session.done.
class RealtimeConversation : public std::enable_shared_from_this<RealtimeConversation> {
 public:
  RealtimeConversation(SessionStore& sessions, WorkPool& work) : sessions_(sessions), work_(work) {}
  RealtimeConversation(const RealtimeConversation&) = delete;
  RealtimeConversation& operator=(const RealtimeConversation&) = delete;
  /// Nobody is left to watch; what was made stays.
  ~RealtimeConversation() {
    if (pump_) pump_->hosted().session->stop("the client has disconnected", generation::EndReason::client_left);
  }

  net::awaitable<void> run(WebSocket& viewer) {
    const net::any_io_executor executor = co_await net::this_coro::executor;
    wakeup_ = std::make_shared<Wakeup>(executor);
    viewer.on_text([weak = weak_from_this()](std::string message) {
      if (const auto self = weak.lock()) self->take(std::move(message));
    });
    viewer.on_binary([weak = weak_from_this()](const std::string&) {
      if (const auto self = weak.lock()) self->take(std::nullopt);
    });
    auto starting = wait_for_start(viewer, executor);
    if (!co_await std::move(starting)) co_return;
    auto sending = send_all(pump_, &sessions_, &viewer);
    co_await std::move(sending);
  }

 private:
  /// A message of the client's, as it comes; nothing: it is binary.
  void take(std::optional<std::string> text) {
    if (!pump_) {  // one too many stays in the queue, so that its reader sees that there were
      if (inbox_.size() <= kMaxWaitingMessages) inbox_.push_back(std::move(text));
      wakeup_->notifier()();
      return;
    }
    // Of a client that does not read only replies are lost; what it says takes effect.
    Json reply = answer(text);
    const std::size_t waiting = pump_->ready();
    if (reply.is_null() || waiting > kMaxWaitingMessages) return;
    pump_->add({waiting == kMaxWaitingMessages ? omni_error(kTooManyReplies) : std::move(reply)});
  }

  static ClientMessage parse(const std::optional<std::string>& text) {
    require(text.has_value(), ErrorCode::invalid_argument, "the message is binary; send JSON in text messages");
    return parse_client_message(*text);
  }

  Json answer(const std::optional<std::string>& text) {
    try {
      const ClientMessage message = parse(text);
      using Type = ClientMessage::Type;
      if (message.type == Type::ping) return {{"type", "session.pong"}};
      require(pump_ != nullptr, ErrorCode::conflict, "session.start must come first");
      require(message.type != Type::start, ErrorCode::conflict, "this connection has already started a session");
      generation::Session& session = *pump_->hosted().session;
      if (message.type == Type::stop) {
        session.stop("stopped by the client");
        return nullptr;  // session.done follows
      }
      if (message.type == Type::playback) {
        check_playback(message.fields);
        return nullptr;  // generation does not wait for it: video.start has said so
      }
      return queue(parse_interaction(message.fields));
    } catch (const Error& error) {
      return omni_error(error.what());
    }
  }

  /// What refuses it is told with its event_id.
  Json queue(const Interaction& interaction) {
    const Hosted& hosted = pump_->hosted();
    Json about{{"request_id", hosted.session->id().text()}, {"event_id", interaction.event_id}};
    const auto refused = [&](const char* code, const Error& error) {
      Json reply = omni_error(error.what());
      reply["code"] = code;
      reply.update(about);
      return reply;
    };
    try {
      pending_->add(interaction);
    } catch (const Error& error) {
      return refused("event_id_conflict", error);
    }
    try {
      std::vector<generation::Ignored> ignored = sessions_.set_prompt(hosted, interaction.prompt);
      ignored.insert(ignored.end(), interaction.ignored.begin(), interaction.ignored.end());
      Json reply{{"type", "session.interaction.queued"}};
      reply.update(about);
      if (!ignored.empty()) reply["ignored"] = ignored_json(ignored);
      return reply;
    } catch (const Error& error) {
      pending_->withdraw();
      return refused("interaction_failed", error);
    }
  }

  /// Answers until the session has started; false: it was refused, or did not start in time.
  net::awaitable<bool> wait_for_start(WebSocket& viewer, net::any_io_executor executor) {
    net::steady_timer deadline(executor, kStartTimeout);
    deadline.async_wait([notify = wakeup_->notifier()](boost::system::error_code) { notify(); });
    for (;;) {
      Json reply = nullptr;
      std::string reason;
      if (!inbox_.empty()) {
        const bool flood = inbox_.size() > kMaxWaitingMessages;
        const std::optional<std::string> text = std::move(inbox_.front());
        inbox_.pop_front();
        if (flood) {
          reply = omni_error(kTooMany);
        } else {
          auto starting = start(text);
          reply = co_await std::move(starting);
          if (pump_) break;
          if (reply["type"] == "error") reason = "refused";
        }
      } else if (deadline.expiry() <= std::chrono::steady_clock::now()) {
        reply = omni_error("no session.start came within 10 s");
        reason = "no session.start";
      } else {
        auto waiting = wakeup_->wait();
        co_await std::move(waiting);
        continue;
      }
      std::string text = reply.dump(-1, ' ', false, Json::error_handler_t::replace);
      co_await viewer.send_text(std::move(text));
      if (reason.empty()) continue;
      co_await viewer.close(CloseCode::policy, std::move(reason));
      co_return false;
    }
    for (; !inbox_.empty(); inbox_.pop_front()) take(std::move(inbox_.front()));  // what came while it started
    co_return true;
  }

  /// Starts the session if `text` says so; else the reply.
  net::awaitable<Json> start(const std::optional<std::string>& text) {
    Json refusal;
    try {
      const ClientMessage message = parse(text);
      if (message.type != ClientMessage::Type::start) co_return answer(text);
      const std::string name = model_of(message.fields, sessions_.models());
      auto loading = sessions_.models().load(name);
      co_await std::move(loading);
      const auto model = sessions_.models().model(name);
      require_makes_videos_of_text(*model, name);
      base::MemoryBudget::Charge inputs = sessions_.inputs().charge();
      auto parsing = read_request_with_picture(
          sessions_, work_, text->size(), inputs,
          [&](const std::function<void(int64_t)>& admit) { return parse_start(message.fields, *model, admit); });
      generation::Request wanted = co_await std::move(parsing);
      const Interest interest{.events = Interest::Events{}, .gops = delivery::EncodedStream::From::start};
      Hosted made = sessions_.create(std::move(wanted), {.model = name, .inputs = std::move(inputs)});
      end_speech_of(*made.session);
      pump_ = std::make_shared<Pump>(std::move(made), interest, std::make_unique<OmniDialect>(name, pending_));
      pump_->open(co_await net::this_coro::executor);
      co_return nullptr;
    } catch (const Error& error) {
      refusal = omni_error(error.what());
    }
    co_return refusal;
  }

  SessionStore& sessions_;
  WorkPool& work_;
  std::deque<std::optional<std::string>> inbox_;  // before the session has started
  std::shared_ptr<Wakeup> wakeup_;
  std::shared_ptr<Pump> pump_;  // from session.start on
  const std::shared_ptr<PendingInteractions> pending_ = std::make_shared<PendingInteractions>();
};

net::awaitable<void> converse(SessionStore* sessions, WorkPool* work, WebSocket* viewer) {
  const auto conversation = std::make_shared<RealtimeConversation>(*sessions, *work);
  auto running = conversation->run(*viewer);
  co_await std::move(running);
}

void add_routes(Router& router, const ApiContext& context) {
  router.feed("/v1/realtime/video", [sessions = &context.sessions, work = &context.work](const Request&) -> Feed {
    return [sessions, work](WebSocket& viewer) { return converse(sessions, work, &viewer); };
  });
}

}  // namespace

Api vllm_omni_api() { return {"vllm_omni", kOpenApi, add_routes, nullptr, true}; }

}  // namespace rushes::server
