// A session's video, encoded once for all who watch: one GOP a frame block. The newest GOPs are in memory, all are in
// the recording, whose fragments are also what viewers of MP4 get.
#pragma once
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "rushes/base/ring.h"
#include "rushes/delivery/gop.h"
#include "rushes/delivery/sinks/recording.h"
#include "rushes/generation/session.h"
#include "rushes/media/fragment_parser.h"

namespace rushes::media {
struct RecordedFile;
class VideoEncoder;
class AudioEncoder;
class FragmentWriter;
}  // namespace rushes::media

namespace rushes::delivery {

struct EncodedStreamOptions {
  std::filesystem::path recording = {};            // file to create; empty: none, late viewers get what is in memory
  int64_t memory_bytes = 32 << 20;                 // of the newest GOPs with their fragments
  int64_t max_recording_bytes = int64_t{8} << 30;  // a recording ends there; live viewing goes on
  int quality = 20;                                // as media::VideoEncoder
  /// Of the session that this one was forked from: its GOPs up to the fork come first, shared.
  std::shared_ptr<class EncodedStream> origin = {};
};

/// One viewer's place: GOP after GOP. It keeps the stream alive. A viewer whose next GOP is neither in memory nor
/// recorded goes on with the newest.
using Viewer = base::Cursor<Gop>;

/// Encodes on a thread of its own, so that the next block is generated meanwhile. Any thread may watch.
class EncodedStream : public std::enable_shared_from_this<EncodedStream> {
 public:
  /// Opens the encoder and the recording and starts. To be made before the session is submitted to a worker.
  /// Throws Error(invalid_argument) for a size that cannot be encoded, Error(unavailable) for the recording.
  EncodedStream(std::shared_ptr<generation::Session> session, EncodedStreamOptions options);
  /// Of a session of an earlier process, which has ended: `file`, the content of options.recording, is all there is and
  /// will be.
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
  const media::AudioTrack* audio_track() const noexcept { return audio_track_ ? &*audio_track_ : nullptr; }
  /// What stands before fragments in MP4.
  const std::shared_ptr<const media::Bytes>& init_segment() const noexcept { return init_segment_; }
  const std::shared_ptr<generation::Session>& session() const noexcept { return session_; }

  enum class From { start, newest };
  /// `notify` is called by the encoding thread after each GOP and at the end, see base::Cursor.
  std::unique_ptr<Viewer> watch(From from, std::function<void()> notify = {});
  /// The same from the GOP `first` on; one that does not exist yet is waited for.
  std::unique_ptr<Viewer> watch_from(int64_t first, std::function<void()> notify = {});

  /// Times of the GOPs from `first` on.
  std::vector<GopTimes> times(int64_t first = 0) const;
  /// The oldest GOP from which on all can still be had.
  int64_t oldest() const { return ring_.oldest(); }
  /// Null if it does not exist yet, or is neither in memory nor recorded. Throws as Recording::read() and
  /// FragmentParser::units() if the recording was changed by somebody else.
  GopPtr gop(int64_t index) const { return ring_.at(index); }

  struct Status {
    int64_t gops = 0, bytes = 0;      // encoded; bytes of MP4 with the initialisation segment
    int64_t recorded_bytes = 0;       // of the recording's file
    bool recording_complete = false;  // everything is in the file, and no more comes
    bool ended = false;
    bool whole = false;  // every GOP can be had, from the file or from the memory
    int64_t viewers = 0;
    std::string recording_failure;  // why the recording ended early
    std::chrono::microseconds encode_time{0};
    int64_t skipped = 0;  // GOPs that slow viewers were moved past
  };
  Status status() const;
  /// After how many GOPs each utterance has ended, with all its audio.
  std::vector<int64_t> utterance_ends() const;
  int64_t utterances() const { return static_cast<int64_t>(utterance_ends().size()); }
  const std::filesystem::path& recording_path() const noexcept { return options_.recording; }

  /// What a download of the recording is made of: the file as it is now, and how much of it is complete. Throws as
  /// Recording::content(), Error(not_found) if there is no recording.
  struct Download {
    std::shared_ptr<const ReadableFile> file;
    int64_t bytes = 0;
  };
  Download download() const;
  /// Nobody watches: lets go of the recording's file until somebody reads.
  void rest();
  /// A recording of an earlier process that still consists of fragments becomes a plain MP4; where it cannot be written
  /// it stays as it is. Takes its time. Once at the most.
  void finish_recording();
  /// Who watches now still gets all of it.
  void remove_recording();
  bool recording_removed() const { return recording_ && recording_->removed(); }

  /// Waits for the end of the encoding thread, which comes when the session has ended; nobody is notified afterwards.
  void join();
  /// Waits until the last GOP is out, or the time has passed (false).
  bool wait_until_ended(std::chrono::milliseconds timeout) const { return ring_.wait_until_ended(timeout); }

 private:
  struct Record {
    GopTimes times;
    std::optional<media::FragmentPlace> place = {};  // in the recording, if it is there
  };

  static std::shared_ptr<const EncodedStream> claimed(std::shared_ptr<const EncodedStream> origin);
  void run(std::stop_token stop);
  bool is_last(const generation::FrameBlock& block) const;
  void encode(const generation::FrameBlock& block, std::stop_token stop);
  void end_utterance();
  void adopt_gops(media::Pts until, const std::stop_token& stop);
  GopPtr make_gop(std::vector<media::AccessUnit> pictures, std::vector<media::AccessUnit> audio);
  void append(GopPtr gop);
  bool record(const media::Bytes& bytes);
  void end();
  GopPtr read_back(int64_t index) const;

  const std::shared_ptr<generation::Session> session_;
  EncodedStreamOptions options_;
  std::unique_ptr<media::VideoEncoder> encoder_;
  std::unique_ptr<media::FragmentWriter> writer_;
  std::unique_ptr<media::AudioEncoder> audio_encoder_;  // none for a silent video, and between utterances
  std::unique_ptr<Recording> recording_;
  bool lacks_end_ = false;  // of an earlier process, which recorded less than it made
  std::string encoder_name_, mime_type_;
  media::VideoTrack track_;
  std::optional<media::AudioTrack> audio_track_;
  std::shared_ptr<const media::Bytes> init_segment_;
  std::optional<media::FragmentParser> parser_;
  std::unique_ptr<generation::Subscription> frames_;
  std::shared_ptr<const EncodedStream> origin_;  // until its GOPs have been taken over; the thread's own
  int64_t adopted_ = 0;                          // of them; the thread's own
  mutable std::atomic<int> forks_ = 0;           // that have not taken over the GOPs yet; any thread
  media::Pts end_{0};                            // of the GOPs so far; the thread's own

  mutable std::mutex mutex_;
  Status status_;  // but for what the ring knows
  std::vector<int64_t> utterance_ends_;
  std::vector<Record> records_;  // by index; the ring has a GOP only when it has a record
  base::Ring<Gop> ring_;
  std::mutex joining_;
  std::jthread thread_;
};

}  // namespace rushes::delivery
