// All that is computed on one device: one queue for the sessions of all its models. Its lanes are threads that step
// sessions, one unit of work at a time, and change between sessions where a block ends. Small models on a processor of
// many cores run side by side, in whichever lane is free; a large one uses all cores for itself, in the first lane.
// A turn that takes long gives way to short ones that wait: it goes on in the background, at a lower priority of the
// system's, and a new lane takes its lane's place. What a session's video is does not depend on what else runs.
// Whoever stops a session ends its step, too, at the next interruption_point() of its model.
#pragma once
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <limits>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>
#include <vector>

#include "rushes/generation/failure.h"
#include "rushes/generation/latency_histogram.h"
#include "rushes/generation/model.h"
#include "rushes/generation/next_candidate.h"
#include "rushes/generation/session.h"

namespace rushes::generation {

/// Counts since the start, and what is held now.
struct WorkerStatus {
  int64_t sessions = 0;  // not yet ended
  int64_t steps = 0, blocks = 0, video_frames = 0;
  int64_t replayed_blocks = 0;  // made again, for forks; not among `blocks`
  int64_t shared_forwards = 0;  // Model::prepare() for several sessions
  int64_t generator_bytes = 0;  // of all sessions and their kept borders; what these share is counted for each
  std::chrono::microseconds busy{0};
  StageTimes stages;             // of all blocks
  LatencyHistogram queue_wait;   // from a session's creation to its first step
  LatencyHistogram first_block;  // from a session's creation to its first block
  std::map<EndReason, int64_t> ended;
};

class DeviceWorker {
 public:
  static constexpr int64_t kAnyNumber = std::numeric_limits<int64_t>::max();
  /// Earlier block borders that a session can be forked from: this many, as long as their copies take no more memory.
  static constexpr int64_t kBorders = 16, kBorderBytes = 64 << 20;
  /// Sessions whose next steps are prepared in one forward: this many at most.
  static constexpr std::size_t kMostTogether = 8;

  /// A turn that takes longer gives way: viewers of others would notice it.
  static constexpr std::chrono::milliseconds kLongTurn{500};
  /// When a session that held or needed more memory ends, the system gets back what was kept for its like.
  static constexpr int64_t kMuchMemory = 32 << 20;
  /// Who needs less than this part of what all may use does not wait for those who need more.
  static constexpr int64_t kSmallShare = 16;

  struct Options {
    int64_t lanes = 1;
    int64_t max_started = kAnyNumber;        // sessions that have a place
    int64_t max_working_bytes = kAnyNumber;  // Plan::working_bytes of all sessions that have a place
    std::chrono::milliseconds long_turn = kLongTurn;
  };

  /// Of the sessions `max_started` at most have a place; the others wait for one in a queue, in the order of their
  /// coming. Whoever is paused or waits for input keeps its place only until another one needs it; when it has work
  /// again it comes last in the queue. One that is paused while it is queued keeps its place there.
  /// So does who needs more memory than the others leave; one that needs more than all may use has it to itself.
  explicit DeviceWorker(const Options& options);
  DeviceWorker() : DeviceWorker(Options{}) {}
  /// Ends the sessions that still run as stopped, at the next interruption points of the steps in progress.
  ~DeviceWorker();
  DeviceWorker(const DeviceWorker&) = delete;
  DeviceWorker& operator=(const DeviceWorker&) = delete;

  /// Takes the session over until it has ended; any thread. Its generator starts with its first turn.
  void submit(std::shared_ptr<Session> session, std::shared_ptr<const Model> model);
  /// How a border that is not kept is reached: the blocks before it are made again, from the nearest one that is.
  struct Replay {
    std::shared_ptr<const Model> model;
    bool from_beginning = false;  // the branch's plan is not that of its origin
  };
  /// Takes `branch` over as a copy of `origin` after its first `blocks` blocks, or at its next block border; a paused
  /// one completes the block in work for it. Where the border is not kept (SessionStatus::oldest_border), or `origin`
  /// has ended, the blocks are made again, or without a `replay` `branch` fails with `conflict`. Any thread.
  void fork(std::shared_ptr<Session> origin, std::shared_ptr<Session> branch, std::optional<int64_t> blocks = {},
            std::optional<Replay> replay = {});

  WorkerStatus status() const;
  int64_t lanes() const noexcept { return lane_count_; }
  /// Until the first of those sessions is expected to end that have a place and work; nothing: nobody knows.
  std::optional<double> seconds_to_next_end() const;
  /// Sessions of this model that have not ended.
  int64_t sessions_of(const Model& model) const;

 private:
  struct Border {
    int64_t blocks;  // of the video before it
    std::unique_ptr<Generator> generator;
    int64_t bytes;
  };
  /// A thread that takes turns.
  struct Lane {
    bool takes_large;  // models, too
    bool in_background = false;
    int64_t background_weight = 0;  // of background_
    bool over = false;
    std::jthread thread = {};
  };
  /// A session. While it is taken, all but `taken`, `placed`, `ticket` and `lane` is of the lane that took it.
  struct Task {
    std::shared_ptr<Session> session;
    std::shared_ptr<const Model> model;
    int64_t working_bytes = 0;
    std::unique_ptr<Generator> generator = {};
    int64_t blocks = 0;  // made, with those that a fork began with
    std::deque<Border> borders = {};
    int64_t turns_waited = 0, next_round = 0;
    Inbox inbox = {};  // taken from the session for its next step
    bool has_step = false, has_block = false;
    int64_t bytes = 0;                       // of generator and borders, as of its last turn
    bool taken = false;                      // by a lane, for a turn
    bool placed = false;                     // among those of max_started
    std::optional<int64_t> ticket = {};      // of the queue
    std::chrono::milliseconds last_turn{0};  // how long it took; 0: none yet
    Lane* lane = nullptr;                    // that has taken it, and that it may give up
    std::chrono::steady_clock::time_point turn_begin = {};
  };
  struct Fork {
    std::shared_ptr<Session> origin, branch;
    std::shared_ptr<const Model> model;
    std::optional<int64_t> blocks;
    std::optional<Replay> replay;
  };
  /// Wakes the lanes; outlives them, since sessions and streams keep hold of it.
  struct Doorbell {
    std::mutex mutex;
    std::condition_variable_any rung;
    uint64_t rings = 0;
    void ring();
    uint64_t count();
  };
  using Lock = std::unique_lock<std::mutex>;

  void listen_to(Session& session);
  void open_lane(bool takes_large);
  void run(Lane& lane);
  void close_lanes(Lock& lock);
  Task* find(const Session& session);
  void branch_off(Lock& lock);
  bool branch_off(const Fork& fork, Task* origin, Task& branch);
  bool copy(const Fork& fork, Task& origin, Task& branch);
  static bool begin_replay(const Fork& fork, const Task* origin, Task& branch);
  void let_go(Lock& lock);
  std::vector<Task*> queue();
  void grant_places();
  bool needs_much(const Task& task) const { return task.working_bytes > max_working_bytes_ / kSmallShare; }
  bool has_memory_for(const Task& task) const;
  bool free_a_place();
  void tell_places();
  std::vector<std::optional<double>> waits_of(const std::vector<Task*>& queue) const;
  double seconds_left(const Session& session) const;
  Task* choose(bool takes_large);
  void wait(Lock& lock, uint64_t rings, std::optional<double> seconds = {});
  void wait_for_work(Lock& lock, uint64_t rings);
  std::vector<Task*> take_together(Task& task);
  void prepare(const std::vector<Task*>& tasks);
  void turn(Lock& lock, Task& task, Lane& lane);
  void look_up(Task& task);
  void give_way(Task& task);
  bool step(Task& task);
  enum class Blocks { made, replayed };
  void count(const StepResult& result, std::chrono::microseconds elapsed, Blocks kind = Blocks::made);
  void tell_start(Task& task);
  void tell_first_block(Task& task);
  void tell_end(const Session& session);
  static void keep_border(Task& task);
  static int64_t bytes_of(const Task& task);

  const int64_t max_started_, max_working_bytes_, lane_count_;
  const std::chrono::milliseconds long_turn_;
  const std::shared_ptr<Doorbell> doorbell_ = std::make_shared<Doorbell>();
  mutable std::mutex mutex_;  // guards all that follows; nobody computes under it
  std::list<Task> tasks_;
  std::list<Fork> forks_;
  int64_t placed_ = 0, next_ticket_ = 0, round_ = 0;  // round of the newest turn
  int64_t background_ = 0;                            // lanes that background turns stand for; a large model's for all
  double pixels_ = 0;                                 // of all blocks
  WorkerStatus status_;
  std::stop_source stop_;
  std::list<Lane> lanes_;
};

}  // namespace rushes::generation
