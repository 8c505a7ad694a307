#include "rushes/server/api/imtalker/combined.h"

#include <cmath>
#include <fstream>
#include <iterator>

#include "rushes/server/api/imtalker/decoder.h"
#include "rushes/server/api/imtalker/json_lines.h"
#include "rushes/server/static_files.h"

namespace rushes::server {
namespace {

using namespace imtalker;
namespace fs = std::filesystem;

constexpr std::size_t kMaxGenerateBytes = kMaxImageBytes + kMaxAudioBytes + (64 << 10);
constexpr double kChunkSeconds = 1.0;
constexpr std::string_view kNoVoice =
    "this server has no text to speech; send the speech itself: a form with 'audio', and 'image' or 'avatar', to "
    "/generate_stream";

class CombinedRoutes {
 public:
  CombinedRoutes(TalkTable* talks, fs::path examples) : talks_(talks), examples_(std::move(examples)) {}

  // POST /generate_stream: a form with the speech, and its portrait as a file or by an avatar's name.
  net::awaitable<Response> generate_stream(const Request& request) {
    require_model(talks_);
    if (media_type(request.header("content-type")) != "multipart/form-data") refuse(503, kNoVoice);
    Form form(request);
    const std::string_view sound = form.file("audio");
    const auto avatar = form.optional_text("avatar");
    const std::string chosen = avatar ? read_avatar(*avatar) : std::string();
    const std::string_view image = avatar ? std::string_view(chosen) : form.file("image");
    generation::VideoRequest request_of;
    request_of.seed = form.integer("seed", 42);
    request_of.talk.emplace().crop = form.boolean("crop", true);
    request_of.talk->chunk_seconds = kChunkSeconds;
    form.check();
    auto decoding = decoder_.portrait(image, std::move(request_of), talks_->shared_model());
    generation::VideoRequest talker = co_await std::move(decoding);
    auto hearing = decoder_.sound(sound);
    media::DecodedAudio audio = co_await std::move(hearing);
    TalkSession& session = talks_->create("lines_" + random_uuid(), std::move(talker));
    const Entry entry = session.newest().entry;
    const double pictures = static_cast<double>(audio.samples.size()) * entry.session->format().fps;
    Response response;
    response.body =
        std::make_unique<JsonLines>(entry, std::llround(std::ceil(pictures / static_cast<double>(audio.hz))));
    talks_->feed(session, std::move(audio.samples), audio.hz, /*is_final=*/true);
    response.content_type = "application/x-ndjson";
    response.headers.emplace_back("Cache-Control", "no-cache");
    response.headers.emplace_back("X-Accel-Buffering", "no");
    co_return response;
  }

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

  /// The bytes of an example's picture, named as /api/avatars names it.
  std::string read_avatar(const std::string& name) const {
    constexpr std::string_view kFolder = "assets/";
    const auto path = name.starts_with(kFolder) && !examples_.empty()
                          ? static_file(examples_, "/" + name.substr(kFolder.size()))
                          : std::nullopt;
    if (!path || !mime_type(*path).starts_with("image/")) refuse(404, "Avatar not found; GET /api/avatars lists them");
    std::ifstream file(*path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  TalkTable* const talks_;
  const fs::path examples_;
  Decoder decoder_;
};

}  // namespace

void add_combined_routes(Router& router, TalkTable* talks, const fs::path& examples) {
  const auto routes = std::make_shared<CombinedRoutes>(talks, examples);
  const auto now = [&](const char* method, const char* pattern, Response (CombinedRoutes::*function)(const Request&)) {
    add_route(router, method, pattern,
              [routes, function](const Request& request) { return ((*routes).*function)(request); });
  };
  add_later_route(router, "POST", "/generate_stream", kMaxGenerateBytes,
                  [routes](const Request& request) { return routes->generate_stream(request); });
  now("GET", "/api/avatars", &CombinedRoutes::avatars);
  now("GET", "/api/status/{session_id}", &CombinedRoutes::status);
  now("GET", "/api/chunked/status/{session_id}", &CombinedRoutes::chunked_status);
  now("POST", "/api/session/cleanup", &CombinedRoutes::cleanup);
  now("POST", "/warmup", &CombinedRoutes::warm_up);
  const auto no_voice = [](const Request&) -> Response { refuse(503, kNoVoice); };
  for (const auto& [method, pattern] : {std::pair{"POST", "/generate"},
                                        {"GET", "/generate_stream_get"},
                                        {"POST", "/api/tts/generate"},
                                        {"POST", "/api/avatar/voice"},
                                        {"DELETE", "/api/avatar/voice"}})
    add_route(router, method, pattern, no_voice);
}

}  // namespace rushes::server
