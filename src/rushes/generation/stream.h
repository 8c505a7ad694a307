// The ordered events of one session, kept in a bounded ring and fanned out to subscribers. Whoever watches too slowly
// is moved forward; generation waits for the recorder only, which is a part of this program and no client.
#pragma once
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <stop_token>
#include <variant>
#include <vector>

#include "rushes/base/notify.h"
#include "rushes/generation/event.h"
#include "rushes/generation/session_state.h"

namespace rushes::generation {

/// What a generator yields, and what a session reports about itself.
using StreamItem = std::variant<FrameBlock, PromptApplied, BlockProgress, UtteranceEnded, TextChunk, PreviewFrames,
                                TrackFailed, StateChanged, QueuePlace>;

struct StreamEvent {
  int64_t sequence = 0;             // without gaps within a stream
  std::chrono::microseconds at{0};  // since the session was created
  StreamItem what;
};
using EventPtr = std::shared_ptr<const StreamEvent>;

class Subscription;

/// Any thread. Memory is bounded however long the video: of old events only `max_events` are kept, and only the newest
/// `pixel_blocks` frame blocks keep their pixels (what a recorder has not yet read keeps them too), and as many
/// previews.
class Stream : public std::enable_shared_from_this<Stream> {
 public:
  struct Options {
    std::size_t max_events = 4096;
    std::size_t pixel_blocks = 4;
  };
  enum class From { start, newest_block };
  enum class Role {
    observer,  // reads what happened; old frame blocks come without pixels (rgb is null)
    viewer,    // reads pixels; too slow: moved forward to the newest block
    recorder,  // reads every pixel; too slow: full() asks the worker to wait
  };

  Stream() : Stream(Options{}) {}
  explicit Stream(Options options) : options_(options) {}

  void publish(StreamItem what, std::chrono::microseconds at);
  /// Nothing more will come; subscribers still get what is kept.
  void close();
  bool closed() const;
  /// Of a closed stream that nobody reads: gives up the pixels that it still has.
  void forget_pixels();
  /// A recorder is `pixel_blocks` behind: step the session when it has caught up.
  bool full() const;

  /// `notify` is called after each publish and at the close, by the publishing thread: it must return at once and call
  /// nothing of the session (post to an executor). A call may still come when the subscription is gone. From::start is
  /// the oldest event that is kept.
  std::unique_ptr<Subscription> subscribe(Role role, From from, std::function<void()> notify = {});
  /// Called by a reader's thread whenever full() has become false; must return at once.
  void on_room(std::function<void()> callback);

 private:
  friend class Subscription;
  struct Reader {
    Role role;
    int64_t next;         // sequence number
    int64_t blocks = 0;   // frame blocks not yet read
    int64_t skipped = 0;  // events that it was moved past
    base::Notifier notify;
  };
  int64_t first() const { return events_.empty() ? next_sequence_ : events_.front()->sequence; }
  bool full_locked() const;
  void drop_old_pixels();
  void thin_locked(int64_t sequence);

  const Options options_;
  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<EventPtr> events_;
  std::deque<int64_t> blocks_;    // sequence numbers of the frame blocks that still have their pixels
  std::deque<int64_t> previews_;  // the same of previews
  int64_t next_sequence_ = 0;
  bool closed_ = false;
  std::vector<std::shared_ptr<Reader>> readers_;
  base::Notifier room_;
};

/// One reader's place in a stream. Destroying it leaves the stream undisturbed.
class Subscription {
 public:
  Subscription(std::shared_ptr<Stream> stream, std::shared_ptr<Stream::Reader> reader)
      : stream_(std::move(stream)), reader_(std::move(reader)) {}
  ~Subscription();
  Subscription(const Subscription&) = delete;
  Subscription& operator=(const Subscription&) = delete;

  /// The next event, or null if there is none yet. Never waits.
  EventPtr poll();
  /// Waits for the next event. Null: the stream has ended or `stop` was requested.
  EventPtr next(std::stop_token stop = {});
  /// The stream is closed and all its events have been read.
  bool ended() const;
  /// Events that this reader was moved past because it was too slow or too late.
  int64_t skipped() const;

 private:
  EventPtr take_locked(bool& made_room);

  std::shared_ptr<Stream> stream_;
  std::shared_ptr<Stream::Reader> reader_;
};

}  // namespace rushes::generation
