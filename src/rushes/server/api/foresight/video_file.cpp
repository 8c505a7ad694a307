#include "rushes/server/api/foresight/video_file.h"

#include <ctime>

#include "rushes/server/api/foresight/answers.h"
#include "rushes/server/api/foresight/names.h"
#include "rushes/server/http/date.h"
#include "rushes/server/http/text_case.h"

namespace rushes::server::foresight {
namespace {

constexpr std::string_view kEnding = ".mp4";

/// Nothing: no session is named.
std::optional<generation::SessionId> session_of(std::string_view name, std::string_view prefix) {
  if (!name.starts_with(prefix) || !name.ends_with(kEnding) || name.size() <= prefix.size() + kEnding.size())
    return std::nullopt;
  return session_named(name.substr(prefix.size(), name.size() - prefix.size() - kEnding.size()));
}

/// "W/"a", "b"" or "*" names the tag. Weak comparison (RFC 9110, 13.1.2).
bool lists(std::string_view header, std::string_view tag) {
  while (!header.empty()) {
    std::string_view each = take_element(header);
    if (each == "*") return true;
    if (each.starts_with("W/")) each.remove_prefix(2);
    if (each.size() >= 2 && each.front() == '"' && each.back() == '"' && each.substr(1, each.size() - 2) == tag)
      return true;
  }
  return false;
}

std::optional<std::time_t> time_of(std::string_view date) {
  std::tm parts{};
  const char* end = ::strptime(std::string(date).c_str(), "%a, %d %b %Y %T GMT", &parts);
  return end ? std::optional(::timegm(&parts)) : std::nullopt;
}

void add_state(Response& response, const FileState& state) {
  response.headers.emplace_back("Last-Modified", state.modified);
  response.headers.emplace_back("Cache-Control", "private, max-age=3600");
}

}  // namespace

bool has_it_already(const Request& request, const FileState& state) {
  if (request.headers.contains("if-none-match")) return lists(request.header("if-none-match"), state.tag);
  const auto since = time_of(request.header("if-modified-since"));
  return since && *since >= time_of(state.modified).value_or(0);
}

bool has_another(const Request& request, const FileState& state) {
  const std::string_view known = trim(request.header("if-range"));
  if (known.empty()) return false;
  return known != fmt::format("\"{}\"", state.tag) && known != state.modified;
}

Response video_file(const Request& request, const SessionStore& sessions, std::string_view name,
                    std::string_view prefix) {
  const auto id = session_of(name, prefix);
  if (!id || !sessions.has(*id)) return plain_answer(404, "Not Found");
  const Hosted& entry = sessions.find(*id);
  const delivery::EncodedStream::Status video = entry.video->status();
  if (!video.ended) return error_answer(404, "the video is not finished yet; try again later", "NOT_READY");
  const auto wanted = entry.session->format().video_frames.value_or(0);
  if (video.gops == 0 || !video.recording_complete || entry.session->status().video_frames < wanted)
    return plain_answer(404, "Not Found");
  const delivery::EncodedStream::Download download = entry.video->download();
  const auto written = entry.video->times().back().out;
  const FileState state{.tag = fmt::format("{}-{}", id->text(), download.bytes),
                        .modified = http_date(std::chrono::time_point_cast<std::chrono::seconds>(written))};
  if (has_it_already(request, state)) {
    Response response;
    response.status = 304;
    response.content_type = "video/mp4";
    response.headers.emplace_back("ETag", fmt::format("\"{}\"", state.tag));
    add_state(response, state);
    return response;
  }
  Request asked;
  asked.method = request.method;
  if (!has_another(request, state) && request.headers.contains("range"))
    asked.headers["range"] = std::string(request.header("range"));
  Response response = file_response(asked, download.file, download.bytes, "video/mp4", state.tag);
  add_state(response, state);
  return response;
}

}  // namespace rushes::server::foresight
