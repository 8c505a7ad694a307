#include "rushes/server/api/imtalker/combined.h"

#include <cmath>

#include "rushes/audio/wav.h"
#include "rushes/server/api/imtalker/avatars.h"
#include "rushes/server/api/imtalker/decoder.h"
#include "rushes/server/api/imtalker/dialects.h"
#include "rushes/server/api/imtalker/json_body.h"
#include "rushes/server/api/imtalker/whole_file.h"
#include "rushes/server/api/native/service_routes.h"

namespace rushes::server {
namespace {

using namespace imtalker;
namespace fs = std::filesystem;

constexpr std::size_t kMaxGenerateBytes = kMaxImageBytes + kMaxAudioBytes + (64 << 10);
constexpr double kChunkSeconds = 1.0;

/// The voice that a client asks for by a word.
audio::Voice voice_of(std::string_view gender) {
  audio::Voice voice;
  if (gender == "female") voice.name = "en-us+f3";
  return voice;
}

class CombinedRoutes {
 public:
  CombinedRoutes(Heads* talks, WorkPool& work, fs::path examples)
      : talks_(talks), examples_(std::move(examples)), decoder_(work, talks) {}

  // POST /generate_stream: a form with the speech, and its portrait as a file or by an avatar's name; or JSON with
  // text.
  net::awaitable<Response> generate_stream(const Request& request) {
    require_model(talks_);
    if (media_type(request.header("content-type")) != "multipart/form-data") {
      auto reading = decoder_.json(request);
      const JsonBody body = co_await std::move(reading);
      std::string text = body.text("text"), name = body.text("avatar"), gender = body.text("voice_gender");
      auto lines = lines_of_text(std::move(text), std::move(name), std::move(gender), body.unused());
      co_return co_await std::move(lines);
    }
    auto reading = decoder_.form(request);
    Form form = co_await std::move(reading);
    const std::string_view audio_file = form.file("audio");
    const auto avatar = form.optional_text("avatar");
    const std::string chosen = avatar ? read_avatar(examples_, *avatar) : std::string();
    const std::string_view image = avatar ? std::string_view(chosen) : form.file("image");
    generation::Request wanted = a_talker(kChunkSeconds);
    wanted.seed = form.seed(42);
    wanted.options.set("crop", form.boolean("crop", true));
    read_face(form, wanted);
    form.check();
    wanted.ignored = form.unused();
    auto decoding = decoder_.portrait(image, std::move(wanted));
    HeldRequest talker = co_await std::move(decoding);
    auto hearing = decoder_.audio(audio_file);
    HeldAudio audio = co_await std::move(hearing);
    auto speaking = lines_of(std::move(talker), std::move(audio));
    co_return co_await std::move(speaking);
  }

  // GET /generate_stream_get?text=&avatar=: the same of text.
  net::awaitable<Response> generate_stream_get(const Request& request) {
    require_model(talks_);
    auto lines = lines_of_text(request.query_value("text").value_or(""), request.query_value("avatar").value_or(""),
                               request.query_value("voice_gender").value_or(""));
    co_return co_await std::move(lines);
  }

  // POST /generate: JSON with text; answered when the video is complete, which is then one of /api/outputs. Where it
  // lies is not for its client to choose.
  net::awaitable<Response> generate(const Request& request) {
    require_model(talks_);
    const JsonBody body(request);
    auto speaking = speak(body.text("text"), body.text("voice_gender"));
    HeldAudio audio = co_await std::move(speaking);
    auto decoding = avatar(body.text("avatar"));
    HeldRequest talker = co_await std::move(decoding);
    talker->ignored = body.unused();
    auto resampling = at_rate(std::move(audio), *talker);
    audio = co_await std::move(resampling);
    const std::string name = output_name();
    const Hosted entry = begin_whole_file(*talks_, name, std::move(talker), std::move(audio));
    auto waiting = wait_until_made(*talks_, name, entry);
    co_await std::move(waiting);
    Json answer{{"status", "success"},
                {"output_path", "./outputs/" + name + ".mp4"},
                {"frames", entry.session->status().video_frames}};
    add_notes(answer, notes_of(*entry.session));
    co_return json_response(200, answer);
  }

  // POST /api/tts/generate: a form with text, spoken as a WAV file.
  net::awaitable<Response> text_to_speech(const Request& request) {
    auto reading = decoder_.form(request);
    Form form = co_await std::move(reading);
    const std::string text = form.text("text");
    const std::string gender = form.optional_text("voice_gender").value_or("male");
    form.check();
    auto speaking = speak(text, gender);
    const HeldAudio audio = co_await std::move(speaking);
    const auto file = audio::wav_file(audio->samples, audio->hz);
    Response response;
    response.content_type = "audio/wav";
    response.body = std::string(file.begin(), file.end());
    co_return response;
  }

  // GET /api/avatars: the example portraits.
  Response avatars(const Request&) {
    Json avatars = Json::object();
    for (const std::string& name : avatar_names(examples_))
      avatars[name] = {
          {"name", fs::path(name).stem().string()}, {"voice", nullptr}, {"voice_type", nullptr}, {"greeting", ""}};
    return json_response(
        200, {{"avatars", std::move(avatars)}, {"default_voice", nullptr}, {"default_voice_type", nullptr}});
  }

  // GET /api/status/{session_id}
  Response status(const Request& request) {
    const Head& session = find(request);
    return json_response(200, {{"session_id", session.id()},
                               {"is_complete", session.complete()},
                               {"playlist_ready", !session.segments().empty()},
                               {"playlist_url", request.address("/hls/" + session.id() + "/playlist.m3u8")}});
  }

  // GET /api/chunked/status/{session_id}
  Response chunked_status(const Request& request) {
    const Head& session = find(request);
    const auto& error = session.error();
    return json_response(200,
                         {{"session_id", session.id()},
                          {"status", name(session.status())},
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

  // GET /gpu_stats: memory of the process; of GPUs their own tools tell more.
  Response memory(const Request&) {
    const double resident_mb = static_cast<double>(resident_bytes()) / (1 << 20);
    return json_response(200, {{"resident_memory_mb", resident_mb}});
  }

  // POST /warmup: models are warmed up when they are loaded.
  Response warm_up(const Request&) {
    require_model(talks_);
    return json_response(
        200,
        {{"status", "ok"}, {"timings", Json::object()}, {"message", "The model was warmed up when it was loaded"}});
  }

 private:
  /// An example's portrait; without a name the first.
  net::awaitable<HeldRequest> avatar(std::string name) {
    const std::string picture = read_avatar(examples_, name);
    auto decoding = decoder_.portrait(picture, a_talker(kChunkSeconds));
    co_return co_await std::move(decoding);
  }

  net::awaitable<HeldAudio> speak(std::string text, std::string gender) {
    if (text.find_first_not_of(" \t\r\n") == std::string::npos) refuse(400, "text is required");
    if (text.size() > kMaxText)
      refuse(400, fmt::format("text has {} bytes; at most {} are allowed", text.size(), kMaxText));
    auto speaking = decoder_.speech(std::move(text), voice_of(gender));
    HeldAudio audio = co_await std::move(speaking);
    if (audio->samples.empty()) refuse(400, "text has nothing that can be spoken");
    co_return audio;
  }

  net::awaitable<Response> lines_of_text(std::string text, std::string name, std::string gender,
                                         std::vector<generation::Ignored> ignored = {}) {
    auto speaking = speak(std::move(text), std::move(gender));
    HeldAudio audio = co_await std::move(speaking);
    auto decoding = avatar(std::move(name));
    HeldRequest talker = co_await std::move(decoding);
    talker->ignored = std::move(ignored);
    auto saying = lines_of(std::move(talker), std::move(audio));
    co_return co_await std::move(saying);
  }

  net::awaitable<HeldAudio> at_rate(HeldAudio audio, const generation::Request& talker) {
    auto resampling =
        decoder_.whole_at_rate(std::move(audio), talks_->shared_model()->plan(talker)->format().speech_hz);
    co_return co_await std::move(resampling);
  }

  net::awaitable<Response> lines_of(HeldRequest talker, HeldAudio audio) {
    auto resampling = at_rate(std::move(audio), *talker);
    audio = co_await std::move(resampling);
    Head& session = talks_->create("lines_" + random_uuid(), std::move(talker));
    const Hosted entry = session.newest();
    const double pictures = static_cast<double>(audio->samples.size()) * entry.session->format().fps;
    // Reads all frames, so that the generator waits while its client is slow; opened before there is anything to read.
    const auto pump = std::make_shared<Pump>(
        entry,
        Interest{.events = Interest::Events{.role = generation::Stream::Role::recorder}, .work = &decoder_.work()},
        std::make_unique<JsonLinesDialect>(std::llround(std::ceil(pictures / static_cast<double>(audio->hz)))));
    pump->open(co_await net::this_coro::executor);
    Response response = streamed_response(pump, {.framing = Framing::ndjson, .stops_session = true});
    response.headers.emplace_back("Cache-Control", "no-cache");
    talks_->say(session, std::move(audio));
    add_notes(response, notes_of(*entry.session));
    co_return response;
  }

  const Head& find(const Request& request) {
    require_model(talks_);
    const std::string& id = request.path_value("session_id");
    const Head* session = talks_->find(id);
    if (!session) refuse(404, "Session " + id + " not found");
    return *session;
  }

  Heads* const talks_;
  const fs::path examples_;
  Decoder decoder_;
};

}  // namespace

void add_combined_routes(Router& router, Heads* talks, WorkPool& work, const fs::path& examples) {
  const auto routes = std::make_shared<CombinedRoutes>(talks, work, examples);
  const auto now = [&](const char* method, const char* pattern, Response (CombinedRoutes::*function)(const Request&)) {
    add_route(router, method, pattern,
              [routes, function](const Request& request) { return ((*routes).*function)(request); });
  };
  const auto later = [&](const char* method, const char* pattern, std::size_t max_body_bytes,
                         net::awaitable<Response> (CombinedRoutes::*function)(const Request&),
                         Route::Effect effect = Route::Effect::of_method) {
    add_later_route(
        router, method, pattern, max_body_bytes,
        [routes, function](const Request& request) { return ((*routes).*function)(request); }, effect);
  };
  later("POST", "/generate_stream", kMaxGenerateBytes, &CombinedRoutes::generate_stream);
  later("GET", "/generate_stream_get", 64 << 10, &CombinedRoutes::generate_stream_get, Route::Effect::changes);
  later("POST", "/generate", 64 << 10, &CombinedRoutes::generate);
  later("POST", "/api/tts/generate", kMaxGenerateBytes, &CombinedRoutes::text_to_speech);
  now("GET", "/api/avatars", &CombinedRoutes::avatars);
  now("GET", "/api/status/{session_id}", &CombinedRoutes::status);
  now("GET", "/api/chunked/status/{session_id}", &CombinedRoutes::chunked_status);
  now("POST", "/api/session/cleanup", &CombinedRoutes::cleanup);
  now("GET", "/gpu_stats", &CombinedRoutes::memory);
  now("POST", "/warmup", &CombinedRoutes::warm_up);
  for (const char* method : {"POST", "DELETE"})
    add_route(router, method, "/api/avatar/voice", [](const Request&) -> Response {
      refuse(503, "voices of avatars are not supported; speech comes from espeak-ng's voices, or from the client");
    });
}

}  // namespace rushes::server
