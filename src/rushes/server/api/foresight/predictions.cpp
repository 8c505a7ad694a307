#include "rushes/server/api/foresight/predictions.h"

#include <atomic>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <deque>
#include <list>
#include <utility>

#include "rushes/base/log.h"
#include "rushes/generation/failure.h"
#include "rushes/server/api/foresight/answers.h"
#include "rushes/server/api/foresight/names.h"
#include "rushes/server/api/foresight/pictures.h"
#include "rushes/server/api/foresight/prediction_dialect.h"
#include "rushes/server/api/native/session_json.h"
#include "rushes/server/http/date.h"
#include "rushes/server/streaming/pump.h"

namespace rushes::server::foresight {
namespace {

std::string text_of(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

const char* code_of(PictureFault fault) {
  switch (fault) {
    case PictureFault::not_base64: return "INVALID_BASE64";
    case PictureFault::too_large: return "FILE_TOO_LARGE";
    case PictureFault::unreadable: return "INVALID_IMAGE";
  }
  return "INVALID_IMAGE";
}

Response refusal_of(const Error& error) {
  if (const auto* picture = dynamic_cast<const BadPicture*>(&error))
    return error_answer(400, error.what(), code_of(picture->fault()));
  if (dynamic_cast<const BadPreset*>(&error)) return error_answer(400, error.what(), "INVALID_PRESET");
  if (dynamic_cast<const BeyondModel*>(&error)) return beyond_model_answer(error);
  const auto code = [&] {
    switch (error.code()) {
      case ErrorCode::exhausted: return "BUSY";
      case ErrorCode::cancelled:
      case ErrorCode::unavailable: return "NOT_READY";
      case ErrorCode::too_large: return "FILE_TOO_LARGE";
      case ErrorCode::internal: return "INTERNAL_ERROR";
      default: return "INVALID_REQUEST";
    }
  };
  return error_answer(refusal_status(error), error, code());
}

/// What a socket's client wants: nothing but an end has a meaning.
bool is_cancel(const std::string& text) {
  const Json said = Json::parse(text, nullptr, false);
  return said.is_object() && said.contains("type") && said["type"] == "cancel";
}

const char* how_it_ended(generation::SessionState state) {
  switch (state) {
    case generation::SessionState::stopped: return "the prediction was cancelled";
    case generation::SessionState::failed: return "the prediction has failed";
    default: return "the prediction is complete";
  }
}

std::size_t size_of(const Message& message) {
  if (const auto* bytes = std::get_if<std::shared_ptr<const media::Bytes>>(&message.body)) return (*bytes)->size();
  const auto* text = std::get_if<std::string>(&message.body);
  return text ? text->size() : 0;
}

}  // namespace

struct Predictions::Prediction {
  explicit Prediction(Hosted made) : hosted(std::move(made)) {}

  const Hosted hosted;
  std::deque<Message> told;  // text, or a frame as a binary message
  base::MemoryBudget::Charge memory = {};
  bool over = false;  // no more is told
  const std::shared_ptr<std::atomic<double>> progress = std::make_shared<std::atomic<double>>(0.0);
  std::size_t watching = 0;
  std::optional<Clock::time_point> left = {};  // when the last of those who followed it did
  std::list<std::weak_ptr<Wakeup>> sockets = {};
  PredictionDialect* dialect = nullptr;  // the pump's
  std::unique_ptr<Pump> pump = {};

  /// False: there is no memory for it.
  bool add(Message message) {
    if (auto* json = std::get_if<Json>(&message.body)) message.body = text_of(*json);
    if (!memory.resize(memory.bytes() + static_cast<int64_t>(size_of(message)))) return false;
    told.push_back(std::move(message));
    wake();
    return true;
  }
  void wake() {
    std::erase_if(sockets, [](const auto& each) { return each.expired(); });
    for (const auto& each : sockets)
      if (const auto wakeup = each.lock()) wakeup->notifier()();
  }

  /// Nothing of the telling outlives the server: its timers must not.
  class Telling {
   public:
    explicit Telling(PredictionPtr prediction) : prediction_(std::move(prediction)) {}
    ~Telling() { prediction_->pump.reset(); }
    Telling(const Telling&) = delete;
    Telling& operator=(const Telling&) = delete;

   private:
    const PredictionPtr prediction_;
  };

  /// Somebody who follows it.
  class Watching {
   public:
    explicit Watching(PredictionPtr prediction) : prediction_(std::move(prediction)) { ++prediction_->watching; }
    ~Watching() {
      if (--prediction_->watching == 0) prediction_->left = Clock::now();
    }
    Watching(const Watching&) = delete;
    Watching& operator=(const Watching&) = delete;

   private:
    const PredictionPtr prediction_;
  };
};

net::awaitable<Response> Predictions::predict(const Request& request) {
  std::optional<Response> refusal;
  try {
    auto parsing =
        predictor_->work().run_if_large(request.body.size(), [&] { return parse_predict_request(request.body); });
    auto parsed = co_await std::move(parsing);
    if (const auto* invalid = std::get_if<InvalidBody>(&parsed)) co_return invalid_answer(*invalid);
    auto& question = std::get<Question>(parsed);
    auto looking = require_loaded(predictor_->model_for(question));
    co_await std::move(looking);
    auto beginning = begin(std::move(question));
    const PredictionPtr made = co_await std::move(beginning);
    const generation::Session& session = *made->hosted.session;
    const std::string id = uuid_of(session.id());
    const std::string scheme = request.scheme == "https" ? "wss" : "ws";
    const auto kept = std::chrono::duration_cast<std::chrono::system_clock::duration>(predictor_->options().kept);
    co_return json_response(
        200, {{"session_id", id},
              {"ws_url", fmt::format("{}://{}{}/api/ws/{}", scheme, request.public_host, request.base_path, id)},
              {"expires_at", timestamp(session.created() + kept)},
              {"seed", session.request().seed},
              {"image", image_json(session.image_use())},
              {"ignored", ignored_json(session.ignored())},
              {"warnings", session.warnings()},
              {"unknown_words", session.unknown_words()}});
  } catch (const boost::system::system_error&) {
    throw;  // nobody is there to be told
  } catch (const Error& error) {
    refusal = refusal_of(error);
  }
  co_return std::move(*refusal);
}

/// One that is not loaded is loaded from now on. Small ones are there at once; for the others nobody waits with his
/// picture in memory.
net::awaitable<void> Predictions::require_loaded(ServedModels::Status model) const {
  using State = ServedModels::State;
  const net::any_io_executor executor = co_await net::this_coro::executor;
  if (model.state == State::loaded) co_return;
  ServedModels& models = predictor_->sessions().models();
  const auto patience = std::make_shared<net::steady_timer>(executor, predictor_->options().load_patience);
  net::co_spawn(executor, models.load(model.name), [patience](const std::exception_ptr&) { patience->cancel(); });
  auto waiting = patience->async_wait(net::as_tuple(net::use_awaitable));
  co_await std::move(waiting);
  const ServedModels::Status now = models.status(model.name);
  require(now.state != State::failed, ErrorCode::internal, "the model could not be loaded: {}", now.failure);
  require(now.state == State::loaded, ErrorCode::unavailable, "the model is being loaded; try again soon");
}

net::awaitable<Predictions::PredictionPtr> Predictions::begin(Question question) {
  const net::any_io_executor executor = co_await net::this_coro::executor;
  PredictionPtr made;
  const auto telling = question.previews ? PredictionDialect::Progress::told : PredictionDialect::Progress::kept;
  const auto watch = [&](const Hosted& entry) {
    made = std::make_shared<Prediction>(entry);
    made->memory = predictor_->sessions().inputs().charge();
    auto dialect = std::make_unique<PredictionDialect>(made->progress, telling);
    made->dialect = dialect.get();
    made->pump = std::make_unique<Pump>(entry,
                                        Interest{.events = Interest::Events{.role = generation::Stream::Role::recorder},
                                                 .gops = delivery::EncodedStream::From::start,
                                                 .video_end = true,
                                                 .work = &predictor_->work()},
                                        std::move(dialect));
    made->pump->open(executor);
  };
  auto beginning = predictor_->begin(std::move(question), watch);
  co_await std::move(beginning);
  predictions_.emplace(made->hosted.session->id().text(), made);
  net::co_spawn(
      executor, [self = shared_from_this(), made] { return self->tell(made); }, net::detached);
  co_return made;
}

net::awaitable<void> Predictions::tell(PredictionPtr prediction) {
  const Prediction::Telling telling(prediction);
  std::optional<generation::Failure> failure;
  try {
    for (bool more = true; more;) {
      auto waiting = prediction->pump->next();
      std::optional<Message> message = co_await std::move(waiting);
      more = message.has_value();
      if (!more) break;
      while (!prediction->add(*message))
        require(make_room(), ErrorCode::exhausted,
                "there is no memory for the frames; try again later "
                "(--max-input-mib)");
    }
  } catch (...) {
    failure = generation::current_failure();
  }
  if (failure) {
    log::warning("prediction {}: {}", prediction->hosted.session->id().text(), failure->message);
    prediction->hosted.session->stop(failure->message);
    generation::SessionStatus status;
    status.state = generation::SessionState::failed;
    status.failure = failure;
    for (Message& message : prediction->dialect->end(status)) prediction->add(std::move(message));
  }
  prediction->over = true;
  prediction->wake();
}

/// The oldest one that is over and that nobody follows is forgotten; its video stays. False: there is none.
bool Predictions::make_room() {
  auto oldest = predictions_.end();
  for (auto each = predictions_.begin(); each != predictions_.end(); ++each) {
    if (!each->second->over || each->second->watching > 0) continue;
    const auto created = [](const auto& entry) { return entry->second->hosted.session->created(); };
    if (oldest == predictions_.end() || created(each) < created(oldest)) oldest = each;
  }
  if (oldest == predictions_.end()) return false;
  predictions_.erase(oldest);
  return true;
}

Feed Predictions::follow(std::string_view uuid, bool binary) const {
  const auto id = session_named(uuid);
  const auto found = id ? predictions_.find(id->text()) : predictions_.end();
  require(found != predictions_.end() && predictor_->sessions().has(*id), ErrorCode::not_found,
          "there is no prediction {}; it may have expired", uuid.substr(0, 100));
  predictor_->sessions().find(*id);  // it is used
  return [prediction = found->second, binary](WebSocket& socket) { return send_told(prediction, binary, &socket); };
}

net::awaitable<void> Predictions::send_told(PredictionPtr prediction, bool binary, WebSocket* socket) {
  const Prediction::Watching watching(prediction);
  const auto wakeup = std::make_shared<Wakeup>(co_await net::this_coro::executor);
  prediction->sockets.push_back(wakeup);
  socket->on_text([weak = std::weak_ptr(prediction)](const std::string& text) {
    const auto cancelled = weak.lock();
    if (cancelled && is_cancel(text)) cancelled->hosted.session->stop("cancelled by the client");
  });
  for (std::size_t next = 0; next < prediction->told.size() || !prediction->over;) {
    if (next == prediction->told.size()) {
      auto sleeping = wakeup->wait();
      co_await std::move(sleeping);
      continue;
    }
    Message message = prediction->told[next++];
    const auto* frame = std::get_if<std::shared_ptr<const media::Bytes>>(&message.body);
    if (frame && !binary) message.body = frame_as_json(**frame);
    auto sending = send_message(*socket, std::move(message));
    co_await std::move(sending);
  }
  const generation::SessionStatus end = prediction->hosted.session->status();
  const bool cut_off = end.end_reason == generation::EndReason::shutdown;
  auto closing = cut_off ? socket->close(CloseCode::going_away, "the server is shutting down")
                         : socket->close(CloseCode::normal, how_it_ended(end.state));
  co_await std::move(closing);
}

void Predictions::sweep() {
  std::erase_if(predictions_,
                [&](const auto& each) { return !predictor_->sessions().has(each.second->hosted.session->id()); });
  for (const auto& [id, prediction] : predictions_) {
    const bool is_missed = prediction->watching > 0 || !prediction->left ||
                           Clock::now() - *prediction->left < predictor_->options().absence;
    if (prediction->over || is_missed || *prediction->progress >= kNearlyDone) continue;
    prediction->hosted.session->stop("nobody followed the prediction any more", generation::EndReason::client_left);
  }
}

}  // namespace rushes::server::foresight
