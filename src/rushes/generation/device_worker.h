// All that is computed on one device: one queue for the sessions of all its models, stepped by its lanes. Small models
// on a processor of many cores run side by side, a lane each; a large one uses all cores for itself.
#pragma once
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "rushes/generation/device_lane.h"

namespace rushes::generation {

class DeviceWorker {
 public:
  static constexpr int64_t kAnyNumber = std::numeric_limits<int64_t>::max();
  /// Of the sessions `max_started` at most have begun and not ended; the others wait their turn.
  explicit DeviceWorker(int64_t lanes = 1, int64_t max_started = kAnyNumber);
  /// Ends the sessions that still run as stopped, after the steps in progress.
  ~DeviceWorker();
  DeviceWorker(const DeviceWorker&) = delete;
  DeviceWorker& operator=(const DeviceWorker&) = delete;

  /// Takes the session over until it has ended; any thread. Its generator starts with its first turn.
  void submit(std::shared_ptr<Session> session, std::shared_ptr<const Model> model);
  /// Takes `branch` over as a copy of `origin` after its first `blocks` blocks, or at its next block border; a paused
  /// one completes the block in work for it. `branch` fails with `conflict` if `origin` ends before, and if the border
  /// is not kept (SessionStatus::oldest_border). Any thread.
  void fork(std::shared_ptr<Session> origin, std::shared_ptr<Session> branch, std::optional<int64_t> blocks = {});

  WorkerStatus status() const;
  /// Sessions of this model that have not ended.
  int64_t sessions_of(const Model& model) const;

 private:
  struct Home {
    std::size_t lane;
    std::shared_ptr<const Model> model;
  };
  std::size_t choose_lane(const Model& model) const;
  void forget(const SessionId& id);

  const std::shared_ptr<StartedSessions> started_;
  mutable std::mutex mutex_;
  std::map<SessionId, Home> homes_;  // of the sessions that have not ended
  std::vector<std::unique_ptr<DeviceLane>> lanes_;
};

}  // namespace rushes::generation
