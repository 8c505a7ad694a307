#include "rushes/server/api/native/rtmp_routes.h"

#include <algorithm>
#include <charconv>

#include "rushes/server/api/native/json_fields.h"
#include "rushes/server/api/native/session_json.h"
#include "rushes/server/http/access.h"

namespace rushes::server {
namespace {

using delivery::RtmpOptions;
using delivery::RtmpPush;

Json push_json(const Hosted& entry, int64_t number, const RtmpPush& push, const Request& request) {
  const RtmpPush::Status status = push.status();
  return {{"push", number},
          {"url", push.shown_url()},
          {"state", name(status.state)},
          {"connections", status.connections},
          {"video_frames", status.video_frames},
          {"bytes", status.bytes},
          {"skipped_blocks", status.skipped_blocks},
          {"error", status.error.empty() ? Json(nullptr) : Json(status.error)},
          {"urls",
           {{"self", request.address(fmt::format("/v1/sessions/{}/rtmp/{}", entry.session->id().text(), number))}}}};
}

struct PushRequest {
  media::RtmpUrl url;
  RtmpOptions options;
};

PushRequest parse_push_request(std::string_view body, const std::vector<std::string>& allowed_hosts) {
  JsonFields fields(body);
  const auto url = fields.string("url");
  const std::string pacing = fields.string("pacing").value_or("realtime"),
                    from = fields.string("from").value_or("newest");
  const bool silent_audio = fields.boolean("silent_audio").value_or(true);
  fields.require_all_known();
  require(url.has_value(), ErrorCode::invalid_argument,
          "url is missing: give the RTMP server's address with the stream's name");
  require(pacing == "realtime" || pacing == "asap", ErrorCode::invalid_argument,
          "pacing must be realtime or asap (got '{}')", pacing.substr(0, 32));
  require(from == "newest" || from == "start", ErrorCode::invalid_argument, "from must be newest or start (got '{}')",
          from.substr(0, 32));
  PushRequest request{.url = media::RtmpUrl::parse(*url), .options = {}};
  request.options.pacing = pacing == "asap" ? RtmpOptions::Pacing::asap : RtmpOptions::Pacing::realtime;
  request.options.from = from == "start" ? delivery::EncodedStream::From::start : delivery::EncodedStream::From::newest;
  using Silence = media::LiveInterleaver::Silence;
  request.options.silence = silent_audio ? Silence::where_there_is_no_audio : Silence::none;
  const std::string_view asked = without_final_dot(request.url.host);
  const auto allowed = [&](std::string_view host) { return host == "*" || without_final_dot(host) == asked; };
  const bool local = asked == "localhost" || asked == "127.0.0.1" || asked == "::1";
  require(local || std::any_of(allowed_hosts.begin(), allowed_hosts.end(), allowed), ErrorCode::invalid_argument,
          "this server may not push to the host '{0}'; start it with --allow-push {0} to allow this", request.url.host);
  return request;
}

// POST /v1/sessions/{id}/rtmp: starts a push. 201; 400 for the address, 429 beyond four at a time.
Response start_push(const SessionStore& sessions, const std::vector<std::string>& allowed_hosts,
                    const Request& request) {
  const Hosted& entry = hosted_of(sessions, request);
  PushRequest wanted = parse_push_request(request.body, allowed_hosts);
  const auto [number, push] = entry.sinks->push(std::move(wanted.url), wanted.options);
  Json json = push_json(entry, number, *push, request);
  Response response = json_response(201, json);
  response.headers.emplace_back("Location", json["urls"]["self"].get<std::string>());
  return response;
}

Response list_pushes(const SessionStore& sessions, const Request& request) {
  const Hosted& entry = hosted_of(sessions, request);
  Json list = Json::array();
  for (const auto& [number, push] : entry.sinks->pushes()) list.push_back(push_json(entry, number, *push, request));
  return json_response(200, {{"pushes", std::move(list)}});
}

int64_t push_number(const Request& request) {
  const std::string& text = request.path_value("push");
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  require(error == std::errc{} && end == text.data() + text.size() && number > 0, ErrorCode::invalid_argument,
          "the push number must be an integer of at least 1 (got '{}')", text.substr(0, 32));
  return number;
}

Response get_push(const SessionStore& sessions, const Request& request) {
  const Hosted& entry = hosted_of(sessions, request);
  const int64_t number = push_number(request);
  return json_response(200, push_json(entry, number, *entry.sinks->find_push(number), request));
}

// DELETE /v1/sessions/{id}/rtmp/{push}: sends nothing more. Also 200 if it had ended.
Response stop_push(const SessionStore& sessions, const Request& request) {
  const Hosted& entry = hosted_of(sessions, request);
  const int64_t number = push_number(request);
  const auto push = entry.sinks->find_push(number);
  push->stop();
  return json_response(200, push_json(entry, number, *push, request));
}

}  // namespace

void add_rtmp_routes(Router& router, SessionStore& sessions, std::vector<std::string> allowed_hosts) {
  const auto bound = [&sessions](auto function) {
    return [&sessions, function](const Request& request) { return function(sessions, request); };
  };
  router.answer("POST", "/v1/sessions/{id}/rtmp",
                [&sessions, hosts = std::move(allowed_hosts)](const Request& request) {
                  return start_push(sessions, hosts, request);
                });
  router.answer("GET", "/v1/sessions/{id}/rtmp", bound(list_pushes));
  router.answer("GET", "/v1/sessions/{id}/rtmp/{push}", bound(get_push));
  router.answer("DELETE", "/v1/sessions/{id}/rtmp/{push}", bound(stop_push));
}

}  // namespace rushes::server
