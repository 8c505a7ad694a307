#include "rushes/server/api/openai/video_json.h"

#include <algorithm>

#include "rushes/server/api/native/session_json.h"

namespace rushes::server {
namespace {

using generation::SessionState;
using generation::SessionStatus;
constexpr std::string_view kPrefix = "video_";

/// The API knows no state for a video that somebody stopped: an endless one is then complete, another one failed.
std::string_view status_of(const SessionStatus& status, const generation::VideoFormat& format, bool all_encoded) {
  switch (status.state) {
    case SessionState::queued: return "queued";
    case SessionState::running:
    case SessionState::waiting:
    case SessionState::paused: return "in_progress";
    case SessionState::finished: return all_encoded ? "completed" : "in_progress";
    case SessionState::stopped: return format.video_frames ? "failed" : "completed";
    case SessionState::failed: return "failed";
  }
  return "failed";
}

Json error_of(const SessionStatus& status) {
  if (status.failure) return {{"code", name(status.failure->code)}, {"message", status.failure->message}};
  return {{"code", "stopped"},
          {"message", "the video was stopped before its end; the frames generated until then can be downloaded"}};
}

int64_t unix_seconds(std::chrono::system_clock::time_point time) {
  return std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count();
}

int64_t progress_of(const SessionStatus& status, const generation::VideoFormat& format, std::string_view word) {
  if (word == "completed") return 100;
  if (!format.video_frames || *format.video_frames == 0) return 0;
  return std::min<int64_t>(99, 100 * status.video_frames / *format.video_frames);
}

}  // namespace

std::string video_id(const generation::SessionId& id) { return std::string(kPrefix) + id.text(); }

generation::SessionId parse_video_id(std::string_view text) {
  try {
    require(text.starts_with(kPrefix), ErrorCode::invalid_argument, "not a video id");
    return generation::SessionId::parse(text.substr(kPrefix.size()));
  } catch (const Error&) {
    fail(ErrorCode::not_found, "there is no video '{}'", text.substr(0, 64));
  }
}

Json video_json(const Hosted& entry) {
  const generation::Session& session = *entry.session;
  const SessionStatus status = session.status();
  const generation::VideoFormat& format = session.format();
  const std::string_view word = status_of(status, format, entry.video->status().ended);
  const double seconds = static_cast<double>(format.video_frames.value_or(status.video_frames)) / format.fps;
  const bool is_remix = entry.origin && entry.origin->kind == Origin::Kind::remix;
  return {{"id", video_id(session.id())},
          {"object", "video"},
          {"model", entry.model},
          {"status", word},
          {"progress", progress_of(status, format, word)},
          {"created_at", unix_seconds(session.created())},
          {"completed_at",
           word == "completed" && status.end ? Json(unix_seconds(session.created() + *status.end)) : Json(nullptr)},
          {"expires_at", nullptr},
          {"prompt", session.request().prompts.empty() ? Json(nullptr) : Json(session.request().prompts.front())},
          {"seed", session.request().seed},
          {"ignored", ignored_json(session.ignored())},
          {"warnings", session.warnings()},
          {"unknown_words", session.unknown_words()},
          {"image", image_json(session.image_use())},
          {"seconds", fmt::format("{:g}", seconds)},
          {"size", fmt::format("{}x{}", format.width, format.height)},
          {"remixed_from_video_id", is_remix ? Json(video_id(entry.origin->session)) : Json(nullptr)},
          {"error", word == "failed" ? error_of(status) : Json(nullptr)}};
}

Response openai_error(const Error& error) {
  Response response = error_response(error);
  const bool ours = response.status >= 500, limit = response.status == 429;
  Response shaped = json_response(response.status, {{"error",
                                                     {{"message", error.what()},
                                                      {"type", ours    ? "server_error"
                                                               : limit ? "rate_limit_error"
                                                                       : "invalid_request_error"},
                                                      {"param", nullptr},
                                                      {"code", name(error.code())}}}});
  for (auto& header : response.headers)
    if (header.first == "Retry-After") shaped.headers.push_back(std::move(header));
  return shaped;
}

}  // namespace rushes::server
