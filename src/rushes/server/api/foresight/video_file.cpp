#include "rushes/server/api/foresight/video_file.h"

#include "rushes/server/api/foresight/answers.h"
#include "rushes/server/api/foresight/names.h"
#include "rushes/server/http/date.h"

namespace rushes::server::foresight {
namespace {

constexpr std::string_view kEnding = ".mp4";

/// Nothing: no session is named.
std::optional<generation::SessionId> session_of(std::string_view name, std::string_view prefix) {
  if (!name.starts_with(prefix) || !name.ends_with(kEnding) || name.size() <= prefix.size() + kEnding.size())
    return std::nullopt;
  return session_named(name.substr(prefix.size(), name.size() - prefix.size() - kEnding.size()));
}

}  // namespace

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
  Response response =
      file_response(request, download.file, download.bytes, "video/mp4",
                    {.tag = fmt::format("{}-{}", id->text(), download.bytes),
                     .modified = http_date(std::chrono::time_point_cast<std::chrono::seconds>(written))});
  response.headers.emplace_back("Cache-Control", "private, max-age=3600");
  return response;
}

}  // namespace rushes::server::foresight
