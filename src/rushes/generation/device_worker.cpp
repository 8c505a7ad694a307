#include "rushes/generation/device_worker.h"

#include <algorithm>
#include <utility>

namespace rushes::generation {

DeviceWorker::DeviceWorker(int64_t lanes, int64_t max_started)
    : started_(std::make_shared<StartedSessions>(max_started)) {
  for (int64_t i = 0; i < std::max<int64_t>(1, lanes); ++i)
    lanes_.push_back(std::make_unique<DeviceLane>(started_, [this](const SessionId& id) { forget(id); }));
}

DeviceWorker::~DeviceWorker() {
  std::vector<std::unique_ptr<DeviceLane>> lanes;
  {
    const std::scoped_lock lock(mutex_);
    lanes.swap(lanes_);  // a lane that lets a session go must not wake one that is gone
  }
}

/// A large model's steps take all cores, so that two of them at once would only be in each other's way.
std::size_t DeviceWorker::choose_lane(const Model& model) const {
  if (!model.card().is_small || lanes_.size() == 1) return 0;
  std::vector<int64_t> sessions(lanes_.size());
  for (const auto& [id, home] : homes_) ++sessions[home.lane];
  // Ties go to the last lane: the first has the large models.
  const auto least = std::min_element(sessions.rbegin(), sessions.rend());
  return static_cast<std::size_t>(sessions.rend() - least - 1);
}

void DeviceWorker::submit(std::shared_ptr<Session> session, std::shared_ptr<const Model> model) {
  const std::scoped_lock lock(mutex_);
  const std::size_t lane = choose_lane(*model);
  homes_.insert_or_assign(session->id(), Home{lane, model});
  lanes_[lane]->submit(std::move(session), std::move(model));
}

void DeviceWorker::fork(std::shared_ptr<Session> origin, std::shared_ptr<Session> branch,
                        std::optional<int64_t> blocks) {
  const std::scoped_lock lock(mutex_);
  const auto home = homes_.find(origin->id());
  if (home == homes_.end()) {
    branch->fail({ErrorCode::conflict, "session " + origin->id().text() + " ended before it could be forked"});
    return;
  }
  const Home branch_home = home->second;
  homes_.insert_or_assign(branch->id(), branch_home);
  lanes_[branch_home.lane]->fork(std::move(origin), std::move(branch), blocks);
}

void DeviceWorker::forget(const SessionId& id) {
  std::shared_ptr<const Model> last;  // goes after the lock, perhaps with its model
  const std::scoped_lock lock(mutex_);
  const auto home = homes_.find(id);
  if (home == homes_.end()) return;
  last = std::move(home->second.model);
  homes_.erase(home);
  // Whoever waited for it to end, in another lane, may start now.
  if (started_->most != kAnyNumber)
    for (const auto& lane : lanes_) lane->wake();
}

WorkerStatus DeviceWorker::status() const {
  WorkerStatus sum;
  for (const auto& lane : lanes_) sum.add(lane->status());
  return sum;
}

int64_t DeviceWorker::sessions_of(const Model& model) const {
  const std::scoped_lock lock(mutex_);
  return std::count_if(homes_.begin(), homes_.end(),
                       [&](const auto& home) { return home.second.model.get() == &model; });
}

}  // namespace rushes::generation
