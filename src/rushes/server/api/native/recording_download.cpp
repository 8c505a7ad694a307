#include "rushes/server/api/native/recording_download.h"

#include <algorithm>

#include "rushes/server/api/native/dialects.h"

namespace rushes::server {
namespace {

using delivery::EncodedStream;

/// Bytes of the fragments of a session that has ended, one behind the other with the initialisation segment in front.
class FragmentsBody final : public BodySource {
 public:
  FragmentsBody(std::shared_ptr<const EncodedStream> video, const ByteRange& range)
      : video_(std::move(video)), times_(video_->times()), skip_(range.first), left_(range.last - range.first + 1) {}

  net::awaitable<std::shared_ptr<const media::Bytes>> next() override {
    while (left_ > 0 && next_ <= static_cast<int64_t>(times_.size())) {
      const int64_t index = next_++ - 1;  // the initialisation segment comes before fragment 0
      const int64_t size = index < 0 ? static_cast<int64_t>(video_->init_segment()->size())
                                     : times_[static_cast<std::size_t>(index)].bytes;
      if (skip_ >= size) {
        skip_ -= size;
        continue;
      }
      const auto whole = index < 0 ? video_->init_segment() : fragment(index);
      const int64_t bytes = std::min(size - skip_, left_);
      const auto begin = whole->begin() + std::exchange(skip_, 0);
      left_ -= bytes;
      co_return std::make_shared<const media::Bytes>(begin, begin + bytes);
    }
    co_return nullptr;
  }

 private:
  std::shared_ptr<const media::Bytes> fragment(int64_t index) const {
    const delivery::GopPtr gop = video_->gop(index);
    require(gop != nullptr, ErrorCode::not_found, "fragment {} of the recording is gone", index);
    return gop->fragment;
  }

  const std::shared_ptr<const EncodedStream> video_;
  const std::vector<delivery::GopTimes> times_;
  int64_t next_ = 0, skip_, left_;
};

}  // namespace

Response recording_download(const Request& request, const Hosted& entry) {
  const std::string tag = entry.session->id().text() + "-growing";
  const EncodedStream::Status status = entry.video->status();  // asked first: what is downloaded then is complete
  const EncodedStream::Download download = entry.video->download();
  if (!status.ended) {
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
  auto [response, range] = range_response(request, status.bytes, "video/mp4", {.tag = tag});
  if (response.status >= 300) return std::move(response);
  response.body = std::make_unique<FragmentsBody>(entry.video, range);
  return std::move(response);
}

}  // namespace rushes::server
