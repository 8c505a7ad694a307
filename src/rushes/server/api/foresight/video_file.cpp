#include "rushes/server/api/foresight/video_file.h"

#include "rushes/server/api/foresight/answers.h"
#include "rushes/server/api/foresight/names.h"
#include "rushes/server/api/native/finished_video.h"
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

net::awaitable<Response> video_file(const Request& request, const SessionStore& sessions, std::string_view name,
                                    std::string_view prefix) {
  const auto id = session_of(name, prefix);
  if (!id || !sessions.has(*id)) co_return plain_answer(404, "Not Found");
  const Hosted entry = sessions.find(*id);
  auto waiting = wait_for_file(entry);
  co_await std::move(waiting);
  const delivery::EncodedStream::Status video = entry.video->status();
  if (!video.ended) co_return error_answer(404, "the video is not finished yet; try again later", "NOT_READY");
  const auto wanted = entry.session->format().video_frames.value_or(0);
  if (video.gops == 0 || entry.session->status().video_frames < wanted) co_return plain_answer(404, "Not Found");
  if (!video.whole)
    co_return error_answer(507, "the video could not be stored, and only a part of it is left", "STORAGE_FULL");
  const auto written = entry.video->times().back().out;
  Response response =
      finished_mp4(request, entry, http_date(std::chrono::time_point_cast<std::chrono::seconds>(written)));
  response.headers.emplace_back("Cache-Control", "private, max-age=3600");
  co_return response;
}

}  // namespace rushes::server::foresight
