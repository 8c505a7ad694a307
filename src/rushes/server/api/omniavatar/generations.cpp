#include "rushes/server/api/omniavatar/generations.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include "rushes/audio/wav.h"
#include "rushes/base/log.h"
#include "rushes/generation/failure.h"
#include "rushes/media/audio_decoder.h"
#include "rushes/server/api/omniavatar/assistant.h"
#include "rushes/server/api/omniavatar/frames.h"
#include "rushes/server/sessions/inputs_memory.h"
#include "rushes/server/streaming/pump.h"

namespace rushes::server::omniavatar {

using socket_io::ClientPtr;

namespace {

constexpr std::size_t kMostEnded = 1000;  // whose names are still known
// As published, for a model that makes blocks of three latent frames; clients show them and nothing more.
constexpr int64_t kShownBlocks = 7, kShownLatentFrames = 3;

/// The published server's names have six digits, which anybody can guess; who knows a name may watch and cancel.
std::string random_name() {
  const std::string hex = generation::SessionId::random().text();
  return "causal_pipelined_session_" + std::to_string(std::stoull(hex.substr(0, 15), nullptr, 16));
}

/// Empty: the event does not say.
std::string session_id_of(const Json& fields) {
  if (!fields.is_object()) return {};
  const auto found = fields.find("session_id");
  return found != fields.end() && found->is_string() ? found->get<std::string>() : std::string();
}

}  // namespace

struct Generations::Generation {
  std::string id;
  ClientPtr caller;
  AvatarRequest wanted;
  std::optional<Mode> mode;
  bool with_conversation = true;
  std::string model = {};
  std::optional<std::string> reply = {};   // what the assistant said
  base::MemoryBudget::Charge memory = {};  // of the files, until they are the session's
  std::unique_ptr<Pump> pump = {};
  bool cancelled = false, over = false;

  /// Nothing of it outlives the server: its timers must not.
  class Ending {
   public:
    explicit Ending(std::shared_ptr<Generation> generation) : generation_(std::move(generation)) {}
    ~Ending() {
      generation_->over = true;
      generation_->pump.reset();
      generation_->caller.reset();
    }
    Ending(const Ending&) = delete;
    Ending& operator=(const Ending&) = delete;

   private:
    const std::shared_ptr<Generation> generation_;
  };

  /// At once, or as soon as there is a session.
  void stop(std::string reason) {
    cancelled = true;
    if (pump) pump->hosted().session->stop(std::move(reason));
  }
};

socket_io::App Generations::app() {
  const auto self = shared_from_this();
  return {.connected =
              [](const ClientPtr& client) {
                client->emit("connected", {{"message", "Connected to pipelined streaming server"}});
              },
          .event = [self](const ClientPtr& client, const std::string& event,
                          Json argument) { return self->on_event(client, event, std::move(argument)); },
          .gone =
              [self](const ClientPtr& client) {
                for (const std::string& room : self->rooms_.leave_all(client)) self->leave(room, client);
              }};
}

bool Generations::on_event(const ClientPtr& client, const std::string& event, Json argument) {
  const std::string id = session_id_of(argument);
  const auto complain = [&](std::string_view message) { client->emit("error", {{"message", message}}); };
  try {
    if (event == "join_session") {
      if (id.empty()) return complain("No session_id provided"), true;
      rooms_.join(id, client);
      client->emit("session_joined", {{"session_id", id}});
    } else if (event == "leave_session") {
      if (id.empty()) return true;
      rooms_.leave(id, client);
      leave(id, client);
      client->emit("session_left", {{"session_id", id}});
    } else if (event == "generate_streaming_base64") {
      begin(client, std::move(argument), mode_);
    } else if (event == "generate_causal_streaming_base64") {
      begin(client, std::move(argument), Mode::causal);
    } else if (event == "cancel_generation") {
      cancel(id);
    } else if (event == "switch_mode") {
      switch_mode(client, argument);
    } else {
      return false;
    }
  } catch (const Error& error) {
    complain(error.what());
  }
  return true;
}

/// Nobody is left whom to tell: it ends where its block is complete.
void Generations::leave(const std::string& room, const ClientPtr&) {
  const auto found = generations_.find(room);
  if (found == generations_.end() || found->second->over || !rooms_.members(room).empty()) return;
  Generation& generation = *found->second;
  generation.cancelled = true;
  if (generation.pump)
    generation.pump->hosted().session->stop_at_border("all clients have left", generation::EndReason::client_left);
}

bool Generations::follows_any(const ClientPtr& client) const {
  return std::any_of(generations_.begin(), generations_.end(),
                     [&](const auto& each) { return !each.second->over && rooms_.has(each.first, client); });
}

std::string Generations::model_for(Mode mode) const {
  const auto model = studio_->model_of(mode);
  require(model.has_value(), ErrorCode::unavailable, "Mode '{}' is not available: this server has no such model",
          name(mode));
  return *model;
}

void Generations::begin(const ClientPtr& client, Json fields, std::optional<Mode> mode) {
  require(studio_->has_model(), ErrorCode::unavailable, "Model not initialized");
  require(!studio_->sessions().draining(), ErrorCode::unavailable, "the server is shutting down");
  const auto generation = std::make_shared<Generation>();
  // One whose kind is not known yet is loaded first.
  const std::string first = studio_->first_model();
  generation->model = mode && studio_->mode_of(first) ? model_for(*mode) : first;
  const auto converses = fields.is_object() ? fields.find("use_conversation") : fields.end();
  generation->with_conversation = converses == fields.end() || !converses->is_boolean() || converses->get<bool>();
  generation->wanted = read_event(std::move(fields));
  generation->caller = client;
  generation->memory = studio_->sessions().inputs().charge();
  charge_inputs_or_make_room(studio_->sessions(), generation->memory,
                             static_cast<int64_t>(generation->wanted.audio.size() + generation->wanted.image.size()));
  do generation->id = random_name();
  while (generations_.contains(generation->id));
  rooms_.join(generation->id, client);
  generations_.emplace(generation->id, generation);
  ++started_;
  const net::any_io_executor executor = client->executor();
  net::co_spawn(
      executor, [self = shared_from_this(), generation, executor] { return self->run(generation, executor); },
      net::detached);
}

void Generations::cancel(const std::string& id) {
  require(!id.empty(), ErrorCode::invalid_argument, "No session_id provided");
  const auto found = generations_.find(id);
  require(found != generations_.end(), ErrorCode::not_found, "Session {} not found", id.substr(0, 100));
  Generation& generation = *found->second;
  require(!generation.over && !generation.cancelled, ErrorCode::conflict, "Generation is not active");
  const int64_t frames = generation.pump ? generation.pump->hosted().session->status().video_frames : 0;
  generation.stop("cancelled by the client");
  const Json fields{{"session_id", id}, {"message", "Generation cancelled by user"}, {"frames_generated", frames}};
  tell(generation, socket_io::event_packet("generation_cancelled", fields));
}

void Generations::switch_mode(const ClientPtr& client, const Json& fields) {
  const auto found = fields.is_object() ? fields.find("mode") : fields.end();
  const bool is_text = found != fields.end() && found->is_string();
  const std::string wanted = is_text ? found->get<std::string>() : "";
  require(wanted == name(Mode::causal) || wanted == name(Mode::normal), ErrorCode::invalid_argument,
          "mode must be 'normal' or 'causal'");
  const Mode mode = wanted == name(Mode::causal) ? Mode::causal : Mode::normal;
  model_for(mode);
  mode_ = mode;
  client->emit("mode_switched", {{"mode", wanted}, {"message", "Switched to " + wanted + " mode"}});
}

// ---- one generation ----

void Generations::tell(const Generation& generation, const char* event, Json fields) const {
  tell(generation, std::get<std::string>(event_message(event, generation.id, std::move(fields)).body));
}

void Generations::tell(const Generation& generation, std::string packet, bool may_be_missed) const {
  for (const ClientPtr& client : rooms_.members(generation.id)) {
    // The caller sets the pace; others who are slower miss frames.
    if (may_be_missed && client != generation.caller && !client->has_room()) continue;
    client->send(packet);
  }
}

net::awaitable<void> Generations::run(GenerationPtr generation, net::any_io_executor executor) {
  const Generation::Ending ending(generation);
  std::string failure;
  try {
    auto making = make(generation, executor);
    co_await std::move(making);
  } catch (...) {
    failure = generation::current_failure().message;
  }
  if (!failure.empty()) {
    if (generation->pump) generation->pump->hosted().session->stop(failure);
    if (!generation->cancelled)
      tell(*generation, "generation_error",
           {{"error", failure}, {"message", "Causal Pipelined video generation failed"}});
  }
  ended_.push_back(generation->id);
  if (ended_.size() > kMostEnded) {
    generations_.erase(ended_.front());
    ended_.pop_front();
  }
}

net::awaitable<void> Generations::make(const GenerationPtr& generation, const net::any_io_executor& executor) {
  std::string wrong;
  try {
    auto decoding = studio_->work().run([&] {
      decode_files(generation->wanted);
      return true;
    });
    co_await std::move(decoding);
  } catch (const Error& error) {
    wrong = error.what();
  }
  if (!wrong.empty()) {
    generation->caller->emit("error", {{"message", wrong}});
    co_return;
  }
  generation->caller->emit("generation_started", {{"session_id", generation->id},
                                                  {"message", "Causal Pipelined streaming generation started"},
                                                  {"num_blocks", kShownBlocks},
                                                  {"frames_per_block", kShownLatentFrames},
                                                  {"total_frames", kShownBlocks * kShownLatentFrames}});
  if (generation->with_conversation) {
    auto conversing = converse(generation);
    co_await std::move(conversing);
  }
  if (generation->cancelled) co_return;
  const bool with_sound = generation->wanted.with_sound;
  const auto watch = [&](const Hosted& entry, const SpeechPtr& speech) {
    generation->pump = std::make_unique<Pump>(
        entry,
        Interest{.events = Interest::Events{.role = generation::Stream::Role::recorder}, .work = &studio_->work()},
        std::make_unique<FramesDialect>(FramesDialect::How{.session_id = generation->id,
                                                           .sound = with_sound ? speech : nullptr,
                                                           .conversation_reply = generation->reply}));
    generation->pump->open(executor);
    if (generation->cancelled) entry.session->stop("cancelled by the client");
  };
  generation->memory.resize(0);  // it charges them at once
  auto beginning = studio_->begin(generation->model, std::move(generation->wanted), watch);
  co_await std::move(beginning);
  auto telling = tell_all(generation);
  co_await std::move(telling);
}

net::awaitable<void> Generations::converse(const GenerationPtr& generation) {
  AvatarRequest& wanted = generation->wanted;
  tell(*generation, "conversation_processing", {{"message", "Processing the conversation"}});
  if (assistant_.url.empty() || wanted.audio.empty()) {
    tell(*generation, "conversation_warning",
         {{"message", wanted.audio.empty() ? "There is no audio to be answered"
                                           : "No assistant is configured; the avatar says what was said to it"}});
    co_return;
  }
  std::string failure;
  try {
    auto hearing = decode_inputs(studio_->sessions(), studio_->work(), [&] {
      const std::span<const uint8_t> file(reinterpret_cast<const uint8_t*>(wanted.audio.data()), wanted.audio.size());
      auto memory = studio_->sessions().inputs().charge();
      const media::AudioLimits limits{.max_hz = media::kMostSpeechHz,
                                      .admit = [&](int64_t bytes) { charge_inputs(memory, bytes); }};
      const media::DecodedAudio heard = media::resampled(media::decode_audio(file, limits), 16'000);
      return audio::wav_file(heard.samples, heard.hz);
    });
    std::vector<uint8_t> wav = co_await std::move(hearing);
    auto asking = ask(assistant_, std::move(wav), studio_->work());
    Reply reply = co_await std::move(asking);
    wanted.audio = std::move(reply.sound);
    generation->reply = std::move(reply.text);
  } catch (const Error& error) {
    failure = error.what();
  }
  if (failure.empty()) {
    tell(*generation, "conversation_complete",
         {{"message", "The conversation is complete"}, {"reply_text", *generation->reply}});
  } else {
    log::warning("avatar {}: {}", generation->id, failure);
    tell(*generation, "conversation_error", {{"message", failure}});
  }
}

net::awaitable<void> Generations::tell_all(const GenerationPtr& generation) {
  for (;;) {
    auto waiting = generation->pump->next();
    std::optional<Message> message = co_await std::move(waiting);
    if (!message || generation->cancelled) co_return;
    if (!generation->caller->closed()) {
      auto room = generation->caller->room();
      co_await std::move(room);
      if (generation->cancelled) co_return;
    }
    tell(*generation, std::move(std::get<std::string>(message->body)), message->event == kFrameEvent);
  }
}

// ---- what there is ----

nlohmann::json Generations::health() const {
  const std::optional<std::string> causal = studio_->model_of(Mode::causal), normal = studio_->model_of(Mode::normal);
  const Mode mode = mode_.value_or(causal || !normal ? Mode::causal : Mode::normal);
  return {{"status", "healthy"},
          {"model_loaded", studio_->has_model()},
          {"causal_model_loaded", causal.has_value()},
          {"qwen_omni_loaded", !assistant_.url.empty()},
          {"current_mode", name(mode)},
          {"streaming_supported", true},
          {"websocket_enabled", true},
          {"pipelined_mode", true},
          {"conversation_enabled", true},
          {"active_sessions", started_}};
}

nlohmann::json Generations::model_info() const {
  const bool causal = health()["current_mode"] == name(Mode::causal);
  nlohmann::json features{"i2v", "audio", "streaming", "pipelined", "conversation"};
  if (causal) features.push_back("causal_inference");
  nlohmann::json info{
      {"current_mode", name(causal ? Mode::causal : Mode::normal)},
      {"supported_features", features},
      {"conversation_model", assistant_.url.empty() ? nlohmann::json() : nlohmann::json(assistant_.model)},
      {"conversation_voices",
       assistant_.url.empty() ? nlohmann::json::array() : nlohmann::json::array({assistant_.voice})}};
  if (!causal) return info;
  // What the page was written for; this server's models tell what they are in /v1/models.
  info.update({{"model_type", "causal_pipelined"},
               {"num_blocks", kShownBlocks},
               {"frames_per_block", kShownLatentFrames},
               {"num_transformer_blocks", 30},
               {"frame_seq_length", 1125},
               {"independent_first_frame", false}});
  return info;
}

}  // namespace rushes::server::omniavatar
