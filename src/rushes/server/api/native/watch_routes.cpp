#include "rushes/server/api/native/watch_routes.h"

#include "rushes/server/api/native/dialects.h"
#include "rushes/server/api/native/finished_video.h"
#include "rushes/server/api/native/hls_routes.h"
#include "rushes/server/api/native/recording_download.h"
#include "rushes/server/api/native/session_json.h"
#include "rushes/server/streaming/pump.h"

namespace rushes::server {
namespace {

using delivery::EncodedStream;

/// Value of a query parameter that has a few possible values, the first being the default.
std::string choice(const Request& request, std::string_view name, std::initializer_list<std::string_view> allowed) {
  const std::string value = request.query_value(name).value_or(std::string(*allowed.begin()));
  require(std::find(allowed.begin(), allowed.end(), value) != allowed.end(), ErrorCode::invalid_argument,
          "{} must be {} (got '{}')", name, fmt::join(allowed, " or "), value.substr(0, 32));
  return value;
}

// GET /v1/sessions/{id}/recording.mp4: as a download, see recording_download().
net::awaitable<Response> get_recording(const SessionStore& sessions, const Request& request) {
  const Hosted entry = hosted_of(sessions, request);
  auto waiting = wait_for_file(entry);
  co_await std::move(waiting);
  Response response = recording_download(request, entry);
  response.headers.emplace_back("Cache-Control", "no-store");
  response.headers.emplace_back("Content-Disposition",
                                fmt::format("attachment; filename=\"{}.mp4\"", entry.session->id().text()));
  co_return response;
}

Response text_stream(const SessionStore& sessions, const Request& request, Framing framing) {
  const Hosted& entry = hosted_of(sessions, request);
  const bool video = choice(request, "video", {"mp4", "none"}) == "mp4";
  bool newest = choice(request, "from", {"start", "newest"}) == "newest";
  TextPosition position;
  if (const auto last = request.header("last-event-id"); framing == Framing::server_sent_events && !last.empty()) {
    position = TextPosition::parse(last);
    newest = false;
    // An EventSource connects again also after the end; this answer tells it to stop.
    const EncodedStream::Status status = entry.video->status();
    if (status.ended && (!video || position.fragment >= status.gops)) {
      Response response;
      response.status = 204;
      return response;
    }
  }
  using generation::Stream;
  Interest interest{.events = Interest::Events{.from = newest ? Stream::From::newest_block : Stream::From::start}};
  if (video && newest) interest.gops = EncodedStream::From::newest;
  if (video && !newest) interest.gops = position.fragment;
  const auto told = video ? EventsDialect::Video::base64 : EventsDialect::Video::none;
  Response response = streamed_response(
      std::make_shared<Pump>(entry, interest, std::make_unique<EventsDialect>(told, position)), {.framing = framing});
  response.headers.emplace_back("Cache-Control", "no-store");
  return response;
}

// GET /v1/sessions/{id}/stream.sse: events and video as server-sent events, also after a break (Last-Event-ID).
Response get_server_sent_events(const SessionStore& sessions, const Request& request) {
  return text_stream(sessions, request, Framing::server_sent_events);
}

// GET /v1/sessions/{id}/stream.ndjson: the same, one JSON object a line.
Response get_ndjson(const SessionStore& sessions, const Request& request) {
  return text_stream(sessions, request, Framing::ndjson);
}

// WebSocket /v1/sessions/{id}/frames: single pictures as JPEG, as binary messages or in JSON.
Feed frames_feed(const SessionStore& sessions, const Request& request) {
  const auto encoding = choice(request, "format", {"binary", "base64"}) == "base64" ? JpegDialect::Encoding::base64
                                                                                    : JpegDialect::Encoding::binary;
  const auto from = choice(request, "from", {"newest", "oldest"}) == "newest" ? delivery::JpegStream::From::newest
                                                                              : delivery::JpegStream::From::oldest;
  const bool paced = choice(request, "pacing", {"asap", "realtime"}) == "realtime";
  return feed_of(sessions, hosted_of(sessions, request), {.jpegs = from, .paced = paced},
                 std::make_unique<JpegDialect>(encoding));
}

}  // namespace

void add_watch_routes(Router& router, SessionStore& sessions) {
  const auto bound = [&sessions](auto function) {
    return [&sessions, function](const Request& request) { return function(sessions, request); };
  };
  router.feed("/v1/sessions/{id}/frames", bound(frames_feed));
  router.answer("GET", "/v1/sessions/{id}/hls/{file}", bound(get_hls));
  router.answer_later("GET", "/v1/sessions/{id}/recording.mp4", bound(get_recording));
  router.answer("GET", "/v1/sessions/{id}/stream.sse", bound(get_server_sent_events));
  router.answer("GET", "/v1/sessions/{id}/stream.ndjson", bound(get_ndjson));
}

}  // namespace rushes::server
