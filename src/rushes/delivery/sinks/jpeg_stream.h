// A session's video as single JPEG pictures, encoded once for all who watch, and only while somebody does.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "rushes/base/ring.h"
#include "rushes/generation/session.h"
#include "rushes/media/access_unit.h"

namespace rushes::delivery {

struct JpegFrame {
  int64_t index = 0;  // video frame
  double seconds = 0;
  std::shared_ptr<const media::Bytes> bytes;
};

struct JpegStreamOptions {
  int quality = 85;
  int64_t memory_bytes = 16 << 20;  // of the newest pictures: what a viewer may fall behind without missing any
};

class JpegViewer;

/// Any thread. Pictures are made from the blocks that the session's stream still holds, so a viewer sees what comes
/// from its arrival on and a few blocks before; for all of a video there is the recording.
class JpegStream : public std::enable_shared_from_this<JpegStream> {
 public:
  explicit JpegStream(std::shared_ptr<generation::Session> session, JpegStreamOptions options = {});
  ~JpegStream();
  JpegStream(const JpegStream&) = delete;
  JpegStream& operator=(const JpegStream&) = delete;

  enum class From { oldest, newest };  // picture that is kept; newest: that of the newest block's first frame
  /// `notify` is called by the encoding thread after each picture and at the end: it must return at once.
  /// A call may still come when the viewer is gone.
  std::unique_ptr<JpegViewer> watch(From from, std::function<void()> notify = {});
  /// Pictures encoded since the start.
  int64_t encoded() const { return ring_.size(); }

 private:
  friend class JpegViewer;
  void run(std::stop_token stop, generation::Subscription& frames);
  void encode(const generation::FrameBlock& block, std::stop_token stop);

  const std::shared_ptr<generation::Session> session_;
  const JpegStreamOptions options_;
  base::Ring<JpegFrame> ring_;  // a viewer begins at a block's first
  std::mutex thread_mutex_;     // start and join
  std::jthread thread_;
};

/// One viewer's place. It holds no pictures of its own. One thread.
class JpegViewer {
 public:
  JpegViewer(std::shared_ptr<JpegStream> stream, int64_t first, std::function<void()> notify);
  ~JpegViewer();
  JpegViewer(const JpegViewer&) = delete;
  JpegViewer& operator=(const JpegViewer&) = delete;

  /// The next picture, or one with no bytes if none is ready. A viewer that is too slow goes on with the newest block.
  JpegFrame poll();
  /// All pictures have been read and no more will come.
  bool ended() const { return place_->ended(); }
  /// Pictures that it was moved past.
  int64_t skipped() const { return place_->skipped(); }

 private:
  const std::shared_ptr<JpegStream> stream_;
  std::optional<base::Cursor<JpegFrame>> place_;
};

}  // namespace rushes::delivery
