// A session's video, encoded once for all who watch: H.264 in fragmented MP4, one fragment a frame block, each
// beginning with a key frame. The newest fragments are in memory, all are in the recording.
#pragma once
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "rushes/base/notify.h"
#include "rushes/delivery/recording.h"
#include "rushes/generation/session.h"
#include "rushes/media/access_unit.h"

namespace rushes::media {
struct RecordedFile;
class VideoEncoder;
class AudioEncoder;
class FragmentWriter;
}  // namespace rushes::media

namespace rushes::delivery {

/// What a viewer gets: the initialisation segment (index -1) or the fragment of one frame block.
struct Fragment {
  int64_t index = -1;
  std::shared_ptr<const media::Bytes> bytes = {};
  media::Pts pts{0}, duration{0};
};

/// What is known of a fragment without its bytes.
struct FragmentTimes {
  media::Pts pts{0}, duration{0};
  int64_t bytes = 0;
  std::chrono::system_clock::time_point out;  // when it left the encoder
};

struct EncodedStreamOptions {
  std::filesystem::path recording = {};            // file to create; empty: none, late viewers get what is in memory
  int64_t memory_bytes = 32 << 20;                 // of the newest fragments
  int64_t max_recording_bytes = int64_t{8} << 30;  // a recording ends there; live viewing goes on
  int quality = 20;                                // as media::VideoEncoder
  /// Of the session that this one was forked from: its fragments up to the fork come first, as they are.
  std::shared_ptr<class EncodedStream> origin = {};
};

class Viewer;

/// Encodes on a thread of its own, so that the next block is generated meanwhile. Any thread may watch.
class EncodedStream : public std::enable_shared_from_this<EncodedStream> {
 public:
  /// Opens the encoder and the recording and starts. To be made before the session is submitted to a worker.
  /// Throws Error(invalid_argument) for a size that cannot be encoded, Error(unavailable) for the recording.
  EncodedStream(std::shared_ptr<generation::Session> session, EncodedStreamOptions options);
  /// Of a session of an earlier process, which has ended: `file`, the content of options.recording, is all there is and
  /// will be. What stands behind its last complete fragment is cut off. Throws Error(unavailable).
  EncodedStream(std::shared_ptr<generation::Session> session, const media::RecordedFile& file,
                EncodedStreamOptions options);
  ~EncodedStream();
  EncodedStream(const EncodedStream&) = delete;
  EncodedStream& operator=(const EncodedStream&) = delete;

  /// video/mp4; codecs="avc1.42C01F"
  const std::string& mime_type() const noexcept { return mime_type_; }
  /// Empty for a recording of an earlier process.
  const std::string& encoder_name() const noexcept { return encoder_name_; }
  const media::VideoTrack& track() const noexcept { return track_; }
  /// Null: a silent video.
  const media::AudioTrack* sound_track() const noexcept { return sound_track_ ? &*sound_track_ : nullptr; }
  const std::shared_ptr<const media::Bytes>& init_segment() const noexcept { return init_segment_; }
  const std::shared_ptr<generation::Session>& session() const noexcept { return session_; }

  enum class From { start, newest };
  /// `notify` is called by the encoding thread after each fragment and at the end: it must return at once. A call may
  /// still come when the viewer is gone, so it must own what it touches.
  std::unique_ptr<Viewer> watch(From from, std::function<void()> notify = {});
  /// The same from the fragment `first` on; one that does not exist yet is waited for.
  std::unique_ptr<Viewer> watch_from(int64_t first, std::function<void()> notify = {});

  /// Times of the fragments from `first` on.
  std::vector<FragmentTimes> times(int64_t first = 0) const;
  /// The oldest fragment from which on all can still be had.
  int64_t oldest() const;
  /// Nothing if it does not exist yet, or is neither in memory nor recorded.
  std::optional<Fragment> fragment(int64_t index) const;

  struct Status {
    int64_t fragments = 0, bytes = 0;  // encoded, with the initialisation segment
    int64_t recorded_bytes = 0;
    bool recording_complete = false;  // everything is in the file, and no more comes
    bool ended = false;
    int64_t viewers = 0;
    std::string recording_failure;  // why the recording ended early
    std::chrono::microseconds encode_time{0};
    int64_t skipped = 0;  // fragments that slow viewers were moved past
  };
  Status status() const;
  const std::filesystem::path& recording_path() const noexcept { return options_.recording; }

  /// Waits for the end of the encoding thread, which comes when the session has ended; nobody is notified afterwards.
  void join();
  /// Waits until the last fragment is out, or the time has passed (false).
  bool wait_until_ended(std::chrono::milliseconds timeout) const;

 private:
  friend class Viewer;
  struct Reader {
    int64_t next = -1;  // index of a fragment; -1: the initialisation segment
    int64_t first = 0;  // fragment that follows the initialisation segment
    int64_t skipped = 0;
    base::Notifier notify;
  };
  struct Span {  // in the recording
    int64_t offset, size;
  };

  void run(std::stop_token stop);
  void encode(const generation::FrameBlock& block, std::stop_token stop);
  void adopt_fragments(const EncodedStream& origin, media::Pts until, const std::stop_token& stop);
  std::optional<Fragment> wait_for_fragment(int64_t index, media::Pts until, const std::stop_token& stop) const;
  void finish_encoding();
  void append(media::Bytes bytes, media::Pts pts, media::Pts duration);
  int64_t oldest_in_memory_locked() const { return status_.fragments - static_cast<int64_t>(ring_.size()); }
  void end();
  void record(const media::Bytes& bytes);

  const std::shared_ptr<generation::Session> session_;
  EncodedStreamOptions options_;
  std::unique_ptr<media::VideoEncoder> encoder_;
  std::unique_ptr<media::FragmentWriter> writer_;
  std::unique_ptr<Recording> recording_;
  std::string encoder_name_, mime_type_;
  media::VideoTrack track_;
  std::unique_ptr<media::AudioEncoder> sound_encoder_;  // none for a silent video
  std::optional<media::AudioTrack> sound_track_;
  std::shared_ptr<const media::Bytes> init_segment_;
  std::unique_ptr<generation::Subscription> frames_;
  std::shared_ptr<EncodedStream> origin_;  // until its fragments have been taken over; the thread's own

  mutable std::mutex mutex_;
  mutable std::condition_variable_any changed_;
  Status status_;
  std::deque<std::shared_ptr<const media::Bytes>> ring_;  // the newest fragments
  int64_t ring_bytes_ = 0;
  std::vector<Span> recorded_;  // by index
  std::vector<FragmentTimes> times_;
  std::vector<std::shared_ptr<Reader>> readers_;
  std::jthread thread_;
};

/// One viewer's place. It holds no data of its own, so a viewer that never reads costs nothing.
class Viewer {
 public:
  Viewer(std::shared_ptr<EncodedStream> stream, std::shared_ptr<EncodedStream::Reader> reader)
      : stream_(std::move(stream)), reader_(std::move(reader)) {}
  ~Viewer();
  Viewer(const Viewer&) = delete;
  Viewer& operator=(const Viewer&) = delete;

  /// The initialisation segment first, then fragment after fragment; nothing if none is ready. Never waits for the
  /// encoder. A viewer whose next fragment is neither in memory nor recorded goes on with the newest.
  std::optional<Fragment> poll();
  /// As poll(), but waits for the encoder. Nothing: all has been read and no more will come, or `stop` was requested.
  std::optional<Fragment> next(const std::stop_token& stop);
  /// All fragments have been read and no more will come.
  bool ended() const;
  /// Fragments that it was moved past.
  int64_t skipped() const;

 private:
  std::shared_ptr<EncodedStream> stream_;
  std::shared_ptr<EncodedStream::Reader> reader_;
};

}  // namespace rushes::delivery
