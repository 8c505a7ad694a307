#include "rushes/server/api/native/recording_routes.h"

#include "rushes/server/api/native/session_json.h"

namespace rushes::server {
namespace {

bool has_recording(const Hosted& entry) {
  return !entry.video->recording_path().empty() && entry.video->status().gops > 0;
}

const Hosted& recording_of(const SessionStore& sessions, const Request& request) {
  const Hosted& entry = hosted_of(sessions, request);
  require(has_recording(entry), ErrorCode::not_found, "session {} has no recording yet", entry.session->id().text());
  return entry;
}

Json recording_json(const Hosted& entry, const Request& request) {
  const delivery::EncodedStream::Status video = entry.video->status();
  const Json session = session_json(entry, request);
  const std::string& id = entry.session->id().text();
  const std::string base = request.address("/v1/sessions/" + id);
  const auto frames = session["done"]["video_frames"].get<int64_t>();
  return {{"id", id},
          {"state", session["state"]},
          {"created", session["created"]},
          {"prompts", session["prompts"]},
          {"format", session["format"]},
          {"video_frames", frames},
          {"seconds", static_cast<double>(frames) / entry.session->format().fps},
          {"bytes", video.recorded_bytes},
          {"complete", video.recording_complete},
          {"urls",
           {{"self", request.address("/v1/recordings/" + id)},
            {"session", base},
            {"mp4", base + "/recording.mp4"},
            {"hls", base + "/hls/master.m3u8"}}}};
}

Response list_recordings(const SessionStore& sessions, const Request& request) {
  Json list = Json::array();
  int64_t bytes = 0;
  for (const Hosted& entry : sessions.all()) {
    if (!has_recording(entry)) continue;
    bytes += entry.video->status().recorded_bytes;
    list.push_back(recording_json(entry, request));
  }
  return json_response(
      200, {{"recordings", std::move(list)}, {"bytes", bytes}, {"max_bytes", sessions.limits().max_data_bytes}});
}

Response get_recording(const SessionStore& sessions, const Request& request) {
  return json_response(200, recording_json(recording_of(sessions, request), request));
}

// DELETE /v1/recordings/{id}: with its session; 409 while that runs.
Response delete_recording(SessionStore& sessions, const Request& request) {
  const Hosted& entry = recording_of(sessions, request);
  require(entry.session->over(), ErrorCode::conflict, "session {} is still {}; stop it first, or delete the session",
          entry.session->id().text(), name(entry.session->status().state));
  sessions.remove(entry.session->id());
  Response response;
  response.status = 204;
  return response;
}

}  // namespace

void add_recording_routes(Router& router, SessionStore& sessions) {
  const auto bound = [&sessions](auto function) {
    return [&sessions, function](const Request& request) { return function(sessions, request); };
  };
  router.answer("GET", "/v1/recordings", bound(list_recordings));
  router.answer("GET", "/v1/recordings/{id}", bound(get_recording));
  router.answer("DELETE", "/v1/recordings/{id}", bound(delete_recording));
}

}  // namespace rushes::server
