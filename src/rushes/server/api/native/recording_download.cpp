#include "rushes/server/api/native/recording_download.h"

#include "rushes/server/api/native/dialects.h"
#include "rushes/server/api/native/finished_video.h"
#include "rushes/server/http/conditions.h"

namespace rushes::server {
namespace {

using delivery::EncodedStream;

/// All that was recorded, whether it is the whole video or not. Throws Error(unavailable) if the recording ended before
/// its first fragment.
Response recorded_mp4(const Request& request, const Hosted& entry) {
  const EncodedStream::Download download = entry.video->download();
  const std::string why = entry.video->status().recording_failure;
  require(why.empty() || download.bytes > static_cast<int64_t>(entry.video->init_segment()->size()),
          ErrorCode::unavailable, "nothing of the video was recorded: {}", why);
  return file_response(request, download.file, download.bytes, "video/mp4",
                       {.tag = fmt::format("{}-{}", entry.session->id().text(), download.bytes)});
}

}  // namespace

Response recording_download(const Request& request, const Hosted& entry) {
  const std::string tag = entry.session->id().text() + "-growing";
  const EncodedStream::Status status = entry.video->status();  // asked first: what is downloaded then is complete
  const EncodedStream::Download download = entry.video->download();
  if (!status.ended) {
    if (auto response = answer_without_file(request, {.tag = tag})) return std::move(*response);
    *entry.downloaded_while_growing = true;
    if (auto part = growing_file_response(request, download.file, download.bytes, "video/mp4", {.tag = tag}))
      return std::move(*part);
    Response response = growing_mp4(entry, EncodedStream::From::start, Framing::file);
    response.headers.emplace_back("Accept-Ranges", "bytes");
    response.headers.emplace_back("ETag", fmt::format("\"{}\"", tag));
    return response;
  }
  const std::string_view state = request.header("if-range");
  const bool began_while_growing =
      state.empty() ? *entry.downloaded_while_growing : state == fmt::format("\"{}\"", tag);
  if (!began_while_growing || request.header("range").empty() || !status.recording_complete)
    return recorded_mp4(request, entry);
  return fragments_response(request, entry, {.tag = tag});
}

}  // namespace rushes::server
