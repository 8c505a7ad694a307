#include "rushes/server/api/native/whep_routes.h"

#include <numeric>

#include "rushes/server/background_work.h"
#include "rushes/server/router.h"
#include "rushes/server/session_table.h"

namespace rushes::server {
namespace {

constexpr std::size_t kMostConnecting = 64;

std::size_t viewers(const SessionTable& sessions) {
  const auto& all = sessions.all();
  return std::accumulate(all.begin(), all.end(), std::size_t{0},
                         [](std::size_t sum, const Entry& entry) { return sum + entry.outlets->peers(); });
}

const Entry& entry_of(const SessionTable& sessions, const Request& request) {
  return sessions.find(generation::SessionId::parse(request.path_value("id")));
}

// POST /v1/sessions/{id}/whep: an SDP offer. 201 with the answer and the viewer's Location; 400 and 415 for the offer,
// 503 when there are too many viewers.
net::awaitable<Response> connect_viewer(const SessionTable& sessions, BackgroundWork& work, const WhepLimits& limits,
                                        const Request& request) {
  const Entry& entry = entry_of(sessions, request);
  require(request.header("content-type").starts_with("application/sdp"), ErrorCode::unsupported,
          "the body must be an SDP offer (Content-Type: application/sdp)");
  require(viewers(sessions) < limits.viewers, ErrorCode::unavailable,
          "{} viewers are connected by WebRTC, which is the limit; HLS has none", limits.viewers);
  const std::string base = "/v1/sessions/" + entry.session->id().text() + "/whep/";
  auto connecting = work.run([whep = entry.outlets->whep(), offer = request.body,
                              options = media::WebRtcPeer::Options{.local_addresses = limits.addresses}, base] {
    auto answer = whep->connect(offer, options);
    Response response;
    response.status = 201;
    response.content_type = "application/sdp";
    response.headers = {
        {"Location", base + answer.id}, {"Access-Control-Expose-Headers", "Location"}, {"Cache-Control", "no-store"}};
    response.body = std::move(answer.sdp);
    return response;
  });
  co_return co_await std::move(connecting);
}

// DELETE /v1/sessions/{id}/whep/{viewer}: ends the connection. 204.
net::awaitable<Response> disconnect_viewer(const SessionTable& sessions, BackgroundWork& work, const Request& request) {
  const Entry& entry = entry_of(sessions, request);
  const auto viewer = generation::SessionId::parse(request.path_value("viewer"));
  auto closing = work.run([whep = entry.outlets->whep(), viewer] {
    whep->disconnect(viewer.text());
    Response response;
    response.status = 204;
    return response;
  });
  co_return co_await std::move(closing);
}

}  // namespace

void add_whep_routes(Router& router, SessionTable& sessions, const WhepLimits& limits) {
  const auto work = std::make_shared<BackgroundWork>(kMostConnecting);
  Route connect;
  connect.method = "POST";
  connect.pattern = "/v1/sessions/{id}/whep";
  connect.answer_later = [&sessions, work, limits](const Request& request) {
    return connect_viewer(sessions, *work, limits, request);
  };
  router.add(std::move(connect));
  Route disconnect;
  disconnect.method = "DELETE";
  disconnect.pattern = "/v1/sessions/{id}/whep/{viewer}";
  disconnect.answer_later = [&sessions, work](const Request& request) {
    return disconnect_viewer(sessions, *work, request);
  };
  router.add(std::move(disconnect));
}

}  // namespace rushes::server
