#include "rushes/server/api/native/webrtc_routes.h"

#include <functional>
#include <numeric>

#include "rushes/server/http/router.h"
#include "rushes/server/http/work_pool.h"
#include "rushes/server/session_table.h"
#include "rushes/server/talk_table.h"

namespace rushes::server {
namespace {

/// What can be watched, and the path below which its viewers are.
struct Watched {
  std::shared_ptr<delivery::Whep> whep;
  std::string path;
};
using Find = std::function<Watched(const Request&)>;

Watched find_session(const SessionTable& sessions, const Request& request) {
  const Entry& entry = sessions.find(generation::SessionId::parse(request.path_value("id")));
  return {entry.outlets->whep(), "/v1/sessions/" + entry.session->id().text() + "/whep/"};
}

TalkSession& talk_of(TalkTable* talks, const Request& request) {
  require(talks != nullptr, ErrorCode::unavailable, "this server has no model of talking heads");
  TalkSession* session = talks->find(request.path_value("session_id"));
  require(session != nullptr, ErrorCode::not_found, "there is no such talking head; it may have been deleted");
  return *session;
}

Watched find_talk(TalkTable* talks, const Request& request) {
  const TalkSession& session = talk_of(talks, request);
  return {session.newest().entry.outlets->whep(), "/v1/talk/sessions/" + session.id() + "/whep/"};
}

std::size_t viewers(const SessionTable& sessions, const TalkTable* talks) {
  const auto& all = sessions.all();
  return std::accumulate(all.begin(), all.end(), talks ? talks->peers() : std::size_t{0},
                         [](std::size_t sum, const Entry& entry) { return sum + entry.outlets->peers(); });
}

void require_offer(const Request& request, std::size_t viewers, const WebRtcLimits& limits) {
  require(request.header("content-type").starts_with("application/sdp"), ErrorCode::unsupported,
          "the body must be an SDP offer (Content-Type: application/sdp)");
  require(viewers < limits.viewers, ErrorCode::unavailable,
          "{} viewers are connected by WebRTC, which is the limit; HLS has none", limits.viewers);
}

Response sdp_answer(std::string sdp, std::string location) {
  Response response;
  response.status = 201;
  response.content_type = "application/sdp";
  response.headers = {
      {"Location", std::move(location)}, {"Access-Control-Expose-Headers", "Location"}, {"Cache-Control", "no-store"}};
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
  require_offer(request, viewers, limits);
  const media::WebRtcPeer::Options options{.local_addresses = limits.addresses};
  auto connecting = work.run([&] {
    auto answer = watched.whep->connect(request.body, options);
    return sdp_answer(std::move(answer.sdp), watched.path + answer.id);
  });
  co_return co_await std::move(connecting);
}

// POST /v1/talk/sessions/{session_id}/whip: an SDP offer that sends sound. As above; 409 while another one speaks.
net::awaitable<Response> connect_speaker(TalkTable* talks, std::size_t viewers, WorkPool& work,
                                         const WebRtcLimits& limits, const Request& request) {
  require_offer(request, viewers, limits);
  const TalkSession& session = talk_of(talks, request);
  const std::string path = "/v1/talk/sessions/" + session.id() + "/whip/";
  const media::WebRtcPeer::Options options{.local_addresses = limits.addresses,
                                           .microphone_hz = session.newest().entry.session->format().speech_hz};
  auto connecting = work.run([&] { return delivery::connect_microphone(request.body, options); });
  const std::shared_ptr<media::WebRtcPeer> peer = co_await std::move(connecting);
  // It may have been deleted meanwhile.
  const delivery::Microphone& microphone = talks->listen(talk_of(talks, request), peer);
  co_return sdp_answer(peer->answer(), path + microphone.id());
}

// DELETE /v1/talk/sessions/{session_id}/whip/{viewer}: the speaker falls silent. 204.
Response disconnect_speaker(TalkTable* talks, const Request& request) {
  TalkSession& session = talk_of(talks, request);
  const delivery::Microphone* microphone = session.microphone();
  require(microphone && microphone->id() == request.path_value("viewer"), ErrorCode::not_found,
          "there is no such speaker; the connection may have been closed");
  talks->hang_up(session);
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

void add_webrtc_routes(Router& router, SessionTable& sessions, TalkTable* talks, WorkPool& work,
                       const WebRtcLimits& limits) {
  const auto add = [&](const std::string& pattern, const Find& find) {
    Route connect;
    connect.method = "POST";
    connect.pattern = pattern;
    connect.answer_later = [&sessions, talks, &work, limits, find](const Request& request) {
      return connect_viewer(find(request), viewers(sessions, talks), work, limits, request);
    };
    router.add(std::move(connect));
    Route disconnect;
    disconnect.method = "DELETE";
    disconnect.pattern = pattern + "/{viewer}";
    disconnect.answer_later = [&work, find](const Request& request) {
      return disconnect_viewer(find(request), work, request);
    };
    router.add(std::move(disconnect));
  };
  add("/v1/sessions/{id}/whep", [&sessions](const Request& request) { return find_session(sessions, request); });
  add("/v1/talk/sessions/{session_id}/whep", [talks](const Request& request) { return find_talk(talks, request); });
  Route speak;
  speak.method = "POST";
  speak.pattern = "/v1/talk/sessions/{session_id}/whip";
  speak.answer_later = [&sessions, talks, &work, limits](const Request& request) {
    return connect_speaker(talks, viewers(sessions, talks), work, limits, request);
  };
  router.add(std::move(speak));
  Route fall_silent;
  fall_silent.method = "DELETE";
  fall_silent.pattern = "/v1/talk/sessions/{session_id}/whip/{viewer}";
  fall_silent.answer = [talks](const Request& request) { return disconnect_speaker(talks, request); };
  router.add(std::move(fall_silent));
}

}  // namespace rushes::server
