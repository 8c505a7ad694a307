#include "rushes/server/api/native/routes.h"

#include <set>

#include "rushes/ingest/driving_file.h"
#include "rushes/server/api/native/dialects.h"
#include "rushes/server/api/native/finished_video.h"
#include "rushes/server/api/native/session_json.h"
#include "rushes/server/api/native/session_request.h"
#include "rushes/server/sessions/inputs_memory.h"
#include "rushes/server/streaming/pump.h"

namespace rushes::server {
namespace {

using delivery::EncodedStream;
using generation::SessionId;
using generation::SessionState;
using generation::Stream;

/// ?from=start (default) or ?from=newest.
bool from_start(const Request& request) {
  const std::string from = request.query_value("from").value_or("start");
  require(from == "start" || from == "newest", ErrorCode::invalid_argument, "from must be start or newest (got '{}')",
          from);
  return from == "start";
}

EncodedStream::From gops_from(const Request& request) {
  return from_start(request) ? EncodedStream::From::start : EncodedStream::From::newest;
}

// ---- controls -------------------------------------------------------------------------------------------------------

// POST /v1/sessions: starts a generation, if need be after its model has been loaded. 201 with the session; 400, 413,
// 415, 422 for the request, 404 for the model, 429 at the limit.
net::awaitable<Response> create_session(SessionStore& sessions, WorkPool& work, const Request& request) {
  std::string model = sessions.models().default_name();
  auto naming = work.run_if_large(request.body.size(), [&] { return parse_model_name(request.body); });
  if (auto named = co_await std::move(naming)) model = std::move(*named);
  const ServedModels::Status status = sessions.models().status(model);  // 404
  model = status.name;                                                  // it may have been named by an alias
  if (status.state != ServedModels::State::loaded) {
    auto checking = work.run_if_large(request.body.size(), [&] {
      check_session_request(request.body);
      return true;
    });
    co_await std::move(checking);
  }
  auto loading = sessions.models().load(model);
  co_await std::move(loading);
  const auto loaded = sessions.models().model(model);
  std::unique_ptr<generation::Plan> plan;  // of a thousand long prompts it takes its time
  base::MemoryBudget::Charge inputs = sessions.inputs().charge();
  auto parsing = read_request_with_picture(
      sessions, work, request.body.size(), inputs, [&](const std::function<void(int64_t)>& admit) {
        generation::Request parsed = parse_session_request(request.body, *loaded, admit);
        ingest::find_faces(parsed, *loaded);
        plan = loaded->plan(parsed);
        return parsed;
      });
  generation::Request wanted = co_await std::move(parsing);
  const Hosted entry =
      sessions.create(std::move(wanted), {.model = model, .inputs = std::move(inputs)}, std::move(plan));
  Response response = json_response(201, session_json(entry, request));
  response.headers.emplace_back("Location", request.address("/v1/sessions/" + entry.session->id().text()));
  co_return response;
}

/// ?state=running,paused: the states that are asked for; nothing: all.
std::set<SessionState> wanted_states(const Request& request) {
  std::set<SessionState> wanted;
  const auto text = request.query_value("state");
  if (!text) return wanted;
  for (std::string_view rest = *text;;) {
    const std::string_view word = rest.substr(0, rest.find(','));
    const auto found = generation::state_named(word);
    require(
        found.has_value(), ErrorCode::invalid_argument,
        "state must be one or more of queued, running, waiting, paused, finished, stopped, failed, with commas (got "
        "'{}')",
        word.substr(0, 32));
    wanted.insert(*found);
    if (word.size() == rest.size()) return wanted;
    rest.remove_prefix(word.size() + 1);
  }
}

Response list_sessions(const SessionStore& sessions, const Request& request) {
  const std::set<SessionState> wanted = wanted_states(request);
  Json list = Json::array();
  for (const Hosted& entry : sessions.all())
    if (wanted.empty() || wanted.contains(entry.session->status().state)) list.push_back(session_json(entry, request));
  return json_response(200, {{"sessions", std::move(list)}});
}

Response get_session(const SessionStore& sessions, const Request& request) {
  return json_response(200, session_json(hosted_of(sessions, request), request));
}

Response delete_session(SessionStore& sessions, const Request& request) {
  sessions.remove(SessionId::parse(request.path_value("id")));
  Response response;
  response.status = 204;
  return response;
}

// POST /v1/sessions/{id}/prompt: from the next block on. 202; 409 when the session has ended, 415 when it takes
// none.
Response set_prompt(const SessionStore& sessions, const Request& request) {
  const Hosted& entry = hosted_of(sessions, request);
  sessions.set_prompt(entry, parse_prompt_request(JsonFields(request.body)));
  return json_response(202, session_json(entry, request));
}

// POST /v1/sessions/{id}/options: {"emo": 3}: live options of its model, from the next frame on. 202; 400 naming the
// field and what is allowed, 409 when the session has ended.
Response set_options(const SessionStore& sessions, const Request& request) {
  const Hosted& entry = hosted_of(sessions, request);
  JsonFields fields(request.body);
  const auto known = sessions.models().status(entry.model).options;
  sessions.set_options(entry, named_options(std::move(fields), known));
  return json_response(202, session_json(entry, request));
}

// POST /v1/sessions/{id}/fork: 201 with the new session; 409 when the border can be had neither as it is kept nor by
// making the blocks before it again, 429 at the limit.
Response fork_session(SessionStore& sessions, const Request& request) {
  const SessionId id = SessionId::parse(request.path_value("id"));
  const Hosted entry = sessions.fork(id, parse_fork_request(request.body));
  Response response = json_response(201, session_json(entry, request));
  response.headers.emplace_back("Location", request.address("/v1/sessions/" + entry.session->id().text()));
  return response;
}

Response set_pacing(const SessionStore& sessions, const Request& request) {
  const Hosted& entry = hosted_of(sessions, request);
  entry.session->set_max_lead(parse_pacing_request(request.body));
  return json_response(200, session_json(entry, request));
}

Response pause_session(const SessionStore& sessions, const Request& request) {
  const Hosted& entry = hosted_of(sessions, request);
  entry.session->pause();
  return json_response(200, session_json(entry, request));
}

Response resume_session(const SessionStore& sessions, const Request& request) {
  const Hosted& entry = hosted_of(sessions, request);
  entry.session->resume();
  return json_response(200, session_json(entry, request));
}

// POST /v1/sessions/{id}/stop: also of a session that has ended, so that two who stop it both succeed.
Response stop_session(const SessionStore& sessions, const Request& request) {
  const Hosted& entry = hosted_of(sessions, request);
  entry.session->stop();
  return json_response(200, session_json(entry, request));
}

// ---- watching -------------------------------------------------------------------------------------------------------

// GET /v1/sessions/{id}/video.mp4: the file when the session has ended, with ranges; before, it grows while it is sent.
net::awaitable<Response> get_video(const SessionStore& sessions, const Request& request) {
  const Hosted entry = hosted_of(sessions, request);
  const EncodedStream::From from = gops_from(request);
  auto waiting = wait_for_file(entry);
  co_await std::move(waiting);
  const bool is_file = entry.video->status().ended && from == EncodedStream::From::start;
  Response response = is_file ? finished_mp4(request, entry) : growing_mp4(entry, from);
  response.headers.emplace_back("Cache-Control", "no-store");
  co_return response;
}

// WebSocket /v1/sessions/{id}/events: each event as a JSON text message, in order.
Feed events_feed(const SessionStore& sessions, const Request& request) {
  const auto from = from_start(request) ? Stream::From::start : Stream::From::newest_block;
  return feed_of(sessions, hosted_of(sessions, request), {.events = Interest::Events{.from = from}},
                 std::make_unique<EventsDialect>());
}

// WebSocket /v1/sessions/{id}/video: binary messages, the initialisation segment, then a fragment a block.
Feed video_feed(const SessionStore& sessions, const Request& request) {
  return feed_of(sessions, hosted_of(sessions, request), {.gops = gops_from(request)}, std::make_unique<Mp4Dialect>());
}

}  // namespace

void add_native_routes(Router& router, SessionStore& sessions, WorkPool& work) {
  const auto bound = [&sessions](auto function) {
    return [&sessions, function](const Request& request) { return function(sessions, request); };
  };
  router.answer_later(
      "POST", "/v1/sessions",
      [&sessions, &work](const Request& request) { return create_session(sessions, work, request); }, kMaxCreateBytes);
  router.answer("GET", "/v1/sessions", bound(list_sessions));
  router.answer("GET", "/v1/sessions/{id}", bound(get_session));
  router.answer("DELETE", "/v1/sessions/{id}", bound(delete_session));
  router.answer("POST", "/v1/sessions/{id}/prompt", bound(set_prompt));
  router.answer("POST", "/v1/sessions/{id}/options", bound(set_options));
  router.answer("POST", "/v1/sessions/{id}/fork", bound(fork_session));
  router.answer("POST", "/v1/sessions/{id}/pacing", bound(set_pacing));
  router.answer("POST", "/v1/sessions/{id}/pause", bound(pause_session));
  router.answer("POST", "/v1/sessions/{id}/resume", bound(resume_session));
  router.answer("POST", "/v1/sessions/{id}/stop", bound(stop_session));
  router.answer_later("GET", "/v1/sessions/{id}/video.mp4", bound(get_video));
  router.feed("/v1/sessions/{id}/events", bound(events_feed));
  router.feed("/v1/sessions/{id}/video", bound(video_feed));
}

}  // namespace rushes::server
