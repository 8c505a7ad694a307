#include "rushes/server/api/openai/routes.h"

#include <algorithm>
#include <charconv>

#include "rushes/generation/device_worker.h"
#include "rushes/server/api/native/dialects.h"
#include "rushes/server/api/native/finished_video.h"
#include "rushes/server/api/native/session_request.h"
#include "rushes/server/api/openai/openapi.json.h"
#include "rushes/server/api/openai/video_json.h"
#include "rushes/server/api/openai/video_request.h"
#include "rushes/server/api/openapi.h"
#include "rushes/server/api/request_schema.h"
#include "rushes/server/api/video_fields.h"
#include "rushes/server/sessions/inputs_memory.h"

namespace rushes::server {
namespace {

constexpr int64_t kDefaultPage = 20, kMaxPage = 100;
constexpr const char* kPollAfterMs = "500";  // the client library's own pace would be a second

const Hosted& hosted_of(const SessionStore& sessions, const Request& request) {
  return sessions.find(parse_video_id(request.path_value("video_id")));
}

// POST /v1/videos: starts a video, if need be after its model has been loaded. 200 with it; 400, 413, 415, 422 for the
// request, 404 for an unknown model, 429.
net::awaitable<Response> create_video(SessionStore& sessions, WorkPool& work, const Request& request) {
  auto reading = work.run_if_large(request.body.size(), [&] { return video_fields(request); });
  const nlohmann::json fields = co_await std::move(reading);
  const std::string name = model_of(fields, sessions.models());
  auto loading = sessions.models().load(name);
  co_await std::move(loading);
  const auto model = sessions.models().model(name);
  require_makes_videos_of_text(*model, name);
  base::MemoryBudget::Charge inputs = sessions.inputs().charge();
  auto parsing = read_request_with_picture(
      sessions, work, request.body.size(), inputs,
      [&](const std::function<void(int64_t)>& admit) { return parse_video_request(fields, *model, admit); });
  generation::Request wanted = co_await std::move(parsing);
  const Hosted made = sessions.create(std::move(wanted), {.model = name, .inputs = std::move(inputs)});
  end_speech_of(*made.session);
  co_return json_response(200, video_json(made));
}

/// Errors are answered in this API's form.
net::awaitable<Response> create_video_or_tell(SessionStore& sessions, WorkPool& work, const Request& request) {
  try {
    auto creating = create_video(sessions, work, request);
    co_return co_await std::move(creating);
  } catch (const Error& error) {
    co_return openai_error(error);
  }
}

Response get_video(SessionStore& sessions, const Request& request) {
  Response response = json_response(200, video_json(hosted_of(sessions, request)));
  response.headers.emplace_back("openai-poll-after-ms", kPollAfterMs);
  return response;
}

int64_t page_size(const Request& request) {
  const auto text = request.query_value("limit");
  if (!text) return kDefaultPage;
  int64_t limit = -1;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), limit);
  require(error == std::errc{} && end == text->data() + text->size() && limit >= 0 && limit <= kMaxPage,
          ErrorCode::invalid_argument, "limit must be an integer from 0 to {}", kMaxPage);
  return limit;
}

// GET /v1/videos?after=ID&limit=20&order=desc: a page of all videos, by default the newest first.
Response list_videos(SessionStore& sessions, const Request& request) {
  const std::string order = request.query_value("order").value_or("desc");
  require(order == "asc" || order == "desc", ErrorCode::invalid_argument, "order must be asc or desc");
  const int64_t limit = page_size(request);
  std::vector<Hosted> all = sessions.all();
  if (order == "desc") std::reverse(all.begin(), all.end());
  auto first = all.begin();
  if (const auto after = request.query_value("after"); after && !after->empty()) {
    const auto& id = sessions.find(parse_video_id(*after)).session->id();
    first = std::find_if(all.begin(), all.end(), [&](const Hosted& entry) { return entry.session->id() == id; }) + 1;
  }
  const auto last = first + std::min<int64_t>(limit, all.end() - first);
  Json data = Json::array();
  for (auto each = first; each != last; ++each) data.push_back(video_json(*each));
  const Json first_id = data.empty() ? Json() : data.front()["id"], last_id = data.empty() ? Json() : data.back()["id"];
  return json_response(200, {{"object", "list"},
                             {"data", std::move(data)},
                             {"first_id", first_id},
                             {"last_id", last_id},
                             {"has_more", last != all.end()}});
}

Response delete_video(SessionStore& sessions, const Request& request) {
  const auto id = hosted_of(sessions, request).session->id();
  sessions.remove(id);
  return json_response(200, {{"id", video_id(id)}, {"object", "video.deleted"}, {"deleted", true}});
}

// GET /v1/videos/{video_id}/content: the MP4. One that is still being made comes as it grows, so that the answer is
// complete when the video is. 409 when nothing was made and nothing will be.
net::awaitable<Response> get_content(SessionStore& sessions, const Request& request) {
  const std::string variant = request.query_value("variant").value_or("video");
  require(variant == "video", ErrorCode::invalid_argument,
          "variant must be video (got '{}'); this server does not make thumbnails or spritesheets",
          variant.substr(0, 32));
  const Hosted entry = hosted_of(sessions, request);
  auto waiting = wait_for_file(entry);
  co_await std::move(waiting);
  const auto status = entry.video->status();
  require(!status.ended || status.gops > 0, ErrorCode::conflict,
          "the video ended before its first frames were generated");
  Response response =
      status.ended ? finished_mp4(request, entry) : growing_mp4(entry, delivery::EncodedStream::From::start);
  response.headers.emplace_back("Cache-Control", "no-store");
  co_return response;
}

net::awaitable<Response> get_content_or_tell(SessionStore& sessions, const Request& request) {
  std::optional<Response> answer;
  try {
    auto getting = get_content(sessions, request);
    answer = co_await std::move(getting);
  } catch (const Error& error) {
    answer = openai_error(error);
  }
  co_return std::move(*answer);
}

// POST /v1/videos/{video_id}/remix: the same once more, noise included, with another prompt.
Response remix_video(SessionStore& sessions, const Request& request) {
  const Hosted& source = hosted_of(sessions, request);
  require(!source.lost_image, ErrorCode::conflict,
          "the video began with an image that this server no longer has; create a new video with the image");
  generation::Request remix = source.session->copy_of_request();
  remix.prompts = {parse_remix_request(request)};
  return json_response(
      200, video_json(sessions.create(std::move(remix), {.origin = Origin{Origin::Kind::remix, source.session->id()},
                                                         .model = source.model})));
}

void add_routes(Router& router, const ApiContext& context) {
  SessionStore& sessions = context.sessions;
  WorkPool& work = context.work;
  router.answer_later(
      "POST", "/v1/videos",
      [&sessions, &work](const Request& request) { return create_video_or_tell(sessions, work, request); },
      kMaxCreateBytes);
  const auto add = [&](std::string method, std::string pattern, auto function) {
    router.answer(std::move(method), std::move(pattern), [&sessions, function](const Request& request) {
      try {
        return function(sessions, request);
      } catch (const Error& error) {
        return openai_error(error);
      }
    });
  };
  add("GET", "/v1/videos", list_videos);
  add("GET", "/v1/videos/{video_id}", get_video);
  add("DELETE", "/v1/videos/{video_id}", delete_video);
  router.answer_later("GET", "/v1/videos/{video_id}/content",
                      [&sessions](const Request& request) { return get_content_or_tell(sessions, request); });
  add("POST", "/v1/videos/{video_id}/remix", remix_video);
}

Json schemas(const ServedModels& models) {
  std::vector<ServedModels::Status> of_text;
  for (ServedModels::Status& model : models.all())
    if (model.capabilities.takes.has(generation::Modality::text)) of_text.push_back(std::move(model));
  static constexpr std::string_view kNumbers[] = {"width", "height", "fps"};
  Json request = with_fields(written_schema("openai", "VideoRequest"), SeedMay::be_random, kNumbers, of_text);
  for (const auto& [name, reason] : fields_without_use())
    request["properties"][std::string(name)] = {{"description", fmt::format("has no effect: {}", reason)}};
  return {{"VideoRequest", std::move(request)}};
}

}  // namespace

Api openai_api() { return {"openai", kOpenApi, add_routes, schemas, true}; }

}  // namespace rushes::server
