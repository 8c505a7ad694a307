// One viewer-facing generation: its request, its state, what it was told since the last step, and its stream. Routes
// control it, the device worker steps it; neither ever waits for the other.
#pragma once
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "rushes/generation/block_history.h"
#include "rushes/generation/model.h"
#include "rushes/generation/session_state.h"
#include "rushes/generation/stream.h"
#include "rushes/generation/viewer_lead.h"

namespace rushes::generation {

/// 128 random bits as 32 lower-case hexadecimal digits: who knows the id may watch, so it must not be guessable.
class SessionId {
 public:
  static SessionId random();
  /// Throws Error(invalid_argument) for anything but 32 lower-case hexadecimal digits.
  static SessionId parse(std::string_view text);
  const std::string& text() const noexcept { return text_; }
  auto operator<=>(const SessionId&) const = default;

 private:
  explicit SessionId(std::string text) : text_(std::move(text)) {}
  std::string text_;
};

/// A moment's view of a session. Times count from its creation.
struct SessionStatus {
  SessionState state = SessionState::queued;
  std::optional<Failure> failure;
  std::optional<EndReason> end_reason;   // of one that has ended in this process
  std::string reason;                    // with `stopped`: who or what ended it
  std::optional<QueuePlace> queue;       // with `queued`, unless its turn comes at once
  std::string prompt;                    // that the newest block was made under
  std::optional<std::string> text;       // that the model has said so far, see kMaxText; nothing: it has said nothing
  int64_t blocks = 0, video_frames = 0;  // done, with those of its origin that a fork begins with
  int64_t speech_samples = 0;            // received, at the format's speech_hz
  int64_t utterances = 0;                // shown to their end
  bool at_rest = false;       // waits or has ended, and all that was said up to the end of an utterance is shown
  int64_t oldest_border = 0;  // kept are the borders after this many of the blocks, up to all of them
  int64_t replay_blocks = 0, replayed_blocks = 0;  // of its origin's, that a fork makes again before its own; done
  std::chrono::microseconds age{0};
  std::optional<std::chrono::microseconds> first_step, first_block, newest_block, end;
  std::chrono::microseconds device_time{0};  // spent in its steps
  double fps = 0;                            // video frames per second of wall time between first and newest block
};

class Session {
 public:
  /// `plan` is the model's for this request.
  Session(Request request, std::unique_ptr<Plan> plan, Stream::Options stream = {});

  /// One of an earlier process, as far as it is remembered.
  struct Past {
    SessionId id;
    std::chrono::system_clock::time_point created;
    SessionStatus status;            // with an end state
    std::vector<FrameBlock> blocks;  // without pixels: the stream's events, at the times that `history` has
    BlockHistory history = {};
    std::vector<Ignored> ignored = {};
    std::vector<std::string> unknown_words = {};
  };
  Session(Request request, const VideoFormat& format, Past past);

  const SessionId& id() const noexcept { return id_; }
  /// Its driving video goes with the session's end: whoever wants all of it takes a copy.
  const Request& request() const noexcept { return request_; }
  /// With the options that were set since.
  Request copy_of_request() const {
    const std::scoped_lock lock(mutex_);
    Request copy = request_;
    copy.options.set_all(set_options_);
    return copy;
  }
  /// The request's options with those that were set since.
  Options options() const {
    const std::scoped_lock lock(mutex_);
    Options all = request_.options;
    all.set_all(set_options_);
    return all;
  }
  const VideoFormat& format() const noexcept { return format_; }
  /// What of the request, and of the prompts set since, was taken and changes nothing.
  std::vector<Ignored> ignored() const;
  /// What of the request's image is used; nothing: it has none, or is of an earlier process.
  const std::optional<ImageUse>& image_use() const noexcept { return image_use_; }
  /// Something that went otherwise than whoever feeds it may think; each is kept once, the first kMostWarnings of them.
  void warn(const std::string& text);
  std::vector<std::string> warnings() const;
  static constexpr std::size_t kMostWarnings = 16;
  /// Of the request's prompts, or of the one that was set since: words that the model was not trained with.
  std::vector<std::string> unknown_words() const;
  void set_unknown_words(std::vector<std::string> words);
  std::chrono::system_clock::time_point created() const noexcept { return created_; }
  Stream& stream() noexcept { return *stream_; }
  SessionStatus status() const;
  BlockHistory history() const;
  BlockHistory::Reach reach() const;  // of its history

  // Controls; any thread. All but stop() throw Error(conflict) when the session has ended.
  /// From the next block on. A second one before that block replaces the first. `ignored`: what of it has no effect.
  void set_prompt(std::string prompt, std::vector<Ignored> ignored = {});
  /// What checked_live() gave, from the next frame that the model makes. It makes none because of them.
  void set_options(const Options& options);
  /// More speech, after all that was fed before; one channel at the format's speech_hz. Throws Error(conflict) after
  /// end_speech(), Error(unsupported) if the generator takes none, Error(exhausted), taking nothing, if more than
  /// kMaxWaitingSpeech would wait for the next step.
  /// With Utterance::ends all that came is an utterance: it is shown to its end without waiting for more.
  enum class Utterance { goes_on, ends };
  void feed_speech(std::span<const float> samples, Utterance utterance = Utterance::goes_on);
  static constexpr double kMaxWaitingSpeech = 1800;  // seconds
  /// SessionStatus::text ends with the chunk that reaches this many bytes: an endless session may talk without end.
  static constexpr std::size_t kMaxText = 64 << 10;
  void end_utterance() { feed_speech({}, Utterance::ends); }
  /// No more will come: the video ends when what was fed is spoken. May be called twice, and after the end.
  void end_speech();
  /// Takes effect between two steps. Nothing changes if it is paused already.
  void pause();
  /// Goes on where it was: in the queue if it was there, or if another session has taken its place meanwhile.
  void resume();
  /// Ends the session; false if it had ended before. What was made stays.
  bool stop(std::string reason = "stopped by request", EndReason kind = EndReason::requested);
  /// The same where the block in work is complete; at once if there is none: it waits, is paused or has not begun.
  void stop_at_border(std::string reason, EndReason kind = EndReason::requested);
  /// Seconds that may be made ahead of the viewers; nothing: as fast as it goes. The request's until it is set.
  void set_max_lead(std::optional<double> seconds);
  std::optional<double> max_lead() const;

  // The worker's side; one thread.
  /// A fork begins with the blocks that `origin` has made, or the first `blocks` of them, and the text up to the last
  /// of these: they are told to its viewers without pixels, before its first step.
  void inherit(const Session& origin, int64_t blocks);
  /// The blocks of `origin` that follow those that it has, up to `until` of them, are made again, under the prompts
  /// that they had, and told without pixels, too. What it is told itself waits until they are done.
  void replay(const Session& origin, int64_t until);
  bool replays() const;
  /// What replay() will find, as far as it is known before: for those who ask until then.
  void expect_replay(int64_t blocks);
  /// SessionStatus::oldest_border.
  void keep_borders_from(int64_t blocks);
  /// Has work and is not paused: wants a place among those that may run.
  bool wants_place() const;
  /// While it waits for input or is paused: its place goes to another one, and when it has work again it is queued.
  /// False: it has work, or has ended.
  bool give_up_place();
  /// Where it stands in the queue, or that it stands there no more. Its viewers hear of a new position.
  void tell(std::optional<QueuePlace> place);
  bool runnable() const;
  /// After how many seconds it becomes runnable by itself, when all that it waits for are its viewers.
  std::optional<double> rests_for() const;
  bool over() const;
  /// At a block border: ends it if stop_at_border() has asked for it.
  void end_at_border();
  /// Plan::working_bytes of its plan.
  int64_t working_bytes() const { return working_bytes_; }
  /// The plan that it was made with; once.
  std::unique_ptr<Plan> take_plan() { return std::move(plan_); }
  /// Its generator is gone: what only that needed, a driving video above all, may go too.
  void let_go();
  /// What it began with is not needed any more. Of one that has ended.
  void forget_image();
  Inbox take_inbox();
  /// Publishes what a step gave. Dropped if the session was ended during the step. Throws Error(conflict) when a block
  /// that is made again differs from that of the origin.
  void deliver(StepResult result, std::chrono::microseconds step_time);
  void fail(Failure failure);
  /// As ViewerLead.
  std::optional<double> lead_seconds() const;
  /// Called after each control, without a lock held: wakes the worker.
  void on_control(std::function<void()> callback);

 private:
  using Clock = std::chrono::steady_clock;
  std::chrono::microseconds age() const;
  bool steppable() const;
  double excess_lead() const;
  void become(SessionState state, std::optional<Failure> failure = {});
  void become_stopped(std::string reason, EndReason kind);
  void require_open(std::string_view action) const;
  void input_came();
  void publish(Event event, std::optional<uint32_t> check);
  void publish_again(Event event, std::optional<uint32_t> check);
  void tell_made(FrameBlock block);
  Inbox replay_inbox();
  std::optional<uint32_t> check_of(const Event& event) const;
  void keep_text(const TextChunk& chunk);
  void wake();

  const SessionId id_;
  Request request_;             // changed by let_go() only, and there what no other thread looks at
  std::unique_ptr<Plan> plan_;  // until the worker takes it
  const VideoFormat format_;
  const int64_t working_bytes_ = 0;
  const std::optional<ImageUse> image_use_;
  const std::chrono::system_clock::time_point created_;
  const Clock::time_point start_;
  const std::shared_ptr<Stream> stream_;

  mutable std::mutex mutex_;
  SessionStatus status_;
  std::vector<Ignored> ignored_;
  Options set_options_;  // since the start
  Inbox inbox_;
  bool needs_input_ = false;           // remembered through a pause
  std::chrono::microseconds told_{0};  // when it heard of its place in the queue
  bool has_place_ = false;             // has been stepped since it was queued
  bool speech_ended_ = false;
  int64_t utterances_ = 0;     // that were ended by whoever speaks
  bool in_utterance_ = false;  // samples came since
  int64_t first_block_video_frames_ = 0;
  ViewerLead lead_;
  std::optional<double> max_lead_;
  std::vector<std::string> warnings_, unknown_words_;
  BlockHistory history_;
  std::optional<std::string> taken_prompt_;  // the newest that its generator was told
  struct Replay {
    SessionId origin;
    BlockHistory made;      // by the origin
    int64_t prompted = -1;  // the newest block whose prompt its generator was told
  };
  std::optional<Replay> replay_;                                     // until it is done
  std::optional<std::pair<std::string, EndReason>> stop_at_border_;  // the next one
  std::shared_ptr<const std::function<void()>> control_;
};

}  // namespace rushes::generation
