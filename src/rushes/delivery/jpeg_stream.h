// A session's video as single JPEG pictures, encoded once for all who watch, and only while somebody does.
#pragma once
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "rushes/base/notify.h"
#include "rushes/generation/session.h"
#include "rushes/media/access_unit.h"

namespace rushes::delivery {

struct JpegPicture {
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
  int64_t encoded() const;

 private:
  friend class JpegViewer;
  struct Reader {
    int64_t next = 0;  // number of a picture, counted as they were encoded
    int64_t skipped = 0;
    base::Notifier notify;
  };

  void run(std::stop_token stop, From from);
  void encode(const generation::FrameBlock& block, std::stop_token stop);
  int64_t first_locked() const { return encoded_ - static_cast<int64_t>(ring_.size()); }

  const std::shared_ptr<generation::Session> session_;
  const JpegStreamOptions options_;
  mutable std::mutex mutex_;
  std::deque<JpegPicture> ring_;
  int64_t ring_bytes_ = 0, encoded_ = 0;
  int64_t newest_block_ = 0;  // number of its first picture
  bool ended_ = false;
  std::vector<std::shared_ptr<Reader>> readers_;
  std::mutex thread_mutex_;  // start and join
  std::jthread thread_;
};

/// One viewer's place. It holds no pictures of its own.
class JpegViewer {
 public:
  JpegViewer(std::shared_ptr<JpegStream> stream, std::shared_ptr<JpegStream::Reader> reader)
      : stream_(std::move(stream)), reader_(std::move(reader)) {}
  ~JpegViewer();
  JpegViewer(const JpegViewer&) = delete;
  JpegViewer& operator=(const JpegViewer&) = delete;

  /// The next picture, or one with no bytes if none is ready. A viewer that is too slow goes on with the newest block.
  JpegPicture poll();
  /// All pictures have been read and no more will come.
  bool ended() const;
  /// Pictures that it was moved past.
  int64_t skipped() const;

 private:
  std::shared_ptr<JpegStream> stream_;
  std::shared_ptr<JpegStream::Reader> reader_;
};

}  // namespace rushes::delivery
