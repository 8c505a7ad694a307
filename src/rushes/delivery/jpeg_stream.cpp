#include "rushes/delivery/jpeg_stream.h"

#include <algorithm>
#include <utility>

#include "rushes/base/log.h"
#include "rushes/generation/device_worker.h"
#include "rushes/media/image.h"

namespace rushes::delivery {

JpegStream::JpegStream(std::shared_ptr<generation::Session> session, JpegStreamOptions options)
    : session_(std::move(session)), options_(options) {}

JpegStream::~JpegStream() = default;

std::unique_ptr<JpegViewer> JpegStream::watch(From from, std::function<void()> notify) {
  auto reader = std::make_shared<Reader>();
  reader->notify = base::notifier(std::move(notify));
  const std::scoped_lock starting(thread_mutex_);
  bool start = false;
  {
    const std::scoped_lock lock(mutex_);
    start = readers_.empty() && !ended_;
  }
  // Nobody has watched for a while: the thread may still finish one picture, then what is kept is old.
  if (start && thread_.joinable()) {
    thread_.request_stop();
    thread_.join();
  }
  {
    const std::scoped_lock lock(mutex_);
    start = start && !ended_;
    if (start) {
      ring_.clear();
      ring_bytes_ = 0;
    }
    reader->next = from == From::oldest ? first_locked() : std::max(newest_block_, first_locked());
    readers_.push_back(reader);
  }
  if (start) thread_ = std::jthread([this, from](std::stop_token stop) { run(std::move(stop), from); });
  return std::make_unique<JpegViewer>(shared_from_this(), std::move(reader));
}

void JpegStream::run(std::stop_token stop, From from) {
  try {
    using generation::Stream;
    const auto frames = session_->stream().subscribe(
        Stream::Role::viewer, from == From::oldest ? Stream::From::start : Stream::From::newest_block);
    while (const generation::EventPtr event = frames->next(stop))
      if (const auto* block = std::get_if<generation::FrameBlock>(&event->what); block && block->rgb)
        encode(*block, stop);
  } catch (...) {
    log::warning("session {}: pictures end: {}", session_->id().text(), generation::current_failure().message);
  }
  if (stop.stop_requested()) return;
  {
    const std::scoped_lock lock(mutex_);
    ended_ = true;
  }
  base::notify_all(mutex_, readers_);
}

void JpegStream::encode(const generation::FrameBlock& block, std::stop_token stop) {
  for (int64_t t = 0; t < block.video_frames && !stop.stop_requested(); ++t) {
    const int64_t index = block.first_video_frame + t;
    auto bytes = std::make_shared<const media::Bytes>(
        media::encode_jpeg(block.frame(t), block.width, block.height, options_.quality));
    {
      const std::scoped_lock lock(mutex_);
      if (t == 0) newest_block_ = encoded_;
      ring_bytes_ += static_cast<int64_t>(bytes->size());
      ring_.push_back({index, static_cast<double>(index) / block.fps, std::move(bytes)});
      ++encoded_;
      while (ring_bytes_ > options_.memory_bytes && ring_.size() > 1) {
        ring_bytes_ -= static_cast<int64_t>(ring_.front().bytes->size());
        ring_.pop_front();
      }
    }
    base::notify_all(mutex_, readers_);
  }
}

int64_t JpegStream::encoded() const {
  const std::scoped_lock lock(mutex_);
  return encoded_;
}

JpegViewer::~JpegViewer() {
  const std::scoped_lock starting(stream_->thread_mutex_);
  const std::scoped_lock lock(stream_->mutex_);
  std::erase(stream_->readers_, reader_);
  if (stream_->readers_.empty()) stream_->thread_.request_stop();
}

JpegPicture JpegViewer::poll() {
  JpegStream& stream = *stream_;
  const std::scoped_lock lock(stream.mutex_);
  if (reader_->next >= stream.encoded_) return {};
  if (const int64_t first = stream.first_locked(); reader_->next < first) {
    const int64_t to = std::max(first, stream.newest_block_);
    reader_->skipped += to - reader_->next;
    reader_->next = to;
  }
  return stream.ring_[static_cast<std::size_t>(reader_->next++ - stream.first_locked())];
}

bool JpegViewer::ended() const {
  const std::scoped_lock lock(stream_->mutex_);
  return stream_->ended_ && reader_->next >= stream_->encoded_;
}

int64_t JpegViewer::skipped() const {
  const std::scoped_lock lock(stream_->mutex_);
  return reader_->skipped;
}

}  // namespace rushes::delivery
