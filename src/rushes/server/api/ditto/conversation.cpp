#include "rushes/server/api/ditto/conversation.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>

#include "rushes/base/log.h"
#include "rushes/base/printable.h"
#include "rushes/server/api/native/json_fields.h"
#include "rushes/server/streaming/pump.h"

namespace rushes::server::ditto {
namespace {

class Conversation : public std::enable_shared_from_this<Conversation> {
 public:
  Conversation(Studio studio, const ServedFiles& files, Clients& clients, const std::string& id, bool with_audio,
               net::any_io_executor executor)
      : studio_(studio),
        files_(files),
        clients_(clients),
        with_audio_(with_audio),
        executor_(std::move(executor)),
        wakeup_(std::make_shared<Wakeup>(executor_)),
        client_(clients.enter(id, wakeup_)) {
    log::info("Client {} connected", printable(id));
  }
  Conversation(const Conversation&) = delete;
  Conversation& operator=(const Conversation&) = delete;
  ~Conversation() {
    log::info("Client {} disconnected", printable(client_->id()));
    clients_.leave(*client_, wakeup_);
  }

  net::awaitable<void> run(WebSocket& socket) {
    socket.on_text([weak = weak_from_this()](const std::string& message) {
      if (const auto self = weak.lock()) self->hear(message);
    });
    socket.on_binary([weak = weak_from_this()](const std::string&) {
      if (const auto self = weak.lock()) self->refuse("a binary message came; messages are JSON objects as text");
    });
    net::steady_timer timer(executor_);
    while (wrong_.empty()) {
      const auto due = client_->is_at(wakeup_) ? client_->due() : std::nullopt;
      if (due && *due <= Client::Clock::now()) {
        auto sending = send_message(socket, client_->take());
        co_await std::move(sending);
        continue;
      }
      if (!due && studio_.sessions.draining() && !client_->streams()) break;
      if (due) {
        timer.expires_at(*due);
        timer.async_wait([notify = wakeup_->notifier()](boost::system::error_code error) {
          if (!error) notify();
        });
      }
      co_await wakeup_->wait();
    }
    if (wrong_.empty()) {
      auto closing = socket.close(CloseCode::going_away, "the server is shutting down");
      co_await std::move(closing);
      co_return;
    }
    if (client_->is_at(wakeup_)) client_->cancel("the client was disconnected", generation::EndReason::client_left);
    std::string reason = wrong_;
    auto closing = socket.close(CloseCode::policy, std::move(reason));
    co_await std::move(closing);
  }

 private:
  void refuse(std::string_view why) {
    if (!wrong_.empty()) return;
    wrong_ = why;
    log::error("Client {}: {}", printable(client_->id()), wrong_);
    wakeup_->notifier()();
  }

  void hear(const std::string& text) {
    if (!wrong_.empty()) return;
    try {
      const ClientMessage message = parse_client_message(text);
      using Type = ClientMessage::Type;
      switch (message.type) {
        case Type::start: begin(message.fields); break;
        case Type::stop:
          if (client_->cancel("stopped by the client")) client_->reply(streaming_stopped(now()));
          break;
        case Type::ping: client_->reply(pong(now())); break;
        case Type::set_options: set_options(message.fields); break;
        case Type::unknown:
          log::warning(
              "Client {}: unknown message type {}", printable(client_->id()),
              printable(
                  message.fields.value("type", nlohmann::json()).dump(-1, ' ', false, Json::error_handler_t::replace)));
      }
      if (client_->floods()) refuse("too many answers wait for this client");
    } catch (const Error& error) {
      refuse(error.what());
    }
  }

  Input input_of(const std::string& path, bool& found) const {
    if (is_data(path)) return path;
    const auto file = files_.find(path);
    found = file.has_value();
    return file ? Input(*file) : Input();
  }

  void begin(const nlohmann::json& fields) {
    if (client_->streams()) return client_->reply(error("Streaming already active for this client"));
    try {
      Start start = parse_start(fields);
      start.audio = start.audio || with_audio_;
      Inputs inputs;
      bool found = true;
      if (start.audio_path != kLiveAudio) inputs.speech = input_of(start.audio_path, found);
      if (!found) return client_->reply(error("Audio file not found: " + start.audio_path));
      inputs.source = input_of(start.source_path, found);
      if (!found) return client_->reply(error("Source file not found: " + start.source_path));
      require(!studio_.sessions.draining(), ErrorCode::unavailable, "the server is shutting down");
      log::info("Starting streaming for client {}", printable(client_->id()));
      client_->begin(std::make_shared<Streaming>(executor_));
      client_->reply(streaming_started(start, now()));  // as the answers to what comes at once behind it
      // Not of this connection alone: one that replaces it goes on with the stream.
      net::co_spawn(executor_, stream_frames(studio_, client_, client_->stream(), std::move(start), std::move(inputs)),
                    net::detached);
    } catch (const Error& failure) {
      client_->reply(error(std::string("Failed to create streaming task: ") + failure.what()));
    }
  }

  void set_options(const nlohmann::json& fields) {
    try {
      const auto given = fields.find("options");
      require(given != fields.end() && given->is_object(), ErrorCode::invalid_argument, "options must be an object");
      require(client_->streams() && client_->stream()->hosted, ErrorCode::conflict, "no stream runs for this client");
      const Hosted& hosted = *client_->stream()->hosted;
      const auto known = studio_.sessions.models().status(hosted.model).options;
      const Options options = named_options(JsonFields::of(*given), known);
      studio_.sessions.set_options(hosted, options);
      client_->reply(options_set(options, now()));
    } catch (const Error& failure) {
      client_->reply(error(failure.what()));
    }
  }

  const Studio studio_;
  const ServedFiles& files_;
  Clients& clients_;
  const bool with_audio_;
  const net::any_io_executor executor_;
  const std::shared_ptr<Wakeup> wakeup_;
  const std::shared_ptr<Client> client_;
  std::string wrong_;  // with what came; ends the connection
};

}  // namespace

net::awaitable<void> converse(Studio studio, const ServedFiles& files, Clients& clients, std::string id,
                              bool with_audio, WebSocket& socket) {
  const net::any_io_executor executor = co_await net::this_coro::executor;
  const auto conversation = std::make_shared<Conversation>(studio, files, clients, id, with_audio, executor);
  auto running = conversation->run(socket);
  co_await std::move(running);
}

}  // namespace rushes::server::ditto
