#include "rushes/server/api/imtalker/combined.h"

#include <boost/asio/this_coro.hpp>
#include <cmath>
#include <fstream>
#include <iterator>

#include "rushes/audio/resample.h"
#include "rushes/audio/wav.h"
#include "rushes/server/api/imtalker/decoder.h"
#include "rushes/server/base64.h"
#include "rushes/server/static_files.h"
#include "rushes/server/wakeup.h"

namespace rushes::server {
namespace {

using namespace imtalker;
namespace fs = std::filesystem;

constexpr std::size_t kMaxGenerateBytes = kMaxImageBytes + kMaxAudioBytes + (64 << 10);
constexpr int64_t kGroup = 5;  // pictures of a line, as published
constexpr double kChunkSeconds = 1.0;
constexpr std::string_view kNoVoice =
    "this server has no text to speech; send the speech itself: a form with 'audio', and 'image' or 'avatar', to "
    "/generate_stream";

/// A talking head as lines of JSON: some pictures, the speech that belongs to them, and how long they took.
class NdjsonBody final : public BodySource {
 public:
  NdjsonBody(const Entry& entry, std::vector<float> speech) : entry_(entry), speech_(std::move(speech)) {}
  ~NdjsonBody() override { entry_.session->stop("its viewer has left"); }

  net::awaitable<std::shared_ptr<const media::Bytes>> next() override {
    if (!pictures_) {
      const net::any_io_executor executor = co_await net::this_coro::executor;
      wakeup_ = std::make_shared<Wakeup>(executor);
      pictures_ = entry_.outlets->jpeg()->watch(delivery::JpegStream::From::oldest, wakeup_->notifier());
    }
    Json frames = Json::array();
    const int64_t first = next_picture_;
    while (!over_) {
      const bool ended = pictures_->ended();  // asked first, so that nothing is missed
      if (const delivery::JpegPicture picture = pictures_->poll(); picture.bytes) {
        frames.push_back(encode_base64(*picture.bytes));
        next_picture_ = picture.index + 1;
        if (static_cast<int64_t>(frames.size()) == kGroup) break;
      } else if (ended) {
        over_ = true;
      } else {
        co_await wakeup_->wait();
      }
    }
    if (frames.empty()) co_return nullptr;
    co_return line(std::move(frames), first);
  }

 private:
  std::shared_ptr<const media::Bytes> line(Json frames, int64_t first) {
    const generation::VideoFormat& format = entry_.session->format();
    const auto now = std::chrono::steady_clock::now();
    const double took = std::chrono::duration<double>(now - std::exchange(before_, now)).count();
    const double seconds = static_cast<double>(frames.size()) / format.fps;
    const auto sample = [&](int64_t picture) {
      const auto at =
          static_cast<std::size_t>(std::llround(static_cast<double>(picture * format.speech_hz) / format.fps));
      return std::min(at, speech_.size());
    };
    const std::span<const float> spoken(speech_.data() + sample(first), sample(next_picture_) - sample(first));
    const double per_picture = static_cast<double>(format.speech_hz) / format.fps;
    const auto all = static_cast<int64_t>(std::ceil(static_cast<double>(speech_.size()) / per_picture));
    const Json metrics{{"chunk_id", lines_},
                       {"generation_time", took},
                       {"video_duration", seconds},
                       {"rtf", took / seconds},
                       {"num_frames", frames.size()},
                       {"is_first_batch", lines_ == 0},
                       {"is_last_batch", over_ || next_picture_ >= all},
                       {"total_chunk_frames", all}};
    ++lines_;
    const Json whole{{"audio", encode_base64(audio::wav_file(spoken, format.speech_hz))},
                     {"frames", std::move(frames)},
                     {"metrics", metrics}};
    const std::string text = whole.dump() + "\n";
    return std::make_shared<const media::Bytes>(text.begin(), text.end());
  }

  const Entry entry_;
  const std::vector<float> speech_;
  std::shared_ptr<Wakeup> wakeup_;
  std::unique_ptr<delivery::JpegViewer> pictures_;
  std::chrono::steady_clock::time_point before_ = std::chrono::steady_clock::now();
  int64_t next_picture_ = 0, lines_ = 0;
  bool over_ = false;
};

class CombinedRoutes {
 public:
  CombinedRoutes(TalkTable* talks, fs::path examples) : talks_(talks), examples_(std::move(examples)) {}

  // POST /generate_stream: a form with the speech, and its portrait as a file or by an avatar's name.
  net::awaitable<Response> generate_stream(const Request& request) {
    require_model();
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
    std::vector<float> speech = audio::resample(audio.samples, audio.hz, entry.session->format().speech_hz);
    talks_->feed(session, std::move(audio.samples), audio.hz, /*is_final=*/true);
    Response response;
    response.content_type = "application/x-ndjson";
    response.headers.emplace_back("Cache-Control", "no-cache");
    response.headers.emplace_back("X-Accel-Buffering", "no");
    response.body = std::make_unique<NdjsonBody>(entry, std::move(speech));
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
    require_model();
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
    require_model();
    return json_response(
        200,
        {{"status", "ok"}, {"timings", Json::object()}, {"message", "The model was warmed up when it was loaded"}});
  }

 private:
  void require_model() const {
    if (!talks_) refuse(503, "Models not loaded properly");
  }

  const TalkSession& find(const Request& request) {
    require_model();
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
