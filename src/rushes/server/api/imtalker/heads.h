// Talking heads as IMTalker's clients know them: by names that they chose, fed with pieces of speech, watched as
// segments of 50 frames. A head is one session of the store, or several in a row where a client began anew under the
// same name; what is kept here is the names and what was told about the newest piece, all else is the sessions'.
// The server's thread only.
#pragma once
#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "rushes/delivery/sinks/hls.h"
#include "rushes/media/audio_decoder.h"
#include "rushes/server/sessions/session_store.h"

namespace rushes::server::imtalker {

/// What was decoded, and the memory that it is charged for. They stay together until a session has both, so the one is
/// not a kind of the other: it would be cut off wherever that is expected.
template <typename T>
struct Held {
  T value;
  base::MemoryBudget::Charge memory = {};

  T& operator*() noexcept { return value; }
  const T& operator*() const noexcept { return value; }
  T* operator->() noexcept { return &value; }
  const T* operator->() const noexcept { return &value; }
};
using HeldRequest = Held<generation::Request>;
using HeldAudio = Held<media::DecodedAudio>;

/// A complete piece of a head's video.
struct HeadSegment {
  std::shared_ptr<delivery::HlsStream> hls;
  int64_t number = 0;  // within it
  media::Pts duration{0};
  bool gone = false;          // its recording was deleted
  bool other_format = false;  // than the segment before: a decoder begins anew
};

class Head {
 public:
  enum class Status { waiting_for_audio, processing, complete, error };

  const std::string& id() const noexcept { return id_; }
  std::chrono::system_clock::time_point created() const { return newest().session->created(); }
  std::chrono::duration<double> age() const { return newest().session->status().age; }
  Status status() const;
  /// Why something went wrong; stays after the next piece of speech.
  const std::optional<std::string>& error() const;
  /// Since this session began; what a session of the same name left is not counted.
  int64_t video_frames() const { return newest().session->status().video_frames; }
  /// Speech received, in samples at the model's rate.
  int64_t samples() const { return newest().session->status().speech_samples; }
  /// Those that can be had, of earlier sessions of the same name too.
  std::vector<HeadSegment> segments() const;
  /// Those before them, which went with their sessions.
  int64_t passed_segments() const noexcept { return passed_segments_; }
  /// How many of those were of another format than the one before them.
  int64_t passed_joints() const noexcept { return passed_joints_; }
  /// All has been said, and every segment is complete.
  bool complete() const { return status() == Status::complete; }
  bool open_ended() const noexcept { return open_ended_; }
  /// Who speaks to it by WebRTC, or did last; null: nobody has.
  const ingest::Microphone* microphone() const noexcept { return newest().speech->microphone(); }
  /// It ends when its microphone does.
  bool is_call() const noexcept { return is_call_; }
  const Hosted& newest() const { return sessions_.back(); }
  /// How it said that speech without a header is written; nothing: it did not.
  const std::optional<media::Pcm>& bare() const noexcept { return bare_; }
  const std::vector<Hosted>& sessions() const noexcept { return sessions_; }

 private:
  friend class Heads;
  std::string id_;
  /// The oldest session goes out of the playlist.
  void pass_oldest();

  std::vector<Hosted> sessions_;  // never empty; the last one is the present
  int64_t passed_segments_ = 0, passed_joints_ = 0;
  std::shared_ptr<const media::Bytes> passed_init_;  // of the last of them
  media::Pts passed_time_{0};
  bool open_ended_ = false;
  bool bad_piece_ = false;  // the newest piece could not be decoded
  bool is_call_ = false;
  std::optional<media::Pcm> bare_;
  /// What it is to say with another picture or other settings, after all that it was given before.
  struct Following {
    HeldRequest request;
    HeldAudio audio;
  };
  std::deque<Following> following_;
  mutable std::optional<std::string> error_;
};

/// As clients know it.
std::string_view name(Head::Status status);

class Heads {
 public:
  using Watch = std::function<void(const Hosted&)>;
  struct Limits {
    std::chrono::milliseconds idle;  // without being fed, watched or asked for a head goes then
    std::size_t runs;                // sessions of one name; the oldest go
  };
  Heads(SessionStore& sessions, Limits limits) : sessions_(sessions), limits_(limits) {}

  /// The model of talking heads: the first of the server's that is fed with speech. Throws Error(unavailable) if there
  /// is none, or it is not loaded.
  const std::shared_ptr<const generation::Model>& shared_model() const;
  /// The same when it is loaded, which begins with this call where nobody has asked for it. Throws what loading throws.
  net::awaitable<std::shared_ptr<const generation::Model>> loaded_model() const;
  bool has_model() const;
  SessionStore& sessions() const noexcept { return sessions_; }
  /// Portraits and speech beside the model; empty: none.
  std::filesystem::path examples() const;

  /// Starts a session. One of the same name ends; the new video goes on where its video stopped. Throws as
  /// SessionStore::create(). `watch` is called before anything is made: for who must miss nothing.
  Head& create(std::string id, HeldRequest request, const Watch& watch = {});
  /// Null if there is none. Counts as use.
  Head* find(std::string_view id);
  /// Ends what has this name, if `request` can be met; the sessions whose videos have yet to end. For create(), which
  /// would wait for them.
  std::vector<Hosted> end(std::string_view id, const generation::Request& request);
  /// The session that takes the next piece of speech: one that has ended begins anew with the same settings. Throws as
  /// SessionStore::create().
  const Hosted& listening(Head& head);
  /// How speech without a header will be written.
  void expect(Head& head, const media::Pcm& bare) { head.bare_ = bare; }
  /// Gives it a piece as it came, as SpeechInput::feed_piece(). Any thread.
  static void feed_piece(const Hosted& listening, std::span<const uint8_t> piece,
                         const ingest::SpeechInput::Encoding& encoding, bool is_final);
  /// The newest piece was taken: one before it that was not sound is forgotten.
  void take_piece(Head& head) { head.bad_piece_ = false; }
  /// Lets it speak a whole utterance. Throws as SpeechInput::feed().
  void feed(Head& head, HeldAudio audio);
  /// All that it will ever say: its session ends when that is spoken. Throws as feed().
  void say(Head& head, HeldAudio audio);
  /// A whole utterance with a request of its own: it begins when all that the head was given before is spoken, and its
  /// video goes on behind. Throws what the model has against the request, Error(exhausted) if as many wait as a name
  /// may have runs.
  void follow(Head& head, HeldRequest request, HeldAudio audio);
  /// More will come though all is spoken: the playlist gets no end.
  void keep_open(Head& head, bool open) { head.open_ended_ = open; }
  /// It says what `peer` says, `greeting` first, and ends when the peer leaves. Throws as SessionStore::listen().
  void call(Head& head, std::shared_ptr<media::WebRtcPeer> peer, std::vector<float> greeting);
  /// The newest piece was not sound.
  void fail_piece(Head& head, std::string message);
  /// Ends and forgets it; false if there is none.
  bool remove(std::string_view id);
  /// Without those whose sessions are gone.
  const std::map<std::string, Head, std::less<>>& all();
  /// Begins what has become due, and forgets heads whose sessions are gone.
  void sweep();

 private:
  void begin(Head& head, HeldRequest request, const Watch& watch);
  void begin_following(Head& head);
  void remove_sessions(const Head& head);
  void forget_old_runs(Head& head);
  /// The first model that this API is made for; nothing: there is none.
  std::optional<ServedModels::Status> talker() const;
  std::string model_name() const;

  SessionStore& sessions_;
  const Limits limits_;
  std::map<std::string, Head, std::less<>> heads_;
};

}  // namespace rushes::server::imtalker
