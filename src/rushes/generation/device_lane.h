// One thread of a device that steps sessions, one unit of work at a time, and changes between sessions where a block
// ends. What a session's video is does not depend on what else runs.
#pragma once
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <thread>
#include <vector>

#include "rushes/generation/latency_histogram.h"
#include "rushes/generation/model.h"
#include "rushes/generation/session.h"

namespace rushes::generation {

/// A session that could be stepped now.
struct Candidate {
  std::optional<double> lead_seconds;  // Session::lead_seconds()
  int64_t turns_waited = 0;            // blocks of others since its own last one
};

/// Index of the candidate whose viewers need the next block most: first whoever has none yet, then the least ahead. All
/// that are kEnoughLead ahead count alike, so that among them the longest waiting is next (round robin). Whoever
/// has waited for two rounds is next in any case: nobody starves. `candidates` must not be empty.
std::size_t next_candidate(std::span<const Candidate> candidates);
inline constexpr double kEnoughLead = 2.0;  // seconds of video: more than a step that runs could take away

/// What a thrown exception means to a session: Error keeps its code; memory that ran out, of any library, is
/// `exhausted`; all else is `internal`. To be called inside a catch block.
Failure current_failure();

/// Counts since the start, and what is held now.
struct WorkerStatus {
  int64_t sessions = 0;  // not yet ended
  int64_t steps = 0, blocks = 0, video_frames = 0;
  int64_t shared_forwards = 0;  // Model::prepare() for several sessions
  int64_t generator_bytes = 0;  // of all sessions and their kept borders; what these share is counted for each
  std::chrono::microseconds busy{0};
  StageTimes stages;             // of all blocks
  LatencyHistogram first_block;  // from a session's creation to its first block

  void add(const WorkerStatus& other);
};

/// Of the sessions of a device some have begun and not ended: a limit that its lanes share.
struct StartedSessions {
  const int64_t most;
  std::atomic<int64_t> count = 0;
};

class DeviceLane {
 public:
  /// `ended` is called, without a lock held, for each session that this lane lets go.
  DeviceLane(std::shared_ptr<StartedSessions> started, std::function<void(const SessionId&)> ended);
  /// Ends the sessions that still run as stopped, after the step in progress.
  ~DeviceLane();
  DeviceLane(const DeviceLane&) = delete;
  DeviceLane& operator=(const DeviceLane&) = delete;

  void submit(std::shared_ptr<Session> session, std::shared_ptr<const Model> model);
  void fork(std::shared_ptr<Session> origin, std::shared_ptr<Session> branch, std::optional<int64_t> blocks);
  /// Looks again at who can be stepped.
  void wake() { doorbell_->ring(); }
  WorkerStatus status() const;

  /// Earlier block borders that a session can be forked from: this many, as long as their copies take no more memory.
  static constexpr int64_t kBorders = 16, kBorderBytes = 64 << 20;
  /// Sessions whose next steps are prepared in one forward: this many at most.
  static constexpr std::size_t kMostTogether = 8;

 private:
  struct Border {
    int64_t blocks;  // of the video before it
    std::unique_ptr<Generator> generator;
    int64_t bytes;
  };
  struct Task {
    std::shared_ptr<Session> session;
    std::shared_ptr<const Model> model;
    std::unique_ptr<Generator> generator;
    int64_t blocks = 0;  // made, with those that a fork began with
    std::deque<Border> borders = {};
    int64_t turns_waited = 0;
    int64_t bytes = 0;  // of the generator
    Inbox inbox = {};   // taken from the session for its next step
    bool has_block = false;
  };
  struct Fork {
    std::shared_ptr<Session> origin, branch;
    std::optional<int64_t> blocks;
  };
  /// Wakes the worker; outlives it, since sessions and streams keep hold of it.
  struct Doorbell {
    std::mutex mutex;
    std::condition_variable_any rung;
    bool pending = false;
    void ring();
  };

  void listen_to(Session& session);
  void run(std::stop_token stop);
  void take_over_submitted();
  void take_over_forks();
  bool branch_off(const Fork& fork);
  static void keep_border(Task& task);
  void count(const StepResult& result, std::chrono::microseconds elapsed);
  Task* choose();
  void wait_for_work(const std::stop_token& stop);
  void prepare(Task& task);
  void turn(Task& task, std::stop_token stop);
  bool step(Task& task);
  void end_generator(Task& task);

  const std::shared_ptr<StartedSessions> started_;
  const std::function<void(const SessionId&)> ended_;
  const std::shared_ptr<Doorbell> doorbell_ = std::make_shared<Doorbell>();
  mutable std::mutex mutex_;  // submitted_, forks_ and status_
  std::vector<Task> submitted_;
  std::vector<Fork> forks_;
  WorkerStatus status_;
  std::list<Task> tasks_;  // the thread's own
  std::jthread thread_;
};

}  // namespace rushes::generation
