#include "rushes/delivery/sinks/jpeg_stream.h"

#include <utility>

#include "rushes/base/log.h"
#include "rushes/generation/device_worker.h"
#include "rushes/media/image.h"

namespace rushes::delivery {

JpegStream::JpegStream(std::shared_ptr<generation::Session> session, JpegStreamOptions options)
    : session_(std::move(session)), options_(options), ring_(options.memory_bytes) {}

JpegStream::~JpegStream() = default;

std::unique_ptr<JpegViewer> JpegStream::watch(From from, std::function<void()> notify) {
  const std::scoped_lock starting(thread_mutex_);
  const bool start = ring_.readers() == 0 && !ring_.ended();
  // Nobody has watched for a while: the thread may still finish one picture, then what is kept is old.
  if (start && thread_.joinable()) {
    thread_.request_stop();
    thread_.join();
  }
  const bool begins = start && !ring_.ended();
  if (begins) ring_.forget();
  auto viewer = std::make_unique<JpegViewer>(
      shared_from_this(), from == From::oldest ? ring_.oldest() : ring_.newest_entry(), std::move(notify));
  if (begins) {
    using generation::Stream;
    // From here on, not from when the thread has got its first moment. Who wants all pictures gets all: then generation
    // waits for their encoding, though not for any viewer.
    const bool all = from == From::oldest;
    std::unique_ptr<generation::Subscription> frames = session_->stream().subscribe(
        all ? Stream::Role::recorder : Stream::Role::viewer, all ? Stream::From::start : Stream::From::newest_block);
    thread_ = std::jthread([this, frames = std::move(frames)](std::stop_token stop) { run(std::move(stop), *frames); });
  }
  return viewer;
}

void JpegStream::run(std::stop_token stop, generation::Subscription& frames) {
  try {
    while (const generation::EventPtr event = frames.next(stop))
      if (const auto* block = std::get_if<generation::FrameBlock>(&event->what); block && block->rgb)
        encode(*block, stop);
  } catch (...) {
    log::warning("session {}: the JPEG stream ended: {}", session_->id().text(), generation::current_failure().message);
  }
  if (!stop.stop_requested()) ring_.end();
}

void JpegStream::encode(const generation::FrameBlock& block, std::stop_token stop) {
  for (int64_t t = 0; t < block.video_frames && !stop.stop_requested(); ++t) {
    const int64_t index = block.first_video_frame + t;
    auto bytes = std::make_shared<const media::Bytes>(
        media::encode_jpeg(block.frame(t), block.width, block.height, options_.quality));
    const auto size = static_cast<int64_t>(bytes->size());
    ring_.push(
        std::make_shared<const JpegFrame>(JpegFrame{index, static_cast<double>(index) / block.fps, std::move(bytes)}),
        size, t == 0 ? base::Ring<JpegFrame>::Entry::yes : base::Ring<JpegFrame>::Entry::no);
  }
}

JpegViewer::JpegViewer(std::shared_ptr<JpegStream> stream, int64_t first, std::function<void()> notify)
    : stream_(std::move(stream)) {
  place_.emplace(std::shared_ptr<base::Ring<JpegFrame>>(stream_, &stream_->ring_), first, std::move(notify));
}

JpegViewer::~JpegViewer() {
  const std::scoped_lock starting(stream_->thread_mutex_);
  place_.reset();
  if (stream_->ring_.readers() == 0) stream_->thread_.request_stop();
}

JpegFrame JpegViewer::poll() {
  const auto picture = place_->poll();
  return picture ? *picture : JpegFrame{};
}

}  // namespace rushes::delivery
