#include "rushes/server/api/native/whep_routes.h"

#include <functional>
#include <numeric>

#include "rushes/server/background_work.h"
#include "rushes/server/router.h"
#include "rushes/server/session_table.h"
#include "rushes/server/talk_table.h"

namespace rushes::server {
namespace {

constexpr std::size_t kMostConnecting = 64;

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

Watched find_talk(TalkTable* talks, const Request& request) {
  require(talks != nullptr, ErrorCode::unavailable, "this server has no model of talking heads");
  const TalkSession* session = talks->find(request.path_value("session_id"));
  require(session != nullptr, ErrorCode::not_found, "there is no such talking head; it may have been deleted");
  return {session->newest().entry.outlets->whep(), "/v1/talk/sessions/" + session->id() + "/whep/"};
}

std::size_t viewers(const SessionTable& sessions, const TalkTable* talks) {
  const auto& all = sessions.all();
  return std::accumulate(all.begin(), all.end(), talks ? talks->peers() : std::size_t{0},
                         [](std::size_t sum, const Entry& entry) { return sum + entry.outlets->peers(); });
}

// POST .../whep: an SDP offer. 201 with the answer and the viewer's Location; 400 and 415 for the offer, 503 when there
// are too many viewers.
net::awaitable<Response> connect_viewer(Watched watched, std::size_t viewers, BackgroundWork& work,
                                        const WhepLimits& limits, const Request& request) {
  require(request.header("content-type").starts_with("application/sdp"), ErrorCode::unsupported,
          "the body must be an SDP offer (Content-Type: application/sdp)");
  require(viewers < limits.viewers, ErrorCode::unavailable,
          "{} viewers are connected by WebRTC, which is the limit; HLS has none", limits.viewers);
  auto connecting = work.run([watched = std::move(watched), offer = request.body,
                              options = media::WebRtcPeer::Options{.local_addresses = limits.addresses}] {
    auto answer = watched.whep->connect(offer, options);
    Response response;
    response.status = 201;
    response.content_type = "application/sdp";
    response.headers = {{"Location", watched.path + answer.id},
                        {"Access-Control-Expose-Headers", "Location"},
                        {"Cache-Control", "no-store"}};
    response.body = std::move(answer.sdp);
    return response;
  });
  co_return co_await std::move(connecting);
}

// DELETE .../whep/{viewer}: ends the connection. 204.
net::awaitable<Response> disconnect_viewer(Watched watched, BackgroundWork& work, const Request& request) {
  const auto viewer = generation::SessionId::parse(request.path_value("viewer"));
  auto closing = work.run([whep = std::move(watched.whep), viewer] {
    whep->disconnect(viewer.text());
    Response response;
    response.status = 204;
    return response;
  });
  co_return co_await std::move(closing);
}

}  // namespace

void add_whep_routes(Router& router, SessionTable& sessions, TalkTable* talks, const WhepLimits& limits) {
  const auto work = std::make_shared<BackgroundWork>(kMostConnecting);
  const auto add = [&](const std::string& pattern, const Find& find) {
    Route connect;
    connect.method = "POST";
    connect.pattern = pattern;
    connect.answer_later = [&sessions, talks, work, limits, find](const Request& request) {
      return connect_viewer(find(request), viewers(sessions, talks), *work, limits, request);
    };
    router.add(std::move(connect));
    Route disconnect;
    disconnect.method = "DELETE";
    disconnect.pattern = pattern + "/{viewer}";
    disconnect.answer_later = [work, find](const Request& request) {
      return disconnect_viewer(find(request), *work, request);
    };
    router.add(std::move(disconnect));
  };
  add("/v1/sessions/{id}/whep", [&sessions](const Request& request) { return find_session(sessions, request); });
  add("/v1/talk/sessions/{session_id}/whep", [talks](const Request& request) { return find_talk(talks, request); });
}

}  // namespace rushes::server
