#include "rushes/server/api/native/finished_video.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/this_coro.hpp>
#include <utility>

#include "rushes/media/plain_mp4.h"
#include "rushes/server/http/wakeup.h"

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

net::awaitable<void> wait_for_end(Hosted entry) {
  const auto wakeup = std::make_shared<Wakeup>(co_await net::this_coro::executor);
  const auto viewer = entry.video->watch(EncodedStream::From::newest, wakeup->notifier());
  while (!entry.video->status().ended) {
    auto waiting = wakeup->wait();
    co_await std::move(waiting);
  }
}

net::awaitable<void> wait_for_file(Hosted entry) {
  if (!entry.session->over()) co_return;
  auto waiting = wait_for_end(std::move(entry));
  co_await std::move(waiting);
}

void require_whole(const Hosted& entry) {
  const EncodedStream::Status status = entry.video->status();
  require(status.whole, ErrorCode::unavailable, "the video is not whole: {}",
          status.recording_failure.empty() ? "it was not recorded" : status.recording_failure);
}

int64_t finished_bytes(const Hosted& entry) {
  const EncodedStream::Status status = entry.video->status();
  return status.recording_complete ? status.recorded_bytes : status.bytes;
}

Response finished_mp4(const Request& request, const Hosted& entry, std::string modified) {
  require_whole(entry);
  const FileState state{.tag = fmt::format("{}-{}", entry.session->id().text(), finished_bytes(entry)),
                        .modified = std::move(modified)};
  if (!entry.video->status().recording_complete) return fragments_response(request, entry, state);
  const EncodedStream::Download download = entry.video->download();
  return file_response(request, download.file, download.bytes, "video/mp4", state);
}

std::vector<uint8_t> finished_contents(const Hosted& entry) {
  require_whole(entry);
  std::vector<uint8_t> bytes;
  if (entry.video->status().recording_complete) {
    const EncodedStream::Download download = entry.video->download();
    bytes.resize(static_cast<std::size_t>(download.bytes));
    require(download.file->read(0, bytes), ErrorCode::unavailable, "the recording cannot be read");
    return bytes;
  }
  bytes = *entry.video->init_segment();
  for (int64_t index = 0; index < entry.video->status().gops; ++index) {
    const delivery::GopPtr gop = entry.video->gop(index);
    require(gop != nullptr, ErrorCode::unavailable, "fragment {} of the video is gone", index);
    bytes.insert(bytes.end(), gop->fragment->begin(), gop->fragment->end());
  }
  return media::plain_mp4(bytes);
}

Response fragments_response(const Request& request, const Hosted& entry, const FileState& state) {
  auto [response, range] = range_response(request, entry.video->status().bytes, "video/mp4", state);
  if (response.status < 300) {
    response.body = std::make_unique<FragmentsBody>(entry.video, range);
    response.headers.emplace_back("Content-Length", std::to_string(range.last - range.first + 1));
  }
  return std::move(response);
}

}  // namespace rushes::server
