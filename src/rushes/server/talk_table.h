// The talking heads that this server makes, by the names that their clients chose. A talking head is fed with speech
// and watched as HLS; when it was complete and is fed again, its video goes on. The server's thread only.
#pragma once
#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "rushes/audio/stream_resampler.h"
#include "rushes/delivery/hls.h"
#include "rushes/delivery/microphone.h"
#include "rushes/generation/device_worker.h"
#include "rushes/server/session_table.h"

namespace rushes::server {

struct TalkLimits {
  int64_t max_sessions = 64;
  std::chrono::seconds idle{50 * 60};  // without being fed, watched or asked for: then all of it goes
  double max_waiting_seconds = 900;    // of speech that is not yet spoken
};

/// One generation: what was said between two ends.
struct TalkRun {
  Entry entry;
  std::shared_ptr<delivery::HlsStream> hls;
};

/// A complete piece of a talking head's video.
struct TalkSegment {
  std::shared_ptr<delivery::HlsStream> hls;
  int64_t number = 0;  // within it
  media::Pts duration{0};
};

class TalkSession {
 public:
  enum class Status { waiting_for_audio, processing, complete, error };

  const std::string& id() const noexcept { return id_; }
  std::chrono::system_clock::time_point created() const noexcept { return created_; }
  std::chrono::duration<double> age() const { return std::chrono::steady_clock::now() - begun_; }
  Status status() const;
  /// Why something went wrong; stays after the next piece of speech.
  const std::optional<std::string>& error() const;
  /// Since this session began; what a session of the same name left is not counted.
  int64_t video_frames() const;
  /// Speech received, in samples at the model's rate.
  int64_t samples() const noexcept { return samples_; }
  /// Those that can be had, of a session of the same name too.
  std::vector<TalkSegment> segments() const;
  /// All has been said, and every segment is complete.
  bool complete() const { return status() == Status::complete; }
  bool open_ended() const noexcept { return open_ended_; }
  /// Who speaks to it by WebRTC, or did last; null: nobody has.
  const delivery::Microphone* microphone() const noexcept { return microphone_.get(); }
  /// It ends when its microphone does.
  bool is_call() const noexcept { return is_call_; }
  const TalkRun& newest() const { return runs_.back(); }
  const std::vector<TalkRun>& runs() const noexcept { return runs_; }

 private:
  friend class TalkTable;
  struct Piece {
    std::vector<float> samples;
    int64_t hz = 0;
    bool is_final = false;
  };

  std::string id_;
  generation::Request request_;
  std::chrono::system_clock::time_point created_ = std::chrono::system_clock::now();
  std::chrono::steady_clock::time_point begun_ = std::chrono::steady_clock::now(), used_ = begun_;
  std::vector<TalkRun> runs_;  // never empty
  std::size_t first_run_ = 0;  // of this session; those before are of another one of this name
  bool open_ended_ = false;
  bool ended_ = false;         // the newest run has had its last piece
  std::vector<Piece> pieces_;  // that came after it, and wait until it is spoken
  std::optional<audio::StreamResampler> resampler_;
  int64_t samples_ = 0;
  bool bad_piece_ = false;  // the newest piece could not be decoded
  std::unique_ptr<delivery::Microphone> microphone_;
  bool is_call_ = false;
  mutable std::optional<std::string> error_;
};

/// As clients know it.
std::string_view name(TalkSession::Status status);

class TalkTable {
 public:
  using Watch = std::function<void(const Entry&)>;
  /// Empties the directory: nothing of an earlier process is used.
  TalkTable(std::shared_ptr<const generation::Model> model, generation::DeviceWorker& worker, TalkLimits limits,
            std::filesystem::path directory);
  /// Stops what still runs.
  ~TalkTable();
  TalkTable(const TalkTable&) = delete;
  TalkTable& operator=(const TalkTable&) = delete;

  /// Starts a session. One of the same name ends; the new video goes on where its video stopped. Throws what the model
  /// has against the request, Error(exhausted) at the limit, Error(unavailable) while the server shuts down. `watch` is
  /// called before anything is made: for who must miss nothing.
  TalkSession& create(std::string id, generation::Request request, const Watch& watch = {});
  /// Null if there is none. Counts as use.
  TalkSession* find(std::string_view id);
  /// Takes the next piece of speech. Throws Error(exhausted), having taken nothing, if too much of it waits,
  /// Error(conflict) if a video moves the portrait.
  void feed(TalkSession& session, std::vector<float> samples, int64_t hz, bool is_final);
  /// What is fed from now on is spoken by the portrait of `request`, after all that was fed before. Throws what the
  /// model has against it.
  void go_on(TalkSession& session, generation::Request request);
  /// More will come though all is spoken: the playlist gets no end.
  void keep_open(TalkSession& session, bool open) { session.open_ended_ = open; }
  /// From now on it says what `peer` says. Throws Error(conflict) as feed(), while another one speaks, or what came
  /// before an end is still being spoken. `greeting`, at speech_hz, is said first.
  const delivery::Microphone& listen(TalkSession& session, std::shared_ptr<media::WebRtcPeer> peer,
                                     std::vector<float> greeting = {});
  /// The same, and the session ends when the peer leaves.
  void call(TalkSession& session, std::shared_ptr<media::WebRtcPeer> peer, std::vector<float> greeting);
  /// Nobody speaks any more.
  void hang_up(TalkSession& session) { session.microphone_.reset(); }
  /// The newest piece was no sound.
  void fail_piece(TalkSession& session, std::string message);
  /// Ends and forgets it; false if there is none.
  bool remove(std::string_view id);

  /// Viewers by WebRTC, and those who only speak.
  std::size_t peers() const;

  /// Goes on with what waits, and removes sessions that nobody has used for too long. To be called now and then.
  void sweep();
  void drain();
  const generation::Model& model() const noexcept { return *model_; }
  /// For work that may outlast this table.
  const std::shared_ptr<const generation::Model>& shared_model() const noexcept { return model_; }
  const std::map<std::string, TalkSession, std::less<>>& all() const noexcept { return sessions_; }

 private:
  void make_room();
  void begin_run(TalkSession& session, const Watch& watch = {});
  void speak(TalkSession& session, const TalkSession::Piece& piece);
  void pump(TalkSession& session);
  void end(TalkSession& session, const char* reason);

  const std::shared_ptr<const generation::Model> model_;
  generation::DeviceWorker& worker_;
  const TalkLimits limits_;
  const std::filesystem::path directory_;
  std::map<std::string, TalkSession, std::less<>> sessions_;
  std::vector<Entry> ending_;  // their threads are waited for
  bool draining_ = false;
};

}  // namespace rushes::server
