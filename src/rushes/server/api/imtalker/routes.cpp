#include "rushes/server/api/imtalker/routes.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "rushes/server/api/imtalker/calls.h"
#include "rushes/server/api/imtalker/combined.h"
#include "rushes/server/api/imtalker/decoder.h"
#include "rushes/server/api/imtalker/heads.h"
#include "rushes/server/api/imtalker/hls.h"
#include "rushes/server/api/imtalker/openapi.json.h"
#include "rushes/server/api/imtalker/outputs.h"
#include "rushes/server/api/imtalker/realtime.h"
#include "rushes/server/api/imtalker/talk_request.h"
#include "rushes/server/api/imtalker/whole_file.h"
#include "rushes/server/server.h"

namespace rushes::server {
namespace {

using namespace imtalker;

constexpr std::size_t kMaxInitBytes = kMaxImageBytes + (64 << 10);
constexpr std::size_t kMaxFeedBytes = kMaxAudioBytes + (64 << 10);
constexpr std::chrono::milliseconds kPlaylistPatience{60'000}, kPlaylistStep{100};
constexpr int kSpeechLanes = 8;
constexpr std::string_view kPlaylistType = "application/vnd.apple.mpegurl";

class Routes {
 public:
  Routes(Heads* talks, WorkPool& work, std::string mode)
      : talks_(talks), mode_(std::move(mode)), decoder_(work, talks), pieces_(work) {
    for (int i = 0; i < kSpeechLanes; ++i) speech_.emplace_back(work);
  }

  // POST /api/audio-driven/chunked/init: a session that waits for speech.
  net::awaitable<Response> init(const Request& request) {
    require_model(talks_);
    auto reading = decoder_.form(request);
    Form form = co_await std::move(reading);
    TalkFields fields = read_talk_fields(form, FieldsOf::chunked, mode_);
    const std::string id = fields.session_id ? checked_id(*fields.session_id) : random_uuid();
    auto decoding = decoder_.portrait(fields.image, std::move(fields.request));
    HeldRequest talker = co_await std::move(decoding);
    // More than once: meanwhile another request may have begun one of this name.
    for (auto ending = talks_->end(id, *talker); !ending.empty(); ending = talks_->end(id, *talker)) {
      auto waiting = decoder_.work().run([&] {
        for (const Hosted& entry : ending) entry.video->join();
        return true;
      });
      co_await std::move(waiting);
    }
    Head& head = talks_->create(id, std::move(talker));
    if (fields.bare) talks_->expect(head, *fields.bare);
    Json answer{{"status", "success"},
                {"session_id", id},
                {"hls_url", request.address("/hls/" + id + "/playlist.m3u8")},
                {"message", "Session ready. Send audio chunks to /api/audio-driven/chunked/feed"},
                {"chunk_duration", fields.chunk_duration},
                {"audio_sample_rate", fields.audio_sample_rate}};
    add_notes(answer, notes_of(*head.newest().session));
    co_return json_response(200, answer);
  }

  // POST /api/audio-driven/chunked/feed: the next piece of speech. Answered before any of it is spoken.
  net::awaitable<Response> feed(const Request& request) {
    require_model(talks_);
    auto loading = talks_->loaded_model();  // a head that has ended begins anew
    co_await std::move(loading);
    // In the order of arrival, also small ones, so that none overtakes another.
    auto reading = pieces_.run([&] { return Form(request); });
    Form form = co_await std::move(reading);
    const std::string id = form.text("session_id");
    const std::string_view audio_file = form.file("audio_chunk");
    // The combined server calls the field is_final.
    const bool is_final = form.boolean("is_final_chunk", form.boolean("is_final", false));
    form.check();
    const auto missing = [&] {
      refuse(404, "Session " + id + " not found. Call /api/audio-driven/chunked/init first.");
    };
    Head* session = talks_->find(id);
    if (!session) missing();
    const auto encoding = read_encoding(form, session->bare());
    // As they were before this piece; it is counted as received.
    const int64_t video_frames = session->video_frames();
    const auto status = session->status();
    const Hosted listening = talks_->listening(*session);
    std::optional<Response> wrong;
    try {
      auto speaking = lane_of(id).run([&] {
        Heads::feed_piece(listening, bytes_of(audio_file), encoding, is_final);
        return true;
      });
      co_await std::move(speaking);
    } catch (const Error& error) {
      const ErrorCode code = error.code();
      const bool of_sound = code == ErrorCode::unsupported || code == ErrorCode::corrupt_data ||
                            code == ErrorCode::too_large || code == ErrorCode::invalid_argument;
      if (Head* refused = talks_->find(id); refused && of_sound) talks_->fail_piece(*refused, error.what());
      wrong = error_detail(error);
    }
    if (wrong) co_return std::move(*wrong);
    if (Head* taken = talks_->find(id)) talks_->take_piece(*taken);  // it may have been deleted meanwhile
    Json answer{{"status", "success"},
                {"session_id", id},
                {"buffer_samples", listening.session->status().speech_samples},
                {"frames_generated", video_frames},
                {"session_status", name(status)},
                {"message", "Audio chunk received and queued for processing"}};
    add_notes(answer, notes_of(*listening.session));
    co_return json_response(200, answer);
  }

  // GET /api/audio-driven/chunked/status/{session_id}
  Response status(const Request& request) {
    require_model(talks_);
    const Head& session = find(request, "Session {} not found");
    const auto& error = session.error();
    const auto created = std::chrono::duration<double>(session.created().time_since_epoch()).count();
    return json_response(200, {{"session_id", session.id()},
                               {"status", name(session.status())},
                               {"total_frames_generated", session.video_frames()},
                               {"buffer_samples", session.samples()},
                               {"error", error ? Json(*error) : Json()},
                               {"created_at", created},
                               {"uptime_seconds", session.age().count()}});
  }

  // DELETE /api/audio-driven/chunked/session/{session_id}: ends it, and removes its HLS.
  Response remove(const Request& request) {
    require_model(talks_);
    const std::string& id = request.path_value("session_id");
    if (!talks_->remove(id)) refuse(404, "Session " + id + " not found");
    return json_response(200, {{"status", "success"}, {"message", "Session " + id + " cleaned up"}});
  }

  // DELETE /api/hls/session/{session_id}: here a session without its HLS is of no use, so all of it goes.
  Response remove_hls(const Request& request) {
    require_model(talks_);
    const std::string& id = request.path_value("session_id");
    if (!talks_->remove(id)) refuse(404, "Session not found");
    return json_response(200, {{"status", "success"}, {"message", "Session " + id + " deleted"}});
  }

  // GET /hls/{session_id}/{file}: the playlist as it is, or a segment.
  Response hls_file(const Request& request) {
    const std::string& file = request.path_value("hls_file");
    const Head* session = talks_ ? talks_->find(request.path_value("session_id")) : nullptr;
    if (session && file == "playlist.m3u8") return playlist_response(*session);
    const auto segment = session ? find_segment(*session, file) : std::nullopt;
    if (!segment) refuse(404, "Not Found");
    return segment_response(request, *segment);
  }

  // GET /api/hls/{session_id}/{file}: the playlist once something can be played, a segment, or all as one file.
  net::awaitable<Response> api_hls_file(const Request& request) {
    require_model(talks_);
    const std::string& file = request.path_value("hls_file");
    if (file == "playlist.m3u8") {
      auto waiting = wait_for_playlist(request);
      co_return co_await std::move(waiting);
    }
    if (file == "download") {
      const Head& session = find(request, "Session not found");
      if (session.status() == Head::Status::processing)
        refuse(409, fmt::format("Session {} is still processing, {} frames so far; download it when its status is "
                                "complete, or watch /hls/{}/playlist.m3u8",
                                session.id(), session.video_frames(), session.id()));
      if (session.segments().empty()) refuse(409, fmt::format("Session {} has no video yet", session.id()));
      auto merging = download(session);
      co_return co_await std::move(merging);
    }
    const Head* session = talks_->find(request.path_value("session_id"));
    const auto segment = session ? find_segment(*session, file) : std::nullopt;
    if (!segment) refuse(404, "Segment not found");
    co_return segment_response(request, *segment);
  }

 private:
  Head& find(const Request& request, fmt::string_view words) {
    const std::string& id = request.path_value("session_id");
    Head* session = talks_->find(id);
    if (!session) refuse(404, fmt::format(fmt::runtime(words), id));
    return *session;
  }

  static Response playlist_response(const Head& session) {
    Response response;
    response.content_type = kPlaylistType;
    response.headers.emplace_back("Cache-Control", "no-cache");
    response.body = playlist(session);
    return response;
  }

  static Response segment_response(const Request& request, const HeadSegment& segment) {
    Response response =
        bytes_response(request, segment.hls->segment(segment.number, delivery::HlsFormat::mpeg_ts), "video/mp2t");
    response.headers.emplace_back("Cache-Control", "no-cache");
    return response;
  }

  net::awaitable<Response> wait_for_playlist(const Request& request) {
    find(request, "Playlist not found");
    net::steady_timer timer(co_await net::this_coro::executor);
    const auto deadline = std::chrono::steady_clock::now() + kPlaylistPatience;
    for (;;) {
      const Head& session = find(request, "Playlist not found");
      if (!session.segments().empty()) co_return playlist_response(session);
      if (std::chrono::steady_clock::now() >= deadline)
        co_return detail(202,
                         "Playlist not ready yet. Waiting for first segment to be generated (segment_000.ts must exist "
                         "and playlist must contain #EXTINF)");
      timer.expires_after(kPlaylistStep);
      auto waiting = timer.async_wait(net::as_tuple(net::use_awaitable));
      co_await std::move(waiting);
    }
  }

  net::awaitable<Response> download(const Head& session) {
    Response response;
    response.content_type = "video/mp4";
    response.headers.emplace_back("Content-Disposition", "attachment; filename=" + session.id() + ".mp4");
    const std::vector<Hosted> runs = session.sessions();  // the session may be deleted meanwhile
    auto merging = decoder_.work().run([&] { return merged_mp4(runs); });
    response.body = co_await std::move(merging);
    co_return response;
  }

  /// Pieces of one session are decoded one after the other, those of others meanwhile.
  WorkPool::Lane& lane_of(const std::string& id) { return speech_[std::hash<std::string>()(id) % speech_.size()]; }

  Heads* const talks_;
  const std::string mode_;  // of a request that names none
  Decoder decoder_;
  WorkPool::Lane pieces_;
  std::vector<WorkPool::Lane> speech_;
};

void add_routes(Router& router, const ApiContext& context) {
  const auto heads = std::make_shared<Heads>(
      context.sessions, Heads::Limits{.idle = context.options.head_idle, .runs = context.options.head_runs});
  context.sweeps.push_back([heads] { heads->sweep(); });
  // Without a talking-head model all of it is answered 503.
  Heads* const talks = heads->has_model() ? heads.get() : nullptr;
  WorkPool& work = context.work;
  const std::filesystem::path examples = heads->examples();
  const std::string& mode = context.options.head_mode;
  const auto routes = std::make_shared<Routes>(talks, work, mode);
  const auto now = [&](std::string method, std::string pattern, Response (Routes::*function)(const Request&)) {
    add_route(router, std::move(method), std::move(pattern),
              [routes, function](const Request& request) { return ((*routes).*function)(request); });
  };
  const auto later = [&](std::string method, std::string pattern, std::size_t max_body_bytes,
                         net::awaitable<Response> (Routes::*function)(const Request&)) {
    add_later_route(router, std::move(method), std::move(pattern), max_body_bytes,
                    [routes, function](const Request& request) { return ((*routes).*function)(request); });
  };
  later("POST", "/api/audio-driven/chunked/init", kMaxInitBytes, &Routes::init);
  later("POST", "/api/audio-driven/chunked/feed", kMaxFeedBytes, &Routes::feed);
  now("GET", "/api/audio-driven/chunked/status/{session_id}", &Routes::status);
  now("DELETE", "/api/audio-driven/chunked/session/{session_id}", &Routes::remove);
  now("GET", "/hls/{session_id}/{hls_file}", &Routes::hls_file);
  later("GET", "/api/hls/{session_id}/{hls_file}", 64 << 10, &Routes::api_hls_file);
  now("DELETE", "/api/hls/session/{session_id}", &Routes::remove_hls);
  add_whole_file_routes(router, talks, work, mode);
  add_realtime_talk_routes(router, talks, work);
  add_output_routes(router, talks, work);
  add_combined_routes(router, talks, work, examples);
  add_call_routes(router, talks, work, examples, context.options.webrtc);
}

}  // namespace

Api imtalker_api() { return {"imtalker", kOpenApi, add_routes}; }

}  // namespace rushes::server
