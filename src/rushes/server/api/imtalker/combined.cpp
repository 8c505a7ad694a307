#include "rushes/server/api/imtalker/combined.h"

#include "rushes/server/api/imtalker/decoder.h"
#include "rushes/server/static_files.h"

namespace rushes::server {
namespace {

using namespace imtalker;
namespace fs = std::filesystem;

constexpr std::string_view kNoVoice =
    "this server has no text to speech; send the speech itself, with the portrait, to /api/audio-driven/stream";

class CombinedRoutes {
 public:
  CombinedRoutes(TalkTable* talks, fs::path examples) : talks_(talks), examples_(std::move(examples)) {}

  // GET /api/avatars: the example portraits.
  Response avatars(const Request&) {
    Json avatars = Json::object();
    std::error_code missing;
    for (const auto& entry : fs::directory_iterator(examples_, missing))
      if (mime_type(entry.path()).starts_with("image/"))
        avatars["assets/" + entry.path().filename().string()] = {
            {"name", entry.path().stem().string()}, {"voice", nullptr}, {"voice_type", nullptr}, {"greeting", ""}};
    return json_response(
        200, {{"avatars", std::move(avatars)}, {"default_voice", nullptr}, {"default_voice_type", nullptr}});
  }

  // GET /api/status/{session_id}
  Response status(const Request& request) {
    const TalkSession& session = find(request);
    return json_response(200, {{"session_id", session.id()},
                               {"is_complete", session.complete()},
                               {"playlist_ready", !session.segments().empty()},
                               {"playlist_url", "/hls/" + session.id() + "/playlist.m3u8"}});
  }

  // GET /api/chunked/status/{session_id}
  Response chunked_status(const Request& request) {
    const TalkSession& session = find(request);
    const auto& error = session.error();
    return json_response(200,
                         {{"session_id", session.id()},
                          {"status", word(session.status())},
                          {"error_message", error ? Json(*error) : Json()},
                          {"total_frames", session.video_frames()},
                          {"created_at", std::chrono::duration<double>(session.created().time_since_epoch()).count()}});
  }

  // POST /api/session/cleanup?session_id=: that one, or all that are complete.
  Response cleanup(const Request& request) {
    require_model(talks_);
    std::vector<std::string> gone;
    if (const auto id = request.query_value("session_id")) {
      if (talks_->remove(*id)) gone.push_back(*id);
    } else {
      for (const auto& [id, session] : talks_->all())
        if (session.complete()) gone.push_back(id);
      for (const std::string& id : gone) talks_->remove(id);
    }
    return json_response(200, {{"status", "success"}, {"cleaned_sessions", gone}});
  }

  // POST /warmup: models are warmed up when they are loaded.
  Response warm_up(const Request&) {
    require_model(talks_);
    return json_response(
        200,
        {{"status", "ok"}, {"timings", Json::object()}, {"message", "The model was warmed up when it was loaded"}});
  }

 private:
  const TalkSession& find(const Request& request) {
    require_model(talks_);
    const std::string& id = request.path_value("session_id");
    const TalkSession* session = talks_->find(id);
    if (!session) refuse(404, "Session " + id + " not found");
    return *session;
  }

  TalkTable* const talks_;
  const fs::path examples_;
};

}  // namespace

void add_combined_routes(Router& router, TalkTable* talks, const fs::path& examples) {
  const auto routes = std::make_shared<CombinedRoutes>(talks, examples);
  const auto now = [&](const char* method, const char* pattern, Response (CombinedRoutes::*function)(const Request&)) {
    add_route(router, method, pattern,
              [routes, function](const Request& request) { return ((*routes).*function)(request); });
  };
  now("GET", "/api/avatars", &CombinedRoutes::avatars);
  now("GET", "/api/status/{session_id}", &CombinedRoutes::status);
  now("GET", "/api/chunked/status/{session_id}", &CombinedRoutes::chunked_status);
  now("POST", "/api/session/cleanup", &CombinedRoutes::cleanup);
  now("POST", "/warmup", &CombinedRoutes::warm_up);
  const auto no_voice = [](const Request&) -> Response { refuse(503, kNoVoice); };
  for (const auto& [method, pattern] : {std::pair{"POST", "/generate"},
                                        {"POST", "/generate_stream"},
                                        {"GET", "/generate_stream_get"},
                                        {"POST", "/api/tts/generate"},
                                        {"POST", "/api/avatar/voice"},
                                        {"DELETE", "/api/avatar/voice"}})
    add_route(router, method, pattern, no_voice);
}

}  // namespace rushes::server
