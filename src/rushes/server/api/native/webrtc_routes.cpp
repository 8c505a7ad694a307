#include "rushes/server/api/native/webrtc_routes.h"

#include "rushes/server/api/native/session_json.h"
#include "rushes/server/http/multipart.h"
#include "rushes/server/http/router.h"
#include "rushes/server/http/work_pool.h"
#include "rushes/server/sessions/session_store.h"

namespace rushes::server {
namespace {

/// What can be watched, and the path below which its viewers are.
struct Watched {
  std::shared_ptr<delivery::Whep> whep;
  std::string path;
};

Watched find_session(const SessionStore& sessions, const Request& request) {
  const Hosted& entry = hosted_of(sessions, request);
  return {entry.sinks->whep(), request.address("/v1/sessions/" + entry.session->id().text() + "/whep/")};
}

void require_offer(const Request& request) {
  require(media_type(request.header("content-type")) == "application/sdp", ErrorCode::unsupported,
          "the body must be an SDP offer (Content-Type: application/sdp)");
}

Response sdp_answer(std::string sdp, std::string location) {
  Response response;
  response.status = 201;
  response.content_type = "application/sdp";
  response.headers = {{"Location", std::move(location)}, {"Cache-Control", "no-store"}};
  response.body = std::move(sdp);
  return response;
}

Response no_content() {
  Response response;
  response.status = 204;
  return response;
}

// POST .../whep: an SDP offer. 201 with the answer and the viewer's Location; 400 and 415 for the offer, 503 when there
// are too many viewers.
net::awaitable<Response> connect_viewer(Watched watched, std::size_t viewers, WorkPool& work,
                                        const WebRtcLimits& limits, const Request& request) {
  require_offer(request);
  const Counted connecting_one = limits.connect(viewers);
  const media::WebRtcPeer::Options options = limits.peer();
  auto connecting = work.run([&] {
    auto answer = watched.whep->connect(request.body, options);
    return sdp_answer(std::move(answer.sdp), watched.path + answer.id);
  });
  co_return co_await std::move(connecting);
}

// POST /v1/sessions/{id}/whip: an SDP offer that sends sound. As above; 409 while another one speaks, 415 for a session
// that takes no speech.
net::awaitable<Response> connect_speaker(SessionStore& sessions, WorkPool& work, const WebRtcLimits& limits,
                                         const Request& request) {
  require_offer(request);
  const Counted connecting_one = limits.connect(sessions.peers());
  const Hosted entry = hosted_of(sessions, request);
  const int64_t hz = entry.session->format().speech_hz;
  require(hz > 0, ErrorCode::unsupported, "session {} does not accept speech", entry.session->id().text());
  const media::WebRtcPeer::Options options = limits.peer(hz);
  auto connecting = work.run([&] { return ingest::connect_microphone(request.body, options); });
  const std::shared_ptr<media::WebRtcPeer> peer = co_await std::move(connecting);
  // It may have been deleted meanwhile.
  const ingest::Microphone& microphone = sessions.listen(sessions.find(entry.session->id()), peer);
  co_return sdp_answer(peer->answer(),
                       request.address("/v1/sessions/" + entry.session->id().text() + "/whip/" + microphone.id()));
}

// DELETE /v1/sessions/{id}/whip/{viewer}: the speaker falls silent. 204.
Response disconnect_speaker(const SessionStore& sessions, const Request& request) {
  const Hosted& entry = hosted_of(sessions, request);
  const ingest::Microphone* microphone = entry.speech->microphone();
  require(microphone && microphone->id() == request.path_value("viewer"), ErrorCode::not_found,
          "there is no such speaker; the connection may have been closed");
  entry.speech->hang_up();
  return no_content();
}

// DELETE .../whep/{viewer}: ends the connection. 204.
net::awaitable<Response> disconnect_viewer(Watched watched, WorkPool& work, const Request& request) {
  const auto viewer = generation::SessionId::parse(request.path_value("viewer"));
  auto closing = work.run([&] {
    watched.whep->disconnect(viewer.text());
    return no_content();
  });
  co_return co_await std::move(closing);
}

}  // namespace

Counted WebRtcLimits::connect(std::size_t connected) const {
  require(connected + static_cast<std::size_t>(use->connecting) < viewers, ErrorCode::unavailable,
          "{} WebRTC peers are connected, which is the limit; HLS has no such limit", viewers);
  return Counted(use->connecting);
}

void add_webrtc_routes(Router& router, SessionStore& sessions, WorkPool& work, const WebRtcLimits& limits) {
  router.answer_later("POST", "/v1/sessions/{id}/whep", [&sessions, &work, limits](const Request& request) {
    return connect_viewer(find_session(sessions, request), sessions.peers(), work, limits, request);
  });
  router.answer_later("DELETE", "/v1/sessions/{id}/whep/{viewer}", [&sessions, &work](const Request& request) {
    return disconnect_viewer(find_session(sessions, request), work, request);
  });
  router.answer_later("POST", "/v1/sessions/{id}/whip", [&sessions, &work, limits](const Request& request) {
    return connect_speaker(sessions, work, limits, request);
  });
  router.answer("DELETE", "/v1/sessions/{id}/whip/{viewer}",
                [&sessions](const Request& request) { return disconnect_speaker(sessions, request); });
}

}  // namespace rushes::server
