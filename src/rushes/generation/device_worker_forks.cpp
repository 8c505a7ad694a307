// The device worker's part in forks: copies of sessions, from block borders that are kept for them or reached again.
#include <algorithm>

#include "rushes/generation/device_worker.h"

namespace rushes::generation {

void DeviceWorker::fork(std::shared_ptr<Session> origin, std::shared_ptr<Session> branch, std::optional<int64_t> blocks,
                        std::optional<Replay> replay) {
  listen_to(*branch);
  {
    const std::scoped_lock lock(mutex_);
    const Task* task = find(*origin);
    if (task || replay) {
      const auto model = replay ? replay->model : task->model;
      forks_.push_back({origin, branch, model, blocks, std::move(replay)});
      ++status_.sessions;
      branch = nullptr;
    }
  }
  if (!branch) return doorbell_->ring();
  branch->fail({ErrorCode::conflict, "session " + origin->id().text() + " ended before it could be forked"});
  tell_end(*branch);
}

/// Makes the forks whose origins no lane has taken; the others follow at the end of their turns.
void DeviceWorker::branch_off(Lock& lock) {
  const auto ready = [&](const Fork& fork) {
    const Task* origin = find(*fork.origin);
    return !origin || !origin->taken;
  };
  for (auto next = std::find_if(forks_.begin(), forks_.end(), ready); next != forks_.end();
       next = std::find_if(forks_.begin(), forks_.end(), ready)) {
    const Fork fork = std::move(*next);
    forks_.erase(next);
    Task branch{.session = fork.branch, .model = fork.model, .working_bytes = fork.branch->working_bytes()};
    Task* origin = find(*fork.origin);
    bool done = false;
    if (!fork.branch->over()) {
      if (origin) origin->taken = true;
      lock.unlock();
      done = branch_off(fork, origin, branch);
      lock.lock();
      if (origin) origin->taken = false;
    }
    if (done || fork.branch->over()) {  // goes with all that have ended, if it has
      branch.bytes = bytes_of(branch);
      tasks_.push_back(std::move(branch));
      continue;
    }
    --status_.sessions;
    lock.unlock();
    fork.branch->fail(
        {ErrorCode::conflict, "session " + fork.origin->id().text() +
                                  " ended before it could be forked, or no longer keeps the requested block border"});
    tell_end(*fork.branch);
    lock.lock();
  }
}

/// False: the origin ended, or does not have the border, and the blocks cannot be made again.
bool DeviceWorker::branch_off(const Fork& fork, Task* origin, Task& branch) {
  try {
    const bool is_copy = !fork.replay || !fork.replay->from_beginning;
    return (is_copy && origin && copy(fork, *origin, branch)) || begin_replay(fork, origin, branch);
  } catch (...) {
    branch.generator.reset();
    fork.branch->fail(current_failure());
    return true;
  }
}

/// False: the origin ended, or does not have the border.
bool DeviceWorker::copy(const Fork& fork, Task& origin, Task& branch) {
  // An origin that has ended meanwhile is forked where it last kept a border.
  const bool over = fork.origin->over();
  const auto kept = std::find_if(origin.borders.begin(), origin.borders.end(), [&](const Border& border) {
    return fork.blocks ? border.blocks == fork.blocks : over && &border == &origin.borders.back();
  });
  const Generator* from = nullptr;
  int64_t blocks = 0;
  if (kept != origin.borders.end()) {
    from = kept->generator.get();
    blocks = kept->blocks;
  } else {
    if (over) return false;
    // Turns end at block borders, but for a session that was paused, or whose recorder is behind.
    while (!fork.blocks && origin.generator && !origin.generator->at_block_border())
      if (!step(origin)) return false;
    if (fork.origin->over()) return false;
    from = origin.generator.get();
    blocks = origin.blocks;
    if (fork.blocks && (fork.blocks != blocks || (from && !from->at_block_border()))) return false;
  }
  // An origin without a generator has not begun: its copy begins by itself.
  if (from) branch.generator = from->fork();
  branch.blocks = blocks;
  fork.branch->inherit(*fork.origin, branch.blocks);
  if (from) keep_border(branch);
  return true;
}

/// False: it is not allowed, or nothing would follow.
bool DeviceWorker::begin_replay(const Fork& fork, const Task* origin, Task& branch) {
  const SessionStatus made = fork.origin->status();
  if (!fork.replay || (!fork.blocks && made.state == SessionState::finished)) return false;
  const int64_t until = fork.blocks.value_or(made.blocks);
  if (origin && !fork.replay->from_beginning)
    for (const Border& border : origin->borders)
      if (border.blocks <= until) {
        branch.generator = border.generator->fork();
        branch.blocks = border.blocks;
      }
  fork.branch->inherit(*fork.origin, branch.blocks);
  fork.branch->replay(*fork.origin, until);
  if (branch.generator) keep_border(branch);
  return true;
}

void DeviceWorker::keep_border(Task& task) {
  auto& borders = task.borders;
  if (!task.model->capabilities().forks) return task.session->keep_borders_from(task.blocks);  // none is kept
  auto copy = task.generator->fork();
  const int64_t bytes = copy->bytes();
  const int64_t most = std::min(kBorders, kBorderBytes / std::max<int64_t>(bytes, 1));
  while (!borders.empty() && static_cast<int64_t>(borders.size()) >= most) borders.pop_front();
  if (most > 0) borders.push_back({task.blocks, std::move(copy), bytes});
  task.session->keep_borders_from(borders.empty() ? task.blocks : borders.front().blocks);
}

}  // namespace rushes::generation
