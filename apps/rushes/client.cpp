// rushes client ditto: starts a stream on a Ditto server over its WebSocket, takes the frames, and tells how they came.
#include <fmt/format.h>

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/websocket.hpp>
#include <boost/url/parse.hpp>
#include <boost/url/url.hpp>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>

#include "commands.h"
#include "rushes/base/error.h"
#include "rushes/base/interruption.h"
#include "rushes/base/printable.h"
#include "rushes/media/image.h"
#include "rushes/server/http/base64.h"
#include "rushes/server/http/http.h"
#include "streaming_statistics.h"

namespace rushes::app {
namespace {

namespace beast = boost::beast;
namespace net = boost::asio;
using boost::system::error_code;
using nlohmann::json;
using Clock = std::chrono::steady_clock;
using Json = nlohmann::ordered_json;

struct Options {
  std::string server = "ws://localhost:8000", client_id = "test_client", token;
  std::string audio_path = "./example/audio.wav", source_path = "./example/image.png";
  std::string setup_kwargs = "{}", run_kwargs = R"({"chunksize": [3, 5, 2], "fade_in": -1, "fade_out": -1})";
  std::string pacing;
  int timeout_s = 60;
  bool save_frames = false, binary = false, decode_times = false;
};

/// As the published client's logger writes.
void tell(const char* level, const std::string& text) {
  std::fprintf(stderr, "%s:streaming_client:%s\n", level, text.c_str());
}
void tell(const std::string& text) { tell("INFO", text); }

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

/// A WebSocket that is read until a deadline. Throws boost::system::system_error.
class Socket {
 public:
  /// `address`: ws://HOST[:PORT][/BASE]. Throws Error(invalid_argument) too.
  Socket(const std::string& address, const std::string& client_id, const std::string& token) {
    const auto url = boost::urls::parse_uri(address);
    require(url && url->scheme() == "ws" && !url->host().empty(), ErrorCode::invalid_argument,
            "--server must be ws://HOST:PORT (got '{}')", printable(address));
    const std::string host = url->host(), port = url->has_port() ? std::string(url->port()) : "80";
    std::string target = std::string(url->encoded_path());
    if (target.ends_with('/')) target.pop_back();
    target += "/ws/" + server::percent_encode(client_id);
    if (!token.empty()) target += "?token=" + server::percent_encode(token);
    net::ip::tcp::resolver resolver(io_);
    net::connect(beast::get_lowest_layer(socket_).socket(), resolver.resolve(host, port));
    beast::get_lowest_layer(socket_).socket().set_option(net::ip::tcp::no_delay(true));
    socket_.read_message_max(std::size_t{256} << 20);
    socket_.handshake(host + ":" + port, target);
  }

  void send(const std::string& text) {
    socket_.text(true);
    socket_.write(net::buffer(text));
  }

  struct Message {
    bool is_text = true;
    std::string body;
  };
  enum class End { none, timeout, closed };
  /// The next message; nothing: see end().
  std::optional<Message> receive(Clock::time_point deadline) {
    buffer_.clear();
    std::optional<error_code> result;
    socket_.async_read(buffer_, [&](error_code error, std::size_t) { result = error; });
    while (!result && Clock::now() < deadline) {
      io_.restart();
      io_.run_for(std::min<Clock::duration>(deadline - Clock::now(), std::chrono::milliseconds(200)));
      base::interruption_point();
    }
    if (!result) {
      end_ = End::timeout;
      beast::get_lowest_layer(socket_).socket().close();
      io_.restart();
      io_.run();  // the read ends, which refers to this call
      return std::nullopt;
    }
    if (*result) {
      end_ = End::closed;
      return std::nullopt;
    }
    return Message{socket_.got_text(), beast::buffers_to_string(buffer_.data())};
  }
  End end() const noexcept { return end_; }
  void close() {
    error_code ignored;
    if (end_ == End::none) socket_.close(beast::websocket::close_code::normal, ignored);
  }

 private:
  net::io_context io_;
  beast::websocket::stream<beast::tcp_stream> socket_{io_};
  beast::flat_buffer buffer_;
  End end_ = End::none;
};

class Client {
 public:
  explicit Client(const Options& options) : options_(options) {}

  /// Handles a message; false: it was the last one of the stream.
  bool take(const Socket::Message& message, Clock::time_point start) {
    if (!message.is_text) {
      take_binary(message.body, start);
      return true;
    }
    const json told = json::parse(message.body, nullptr, false);
    const std::string type = told.is_object() && told.contains("type") && told["type"].is_string() ? told["type"] : "";
    if (type == "frame") {
      const double at = seconds_since(start);
      const auto begun = Clock::now();
      take_frame(told.value("frame_id", int64_t{0}), server::decode_base64("frame_data", told.value("frame_data", "")),
                 at, begun);
    } else if (type == "streaming_started") {
      tell("Streaming started: " + told.value("audio_path", "") + " -> " + told.value("source_path", ""));
    } else if (type == "metadata") {
      const auto number = [&](const char* name) {
        return told.contains(name) && told[name].is_number() ? told[name].get<double>() : 0.0;
      };
      tell(fmt::format("Metadata: {:.2f}s, {:.0f} frames", number("audio_duration"), number("expected_frames")));
    } else if (type == "streaming_completed") {
      completed_ = true;
      tell("Streaming completed");
    } else if (type == "writer_closed") {
      completed_ = true;
      tell(fmt::format("Writer closed. Total frames: {}", told.value("total_frames", int64_t{0})));
      return false;
    } else if (type == "error") {
      tell("ERROR", "Server error: " + told.value("message", ""));
      return false;
    }
    return true;
  }
  const std::vector<FrameArrival>& frames() const noexcept { return frames_; }
  bool succeeded() const noexcept { return completed_ && !frames_.empty(); }

 private:
  void take_binary(const std::string& body, Clock::time_point start) {
    constexpr std::size_t kHeader = 16, kLength = 12;  // id, time, length: big-endian
    const double at = seconds_since(start);
    const auto begun = Clock::now();
    const auto number = [&](std::size_t place) {
      uint32_t value = 0;
      for (std::size_t i = place; i < place + 4; ++i) value = value << 8 | static_cast<unsigned char>(body[i]);
      return value;
    };
    if (body.size() < kHeader || body.size() - kHeader < number(kLength))
      return tell("ERROR", "a binary message is malformed");
    take_frame(number(0), body.substr(kHeader, number(kLength)), at, begun);
  }

  void take_frame(int64_t id, std::string jpeg, double at, Clock::time_point begun) {
    if (options_.save_frames) {
      media::decode_image({reinterpret_cast<const uint8_t*>(jpeg.data()), jpeg.size()});
      std::filesystem::create_directories("received_frames");
      std::ofstream(fmt::format("received_frames/frame_{:06}.jpg", id), std::ios::binary) << jpeg;
    }
    frames_.push_back({.at_s = at, .jpeg_bytes = static_cast<int64_t>(jpeg.size()), .decode_s = seconds_since(begun)});
    if (id % 25 == 0)
      tell(fmt::format("Received frame {}, size: {:.1f}KB", id, static_cast<double>(jpeg.size()) / 1024));
  }

  const Options& options_;
  std::vector<FrameArrival> frames_;
  bool completed_ = false;
};

json object_of(const char* flag, const std::string& text) {
  json object = json::parse(text, nullptr, false);
  require(object.is_object(), ErrorCode::invalid_argument, "{} must be a JSON object (got '{}')", flag,
          printable(text));
  return object;
}

void run(const Options& options) {
  Json start{{"type", "start_streaming"},
             {"audio_path", options.audio_path},
             {"source_path", options.source_path},
             {"setup_kwargs", object_of("--setup_kwargs", options.setup_kwargs)},
             {"run_kwargs", object_of("--run_kwargs", options.run_kwargs)}};
  if (options.binary) start["binary"] = true;
  if (!options.pacing.empty()) start["pacing"] = options.pacing;
  std::unique_ptr<Socket> socket;
  try {
    socket = std::make_unique<Socket>(options.server, options.client_id, options.token);
  } catch (const boost::system::system_error& error) {
    tell("ERROR", std::string("Failed to connect to server: ") + error.code().message());
    throw CLI::RuntimeError(1);
  }
  tell("Connected to server as client " + options.client_id);
  const auto opened = Clock::now();
  socket->send(start.dump());
  const double sent = seconds_since(opened);
  tell("Sent start streaming command");
  Client client(options);
  const auto deadline = Clock::now() + std::chrono::seconds(options.timeout_s);
  while (const auto message = socket->receive(deadline))
    if (!client.take(*message, opened)) break;
  if (socket->end() == Socket::End::timeout) tell("Timeout reached, stopping...");
  std::fputs(streaming_report(streaming_statistics(sent, client.frames()), options.decode_times).c_str(), stdout);
  std::fflush(stdout);
  socket->close();
  tell("Disconnected from server");
  if (!client.succeeded()) throw CLI::RuntimeError(1);
}

}  // namespace

void add_client(CLI::App& app) {
  CLI::App* command = app.add_subcommand("client", "Watch a stream of a server of frames, and tell how they came");
  command->require_subcommand(1);
  CLI::App* ditto = command->add_subcommand("ditto", "The client of Ditto's streaming server");
  auto options = std::make_shared<Options>();
  ditto->add_option("--server", options->server, "address of the server")
      ->type_name("ws://HOST:PORT")
      ->capture_default_str();
  ditto->add_option("--client_id,--client-id", options->client_id, "name of this client")->capture_default_str();
  ditto->add_option("--audio_path,--audio-path", options->audio_path, "speech, a path on the server")
      ->capture_default_str();
  ditto->add_option("--source_path,--source-path", options->source_path, "picture or video, a path on the server")
      ->capture_default_str();
  ditto->add_flag("--save_frames,--save-frames", options->save_frames,
                  "write the frames to received_frames/frame_%06d.jpg");
  ditto->add_option("--timeout", options->timeout_s, "seconds after which it stops")
      ->check(CLI::Range(1, 86'400))
      ->capture_default_str();
  ditto->add_flag("--binary", options->binary, "frames as binary messages");
  ditto->add_option("--setup_kwargs,--setup-kwargs", options->setup_kwargs, "options of the session as JSON")
      ->capture_default_str();
  ditto->add_option("--run_kwargs,--run-kwargs", options->run_kwargs, "options of the run as JSON")
      ->capture_default_str();
  ditto->add_option("--pacing", options->pacing, "asap: frames as they are made; realtime: each at its time")
      ->check(CLI::IsMember({"asap", "realtime"}));
  ditto->add_flag("--decode_times,--decode-times", options->decode_times,
                  "tell how long the decoding of frames took, too");
  ditto->add_option("--token", options->token, "token that the server asks for");
  ditto->callback([options] { run(*options); });
}

}  // namespace rushes::app
