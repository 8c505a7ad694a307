#include "rushes/server/api/foresight/chat.h"

#include <boost/asio/this_coro.hpp>
#include <deque>
#include <utility>

#include "rushes/generation/failure.h"
#include "rushes/server/api/foresight/answers.h"
#include "rushes/server/api/foresight/chat_dialect.h"
#include "rushes/server/api/foresight/names.h"
#include "rushes/server/api/foresight/pictures.h"
#include "rushes/server/sessions/stops_session.h"
#include "rushes/server/streaming/pump.h"

namespace rushes::server::foresight {
namespace {

constexpr std::size_t kMostWaiting = 8;  // messages; then no more are read until one has been answered

/// Of POST /api/chat: as of a prediction, but 500 for a picture that cannot be read, as the published server has it.
Response refusal_of(const Error& error) {
  if (dynamic_cast<const BeyondModel*>(&error)) return beyond_model_answer(error);
  const bool is_unreadable = dynamic_cast<const BadPicture*>(&error) && error.code() != ErrorCode::too_large;
  return error_answer(is_unreadable ? 500 : refusal_status(error), error, "CHAT_ERROR");
}

/// With the pixels of all frames.
Interest interest_of(WorkPool& work) {
  return {.events = Interest::Events{.role = generation::Stream::Role::recorder},
          .gops = delivery::EncodedStream::From::start,
          .video_end = true,
          .work = &work};
}

class Conversation : public std::enable_shared_from_this<Conversation> {
 public:
  Conversation(std::shared_ptr<const Predictor> predictor, net::any_io_executor executor)
      : predictor_(std::move(predictor)),
        came_(std::make_shared<Wakeup>(executor)),
        room_(std::make_shared<Wakeup>(executor)) {}

  const std::shared_ptr<Wakeup>& wakeup() const { return came_; }

  net::awaitable<void> run(WebSocket& socket) {
    socket.on_message([self = shared_from_this()](std::string message, bool is_text) {
      return self->take(std::move(message), is_text);
    });
    while (!predictor_->sessions().draining()) {
      if (waiting_.empty()) {
        auto sleeping = came_->wait();
        co_await std::move(sleeping);
        continue;
      }
      Incoming incoming = std::move(waiting_.front());
      waiting_.pop_front();
      room_->notifier()();
      auto answering = answer(socket, std::move(incoming));
      const std::optional<ChatRefusal> refusal = co_await std::move(answering);
      if (!refusal) continue;
      auto refusing = socket.send_text(chat_error(refusal->message, refusal->code).dump());
      co_await std::move(refusing);
      if (!refusal->close) continue;
      auto closing = socket.close(*refusal->close, refusal->message);
      co_await std::move(closing);
      co_return;
    }
    auto closing = socket.close(CloseCode::going_away, "the server is shutting down");
    co_await std::move(closing);
  }

 private:
  struct Incoming {
    std::string message;
    bool is_text = true, has_room = true;
    base::MemoryBudget::Charge memory = {};
  };

  /// The reader of the connection goes on while an answer is made, so that it notices when the client leaves.
  net::awaitable<void> take(std::string message, bool is_text) {
    Incoming incoming{.message = std::move(message), .is_text = is_text};
    incoming.memory = predictor_->sessions().inputs().charge();
    incoming.has_room = incoming.memory.resize(static_cast<int64_t>(incoming.message.size()));
    if (!incoming.has_room) std::string().swap(incoming.message);
    waiting_.push_back(std::move(incoming));
    came_->notifier()();
    while (waiting_.size() > kMostWaiting) {
      auto sleeping = room_->wait();
      co_await std::move(sleeping);
    }
  }

  /// What is wrong with the message; else it has been answered.
  net::awaitable<std::optional<ChatRefusal>> answer(WebSocket& socket, Incoming incoming) {
    if (!incoming.is_text) co_return binary_refusal();
    if (!incoming.has_room)
      co_return ChatRefusal{"pictures of all requests would take more memory than is allowed; try again later",
                            "PROCESSING_ERROR"};
    std::optional<ChatRefusal> refusal;
    std::shared_ptr<Pump> pump;
    try {
      auto beginning = begin(std::move(incoming), refusal);
      pump = co_await std::move(beginning);
    } catch (const boost::system::system_error&) {
      throw;  // the client has left
    } catch (...) {
      refusal = ChatRefusal{generation::current_failure().message, "PROCESSING_ERROR"};
    }
    if (refusal) co_return refusal;
    const StopsSession ending(pump->hosted().session);
    for (;;) {
      auto waiting = pump->next();
      std::optional<Message> message = co_await std::move(waiting);
      if (!message) co_return std::nullopt;
      auto sending = send_message(socket, std::move(*message));
      co_await std::move(sending);
    }
  }

  net::awaitable<std::shared_ptr<Pump>> begin(Incoming incoming, std::optional<ChatRefusal>& refusal) {
    const net::any_io_executor executor = co_await net::this_coro::executor;
    auto parsing =
        predictor_->work().run_if_large(incoming.message.size(), [&] { return parse_chat_message(incoming.message); });
    auto parsed = co_await std::move(parsing);
    std::string().swap(incoming.message);
    if (auto* wrong = std::get_if<ChatRefusal>(&parsed)) {
      refusal = std::move(*wrong);
      co_return nullptr;
    }
    ChatMessage& message = std::get<ChatMessage>(parsed);
    const bool with_video = !message.question.pictures.empty();
    std::shared_ptr<Pump> pump;
    const auto watch = [&](const Hosted& entry) {
      pump = std::make_shared<Pump>(
          entry, interest_of(predictor_->work()),
          std::make_unique<ChatDialect>(ChatDialect::How{.message_id = message.id, .with_video = with_video}));
      pump->open(executor);
    };
    auto beginning = predictor_->begin(std::move(message.question), watch);
    co_await std::move(beginning);
    co_return pump;
  }

  const std::shared_ptr<const Predictor> predictor_;
  const std::shared_ptr<Wakeup> came_, room_;
  std::deque<Incoming> waiting_;
};

/// Tells nothing until the end: what an answer by HTTP is made of.
class WholeAnswer final : public Dialect {
 public:
  struct Result {
    std::string text, failure;  // failure: of the text
    bool has_video = false;
  };
  explicit WholeAnswer(std::shared_ptr<Result> result) : result_(std::move(result)) {}

  std::vector<Message> on(const StreamItem& item) override {
    if (const auto* complete = std::get_if<VideoComplete>(&item))
      result_->has_video = complete->video->status().gops > 0;
    const auto* told = std::get_if<generation::EventPtr>(&item);
    if (!told) return {};
    if (const auto* chunk = std::get_if<generation::TextChunk>(&(*told)->what)) result_->text += chunk->utf8;
    const auto* failed = std::get_if<generation::TrackFailed>(&(*told)->what);
    if (failed && failed->track == generation::Track::text) result_->failure = failed->message;
    return {};
  }
  std::vector<Message> end(const generation::SessionStatus& status) override {
    if (status.failure) result_->failure = status.failure->message;
    if (status.state == generation::SessionState::stopped) result_->failure = "the session was stopped";
    return {};
  }

 private:
  const std::shared_ptr<Result> result_;
};

net::awaitable<Response> answer_question(std::shared_ptr<const Predictor> predictor, ChatRequest wanted) {
  const net::any_io_executor executor = co_await net::this_coro::executor;
  const bool with_video = !wanted.question.pictures.empty();
  const auto result = std::make_shared<WholeAnswer::Result>();
  std::optional<Pump> pump;
  const auto watch = [&](const Hosted& entry) {
    pump.emplace(
        entry, Interest{.events = Interest::Events{}, .gops = delivery::EncodedStream::From::start, .video_end = true},
        std::make_unique<WholeAnswer>(result));
    pump->open(executor);
  };
  auto beginning = predictor->begin(std::move(wanted.question), watch);
  const Hosted entry = co_await std::move(beginning);
  const StopsSession ending(entry.session);
  for (bool more = true; more;) {
    auto waiting = pump->next();
    const std::optional<Message> message = co_await std::move(waiting);
    more = message.has_value();
  }
  require(result->failure.empty(), ErrorCode::internal, "{}", result->failure);
  const bool has_video = with_video && result->has_video;
  co_return json_response(200, {{"message_id", wanted.message_id},
                                {"content", result->text},
                                {"prediction_id", has_video ? Json(uuid_of(entry.session->id())) : Json(nullptr)}});
}

}  // namespace

net::awaitable<void> converse(std::shared_ptr<const Predictor> predictor, std::shared_ptr<Chats> chats,
                              WebSocket& socket) {
  const auto conversation = std::make_shared<Conversation>(std::move(predictor), co_await net::this_coro::executor);
  chats->add(conversation->wakeup());
  auto running = conversation->run(socket);
  co_await std::move(running);
}

net::awaitable<Response> answer_whole(std::shared_ptr<const Predictor> predictor, const Request& request) {
  auto parsing = predictor->work().run_if_large(request.body.size(), [&] { return parse_chat_request(request.body); });
  auto parsed = co_await std::move(parsing);
  if (const auto* invalid = std::get_if<InvalidBody>(&parsed)) co_return invalid_answer(*invalid);
  std::optional<Response> refusal;
  try {
    auto answering = answer_question(predictor, std::move(std::get<ChatRequest>(parsed)));
    co_return co_await std::move(answering);
  } catch (const boost::system::system_error&) {
    throw;  // nobody is there to be told
  } catch (const Error& error) {
    refusal = refusal_of(error);
  }
  co_return std::move(*refusal);
}

}  // namespace rushes::server::foresight
