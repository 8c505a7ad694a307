#include "rushes/server/api/imtalker/whole_file.h"

#include <boost/asio/this_coro.hpp>

#include "rushes/server/api/imtalker/decoder.h"
#include "rushes/server/api/imtalker/dialects.h"
#include "rushes/server/api/native/dialects.h"
#include "rushes/server/api/native/finished_video.h"
#include "rushes/server/sessions/stops_session.h"

namespace rushes::server {
namespace {

using namespace imtalker;

constexpr std::size_t kMaxDrivenBytes = kMaxImageBytes + kMaxVideoBytes + (64 << 10);
constexpr std::size_t kMaxWholeBytes = kMaxImageBytes + kMaxAudioBytes + (64 << 10);
constexpr double kChunkSeconds = 2.0;     // all of the speech is there: large steps are the fastest
constexpr double kLiveLeadSeconds = 0.5;  // pictures that are watched as they come are not made far ahead

/// The answer with the frames of a session that is about to begin; it misses none, and the session ends with it.
class Pictures {
 public:
  Pictures(Framing framing, net::any_io_executor executor) : framing_(framing), executor_(std::move(executor)) {}
  ~Pictures() {
    if (pump_) pump_->hosted().session->stop("the response could not be started", generation::EndReason::client_left);
  }
  Pictures(const Pictures&) = delete;
  Pictures& operator=(const Pictures&) = delete;
  /// For who makes the session; this must live until then.
  Heads::Watch watch() {
    return [this](const Hosted& entry) {
      pump_ = std::make_shared<Pump>(entry, Interest{.jpegs = delivery::JpegStream::From::oldest},
                                     std::make_unique<JpegsDialect>(framing_));
      pump_->open(executor_);
    };
  }
  Response response() {
    const std::shared_ptr<generation::Session> session = pump_->hosted().session;
    Response response = streamed_response(std::move(pump_), {.framing = framing_, .stops_session = true});
    add_notes(response, notes_of(*session));
    response.headers.emplace_back("Cache-Control", "no-cache");
    return response;
  }

 private:
  const Framing framing_;
  const net::any_io_executor executor_;
  std::shared_ptr<Pump> pump_;
};

class WholeFileRoutes {
 public:
  WholeFileRoutes(Heads* talks, WorkPool& work, std::string mode)
      : talks_(talks), mode_(std::move(mode)), decoder_(work, talks) {}

  // POST /api/audio-driven: the video as an MP4, when it is complete.
  net::awaitable<Response> make_file(const Request& request) {
    auto reading = decoder_.form(request);
    Form form = co_await std::move(reading);
    require_model(talks_);
    const std::string_view audio = form.file("audio");
    TalkFields fields = read_talk_fields(form, FieldsOf::whole_file, mode_);
    const Options& talk = fields.request.options;
    const std::string parameters =
        fmt::format("crop={},seed={},nfe={},cfg_scale={:.1f}", *talk.get<bool>("crop") ? "True" : "False",
                    fields.request.seed, *talk.get<int64_t>("nfe"), *talk.get<double>("cfg_scale"));
    const std::string name = output_name();
    auto starting = start(name, std::move(fields), audio);
    const Hosted entry = co_await std::move(starting);
    auto waiting = wait_until_made(*talks_, name, entry);
    co_await std::move(waiting);
    co_return finished(request, entry, name, parameters);
  }

  // POST /api/video-driven: the motion of a video's face, its length and its sound, as an MP4.
  net::awaitable<Response> make_driven_file(const Request& request) {
    auto following = follow(request, std::string(kDrivenOutput) + random_uuid(), {});
    const Driven driven = co_await std::move(following);
    auto waiting = wait_until_made(*talks_, driven.name, driven.entry);
    co_await std::move(waiting);
    co_return finished(request, driven.entry, driven.name, fmt::format("crop={}", driven.crop ? "True" : "False"));
  }

  // POST /api/v1/video-driven/stream: the same as single pictures.
  net::awaitable<Response> make_driven_pictures(const Request& request) {
    Pictures pictures(Framing::multipart, co_await net::this_coro::executor);
    auto following = follow(request, "pictures_" + random_uuid(), kLiveLeadSeconds, pictures.watch());
    co_await std::move(following);
    co_return pictures.response();
  }

  // POST /api/audio-driven/stream: the same as HLS, answered at once. An id that exists goes on with its video.
  net::awaitable<Response> make_hls(const Request& request) {
    auto reading = decoder_.form(request);
    Form form = co_await std::move(reading);
    require_model(talks_);
    const std::string given = form.text("unique_id");
    const std::string_view audio_file = form.file("audio");
    const bool is_final = form.boolean("is_final_chunk", false);
    form.number("segment_duration", 2.0);
    form.number("fps", 25.0);
    TalkFields fields = read_talk_fields(form, FieldsOf::whole_file, mode_);
    for (const char* name : {"segment_duration", "fps"})
      if (form.has(name)) fields.request.ignored.push_back({name, "it is that of the model"});
    const std::string id = checked_id(given);
    auto decoding = decoder_.portrait(fields.image, std::move(fields.request));
    HeldRequest talker = co_await std::move(decoding);
    const auto plan = talks_->shared_model()->plan(*talker);
    auto hearing = hear(audio_file, plan->format().speech_hz);
    HeldAudio audio = co_await std::move(hearing);
    talker->options.set("chunk_duration", kChunkSeconds);
    const Notes notes = notes_of(*talker, *plan, audio->warnings);  // its session may be yet to begin
    Head* session = talks_->find(id);
    if (session) {
      talks_->follow(*session, std::move(talker), std::move(audio));
    } else {
      session = &talks_->create(id, std::move(talker));
      talks_->feed(*session, std::move(audio));
    }
    talks_->keep_open(*session, !is_final);
    Json answer{{"status", "success"},
                {"session_id", id},
                {"hls_url", request.address("/hls/" + id + "/playlist.m3u8")},
                {"message", "Video generation started. Stream will begin as soon as first segments are ready."},
                {"streaming", "progressive"}};
    add_notes(answer, notes);
    co_return json_response(200, answer);
  }

  // POST /api/realtime-sse, /api/realtime-mjpeg: single pictures, as they are to be seen.
  net::awaitable<Response> make_pictures(const Request& request, Framing framing) {
    auto reading = decoder_.form(request);
    Form form = co_await std::move(reading);
    require_model(talks_);
    const std::string_view audio = form.file("audio");
    TalkFields fields = read_talk_fields(form, FieldsOf::whole_file, mode_);
    fields.request.max_lead_seconds = kLiveLeadSeconds;
    Pictures pictures(framing, co_await net::this_coro::executor);
    auto starting = start("pictures_" + random_uuid(), std::move(fields), audio, pictures.watch());
    co_await std::move(starting);
    co_return pictures.response();
  }

 private:
  struct Driven {
    std::string name;
    Hosted entry;
    bool crop;
  };

  static Response finished(const Request& request, const Hosted& entry, const std::string& name,
                           const std::string& parameters) {
    Response response = finished_mp4(request, entry);
    response.headers.emplace_back("Content-Disposition", fmt::format("attachment; filename=\"{}.mp4\"", name));
    response.headers.emplace_back("X-Output-Path", fmt::format("./outputs/{}.mp4", name));
    response.headers.emplace_back("X-Generation-Params", parameters);
    add_notes(response, notes_of(*entry.session));
    return response;
  }

  /// Starts what a driving video asks for. The combined server has other names for the files, and cuts by default.
  net::awaitable<Driven> follow(const Request& request, std::string name, std::optional<double> max_lead_seconds,
                                Heads::Watch watch = {}) {
    auto reading = decoder_.form(request);
    Form form = co_await std::move(reading);
    require_model(talks_);
    const bool combined = form.has("source_image") || form.has("driving_video");
    const std::string_view image = form.file(combined ? "source_image" : "image"),
                           video = form.file(combined ? "driving_video" : "video");
    generation::Request wanted;  // its motion is that of the video
    wanted.options.set("crop", form.boolean("crop", combined));
    wanted.options.set("crop_scale", form.number("crop_scale", 0.8));
    read_face(form, wanted);
    form.check();
    wanted.ignored = form.unused();
    wanted.max_lead_seconds = max_lead_seconds;
    auto decoding = decoder_.portrait(image, std::move(wanted));
    HeldRequest portrait = co_await std::move(decoding);
    auto opening = decoder_.driving(video, std::move(portrait), talks_->shared_model());
    HeldRequest talker = co_await std::move(opening);
    const bool crop = talker->options.get<bool>("crop").value_or(true);
    const Hosted entry = talks_->create(name, std::move(talker), watch).newest();
    co_return Driven{std::move(name), entry, crop};
  }

  net::awaitable<Hosted> start(std::string id, TalkFields fields, std::string_view audio_file,
                               Heads::Watch watch = {}) {
    auto decoding = decoder_.portrait(fields.image, std::move(fields.request));
    HeldRequest talker = co_await std::move(decoding);
    auto hearing = hear(audio_file, talks_->shared_model()->plan(*talker)->format().speech_hz);
    HeldAudio audio = co_await std::move(hearing);
    co_return begin_whole_file(*talks_, std::move(id), std::move(talker), std::move(audio), watch);
  }

  /// All that is to be said, at the rate that its session listens at.
  net::awaitable<HeldAudio> hear(std::string_view audio_file, int64_t speech_hz) {
    auto decoding = decoder_.audio(audio_file);
    HeldAudio audio = co_await std::move(decoding);
    if (audio->samples.empty()) refuse(400, "audio has no samples; send a file with speech");
    auto resampling = decoder_.whole_at_rate(std::move(audio), speech_hz);
    co_return co_await std::move(resampling);
  }

  Heads* const talks_;
  const std::string mode_;
  Decoder decoder_;
};

}  // namespace

namespace imtalker {

std::string output_name() { return std::string(kOutput) + random_uuid(); }

Hosted begin_whole_file(Heads& talks, std::string name, HeldRequest talker, HeldAudio audio,
                        const Heads::Watch& watch) {
  talker->options.set("chunk_duration", kChunkSeconds);
  Head& session = talks.create(std::move(name), std::move(talker), watch);
  const Hosted entry = session.newest();
  try {
    talks.say(session, std::move(audio));
  } catch (...) {
    entry.session->stop("its speech could not be used");  // it would wait for more
    throw;
  }
  return entry;
}

net::awaitable<void> wait_until_made(Heads& talks, std::string name, Hosted entry) {
  const StopsSession ending(entry.session);
  auto waiting = wait_for_end(entry);
  co_await std::move(waiting);
  const generation::SessionStatus status = entry.session->status();
  if (status.state != generation::SessionState::finished) {
    talks.remove(name);
    refuse(500, "Generation failed: " + (status.failure ? status.failure->message : std::string("it was stopped")));
  }
  try {
    require_whole(entry);
  } catch (const Error& error) {
    talks.remove(name);
    refuse(507, error.what());
  }
}

}  // namespace imtalker

void add_whole_file_routes(Router& router, Heads* talks, WorkPool& work, std::string mode) {
  const auto routes = std::make_shared<WholeFileRoutes>(talks, work, std::move(mode));
  const auto add = [&](const char* pattern, auto function) {
    add_later_route(router, "POST", pattern, kMaxWholeBytes, function);
  };
  add("/api/audio-driven", [routes](const Request& request) { return routes->make_file(request); });
  const auto add_driven = [&](const char* pattern, auto function) {
    add_later_route(router, "POST", pattern, kMaxDrivenBytes, function);
  };
  add_driven("/api/video-driven", [routes](const Request& request) { return routes->make_driven_file(request); });
  add_driven("/api/v1/video-driven/stream",
             [routes](const Request& request) { return routes->make_driven_pictures(request); });
  add("/api/audio-driven/stream", [routes](const Request& request) { return routes->make_hls(request); });
  add("/api/realtime-sse",
      [routes](const Request& request) { return routes->make_pictures(request, Framing::server_sent_events); });
  add("/api/realtime-mjpeg",
      [routes](const Request& request) { return routes->make_pictures(request, Framing::multipart); });
  // The published example client knows this path only.
  add("/api/v1/audio-driven/stream",
      [routes](const Request& request) { return routes->make_pictures(request, Framing::multipart); });
}

}  // namespace rushes::server
