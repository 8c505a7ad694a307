// The server: listens, hands connections their routes, and ends in good order. One thread serves all clients; models,
// encoders and the rest of the work have threads of their own.
#pragma once
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "rushes/generation/model.h"
#include "rushes/server/api/native/webrtc_routes.h"
#include "rushes/server/http/options.h"
#include "rushes/server/sessions/options.h"
#include "rushes/server/socket_io/options.h"

namespace rushes::server {

/// Sessions whose frames go out one by one over a WebSocket.
struct FrameStreamOptions {
  std::filesystem::path file_root = ".";  // files that clients may name are below
  std::size_t queue = 500;                // messages that may wait for a client; then the generation waits too
  bool adaptive_quality = false;          // of the frames: lower while many wait
  bool emit_tail = false;                 // frames beyond the end of the speech, as the published server sends them
};

/// A speech model elsewhere that answers what is said to an avatar: a chat completion with sound in and out.
struct AssistantOptions {
  std::string url = {};  // "https://example.org/v1", followed by /chat/completions; empty: there is none
  std::string model = {}, voice = "alloy";
  std::string key = {};                         // sent as a bearer token; empty: none is needed
  std::chrono::milliseconds patience{120'000};  // for its answer
};

/// Questions about a picture, which are answered in words and in a video.
struct ChatOptions {
  std::size_t message_bytes = 64 << 20;         // of a question over a WebSocket, with all its pictures
  std::filesystem::path static_directory = {};  // files that are served under /static; empty: none
  /// What an answer is made with where its question does not say, by the names of requests and of the model's options.
  std::vector<std::pair<std::string, std::string>> defaults = {};
  std::chrono::milliseconds absence{30'000};              // of whoever followed an answer; then it is not made further
  std::chrono::milliseconds kept{std::chrono::hours(1)};  // answers and their videos, since they were last used
  std::chrono::milliseconds load_patience{5'000};         // for a model that is loaded for a prediction; then 503
};

struct ServerOptions {
  /// ADDRESS:PORT, [ADDRESS]:PORT or PORT, port 0: any free one; with =openai,imtalker: these APIs and the native one.
  std::vector<std::string> listen{"127.0.0.1:8000"};
  std::filesystem::path data_directory;  // recordings
  std::filesystem::path web_root;        // the page's files
  AccessOptions access;
  SessionLimits sessions;
  ModelAliases aliases;
  ConnectionLimits connections;
  ProxyOptions proxy;
  WorkLimits work;
  std::vector<generation::Request> start_with;  // sessions that begin with the server, before any viewer asks
  std::vector<std::string> push_hosts;          // that RTMP may go to; "*": any; this machine always
  WebRtcLimits webrtc;
  FrameStreamOptions frame_streams;
  socket_io::Options socket_io;
  AssistantOptions assistant;
  ChatOptions chat;
  /// IMTalker's heads go then, unless they are fed, watched or asked for.
  std::chrono::milliseconds head_idle = std::chrono::minutes(50);
  std::size_t head_runs = 16;                 // sessions of one head's name that are kept; the oldest go
  std::string head_mode = "aligned";          // of IMTalker's heads, where a request names none
  std::chrono::milliseconds drain{10'000};    // at the end: blocks in work have this long to complete
  std::chrono::milliseconds farewell{5'000};  // then clients have this long to take what is left
  std::chrono::milliseconds sweep{1'000};     // how often limits in time are looked at
  bool handle_signals = false;  // SIGINT and SIGTERM end run(), a second one the process; SIGPIPE is ignored
  std::string version = "unknown";
};

class Server {
 public:
  /// Listens at once. Throws Error(invalid_argument) for options, also for APIs that one address cannot serve together,
  /// Error(unavailable) for an address that is taken.
  Server(ServerOptions options, std::vector<ModelSource> models);
  Server(ServerOptions options, std::shared_ptr<const generation::Model> model);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// "http://127.0.0.1:8000", one for each address.
  std::vector<std::string> urls() const;
  std::vector<uint16_t> ports() const;
  /// "GET /v1/sessions/{id}", one for each of the first address.
  std::vector<std::string> routes() const;

  /// Serves until stop() or a signal: then takes no new sessions, lets those that run complete their blocks and their
  /// recordings, takes no new clients, tells viewers why, and returns when all have left or the time is over.
  void run();
  /// Behind run(): completes the recordings, and waits so long for work of clients who have left. False: some of it
  /// cannot be interrupted yet, such as the decoding of a huge picture. Nothing else is left to be done: the process
  /// may end without it, while the destructor would wait.
  bool finish(std::chrono::milliseconds most);
  /// Any thread; may be called twice.
  void stop();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace rushes::server
