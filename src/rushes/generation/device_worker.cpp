#include "rushes/generation/device_worker.h"

#include <algorithm>
#include <utility>

#include "rushes/base/log.h"

namespace rushes::generation {
namespace {

constexpr const char* kShuttingDown = "the server is shutting down";

std::chrono::microseconds since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - begin);
}

}  // namespace

void DeviceWorker::Doorbell::ring() {
  const std::scoped_lock lock(mutex);
  ++rings;
  rung.notify_all();
}

uint64_t DeviceWorker::Doorbell::count() {
  const std::scoped_lock lock(mutex);
  return rings;
}

DeviceWorker::DeviceWorker(int64_t lanes, int64_t max_started)
    : max_started_(max_started), lane_count_(std::max<int64_t>(1, lanes)) {
  for (int64_t i = 0; i < lane_count_; ++i)
    lanes_.emplace_back([this, is_first = i == 0](const std::stop_token& stop) { run(is_first, stop); });
}

DeviceWorker::~DeviceWorker() {
  for (std::jthread& lane : lanes_) lane.request_stop();
  lanes_.clear();
  for (const Fork& fork : forks_) fork.branch->stop(kShuttingDown);
  for (const Task& task : tasks_) task.session->stop(kShuttingDown);
}

/// Whatever happens to the session from outside wakes the lanes.
void DeviceWorker::listen_to(Session& session) {
  const auto ring = [doorbell = doorbell_] { doorbell->ring(); };
  session.on_control(ring);
  session.stream().on_room(ring);
}

void DeviceWorker::submit(std::shared_ptr<Session> session, std::shared_ptr<const Model> model) {
  listen_to(*session);
  {
    const std::scoped_lock lock(mutex_);
    tasks_.push_back({.session = std::move(session), .model = std::move(model)});
    ++status_.sessions;
  }
  doorbell_->ring();
}

void DeviceWorker::fork(std::shared_ptr<Session> origin, std::shared_ptr<Session> branch,
                        std::optional<int64_t> blocks) {
  listen_to(*branch);
  {
    const std::scoped_lock lock(mutex_);
    if (const Task* task = find(*origin)) {
      forks_.push_back({origin, branch, task->model, blocks});
      ++status_.sessions;
      branch = nullptr;
    }
  }
  if (branch)
    branch->fail({ErrorCode::conflict, "session " + origin->id().text() + " ended before it could be forked"});
  else
    doorbell_->ring();
}

WorkerStatus DeviceWorker::status() const {
  const std::scoped_lock lock(mutex_);
  WorkerStatus status = status_;
  for (const Task& task : tasks_) status.generator_bytes += task.bytes;
  return status;
}

int64_t DeviceWorker::sessions_of(const Model& model) const {
  const std::scoped_lock lock(mutex_);
  const auto is_of = [&](const auto& each) { return each.model.get() == &model; };
  return std::count_if(tasks_.begin(), tasks_.end(), is_of) + std::count_if(forks_.begin(), forks_.end(), is_of);
}

DeviceWorker::Task* DeviceWorker::find(const Session& session) {
  const auto found =
      std::find_if(tasks_.begin(), tasks_.end(), [&](const Task& task) { return task.session.get() == &session; });
  return found == tasks_.end() ? nullptr : &*found;
}

// ---- a lane ---------------------------------------------------------------------------------------------------------

void DeviceWorker::run(bool first_lane, const std::stop_token& stop) {
  Lock lock(mutex_);
  while (!stop.stop_requested()) {
    const uint64_t rings = doorbell_->count();  // asked before looking, so that whatever changes meanwhile rings again
    branch_off(lock);
    for (const Task& task : tasks_)
      if (!task.taken && (!task.generator || task.generator->at_block_border())) task.session->end_at_border();
    let_go(lock);
    if (Task* task = choose(first_lane))
      turn(lock, *task, stop);
    else
      wait_for_work(lock, rings, stop);
  }
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
    Task branch{.session = fork.branch, .model = fork.model};
    Task* origin = find(*fork.origin);
    bool done = false;
    if (origin && !fork.origin->over() && !fork.branch->over()) {
      origin->taken = branch.taken = true;
      lock.unlock();
      done = branch_off(fork, *origin, branch);
      lock.lock();
      origin->taken = branch.taken = false;
    }
    if (done || fork.branch->over()) {  // goes with all that have ended, if it has
      branch.started = branch.generator != nullptr;
      started_ += branch.started ? 1 : 0;
      branch.bytes = bytes_of(branch);
      tasks_.push_back(std::move(branch));
      continue;
    }
    --status_.sessions;
    lock.unlock();
    fork.branch->fail(
        {ErrorCode::conflict, "session " + fork.origin->id().text() +
                                  " ended before it could be forked, or no longer keeps the requested block border"});
    lock.lock();
  }
}

/// False: the origin ended, or does not have the border.
bool DeviceWorker::branch_off(const Fork& fork, Task& origin, Task& branch) {
  try {
    const auto kept = std::find_if(origin.borders.begin(), origin.borders.end(),
                                   [&](const Border& border) { return border.blocks == fork.blocks; });
    const Generator* from = nullptr;
    if (kept != origin.borders.end()) {
      from = kept->generator.get();
      branch.blocks = kept->blocks;
    } else {
      // Turns end at block borders, but for a session that was paused, or whose recorder is behind.
      while (!fork.blocks && origin.generator && !origin.generator->at_block_border())
        if (!step(origin)) return false;
      if (fork.origin->over()) return false;
      from = origin.generator.get();
      branch.blocks = origin.blocks;
      if (fork.blocks && (fork.blocks != branch.blocks || (from && !from->at_block_border()))) return false;
    }
    // An origin without a generator has not begun: its copy begins by itself.
    if (from) branch.generator = from->fork();
    fork.branch->inherit(*fork.origin, branch.blocks);
    if (from) keep_border(branch);
  } catch (...) {
    branch.generator.reset();
    fork.branch->fail(current_failure());
  }
  return true;
}

/// Lets go of the sessions that have ended.
void DeviceWorker::let_go(Lock& lock) {
  std::list<Task> gone;
  for (auto task = tasks_.begin(); task != tasks_.end();) {
    const auto next = std::next(task);
    if (!task->taken && task->session->over()) gone.splice(gone.end(), tasks_, task);
    task = next;
  }
  if (gone.empty()) return;
  lock.unlock();
  for (Task& task : gone) {
    task.borders.clear();
    task.generator.reset();
    task.session->let_go();
  }
  lock.lock();
  status_.sessions -= static_cast<int64_t>(gone.size());
  started_ -= std::count_if(gone.begin(), gone.end(), [](const Task& task) { return task.started; });
  lock.unlock();
  gone.clear();       // perhaps with its models
  doorbell_->ring();  // others may have waited for them to end
  lock.lock();
}

DeviceWorker::Task* DeviceWorker::choose(bool first_lane) {
  std::vector<Candidate> candidates;
  std::vector<Task*> tasks;
  for (Task& task : tasks_) {
    if (task.taken || !task.session->runnable() || (!task.started && started_ >= max_started_)) continue;
    // A large model's steps take all cores, so that two of them at once would only be in each other's way.
    if (!first_lane && !task.model->card().is_small) continue;
    // Who comes anew, or back from a rest, takes part from the present round on.
    task.next_round = std::max(task.next_round, round_);
    candidates.push_back({task.session->lead_seconds(), task.turns_waited, task.next_round});
    tasks.push_back(&task);
  }
  return tasks.empty() ? nullptr : tasks[next_candidate(candidates)];
}

void DeviceWorker::wait_for_work(Lock& lock, uint64_t rings, const std::stop_token& stop) {
  // A session that rests until its viewers have caught up rings no bell.
  std::optional<double> shortest;
  for (const Task& task : tasks_)
    if (const auto rest = task.taken ? std::nullopt : task.session->rests_for();
        rest && (!shortest || *rest < *shortest))
      shortest = rest;
  lock.unlock();
  {
    const auto rung = [&] { return doorbell_->rings != rings; };
    std::unique_lock waiting(doorbell_->mutex);
    if (shortest)
      doorbell_->rung.wait_for(
          waiting, stop, std::chrono::ceil<std::chrono::milliseconds>(std::chrono::duration<double>(*shortest)), rung);
    else
      doorbell_->rung.wait(waiting, stop, rung);
  }
  lock.lock();
}

/// A block of a session, or as much of it as the session allows.
void DeviceWorker::turn(Lock& lock, Task& task, const std::stop_token& stop) {
  for (Task& other : tasks_)
    if (&other != &task && !other.taken && other.session->runnable()) ++other.turns_waited;
  task.turns_waited = 0;
  round_ = std::max(round_, task.next_round++);
  task.taken = true;
  if (!std::exchange(task.started, true)) ++started_;
  const std::vector<Task*> together = take_together(task);
  lock.unlock();
  if (together.size() > 1) {
    prepare(together);
    lock.lock();
    for (Task* other : together) other->taken = other == &task;
    lock.unlock();
    doorbell_->ring();
  }
  while (step(task) && !task.generator->at_block_border() && task.session->runnable() && !stop.stop_requested()) {}
  lock.lock();
  task.taken = false;
  task.bytes = bytes_of(task);
  if (task.session->status().state == SessionState::waiting && std::exchange(task.started, false)) --started_;
  if (lane_count_ > 1) doorbell_->ring();  // another lane may be free for it, or wait to fork it
}

/// Takes the sessions whose next steps have the shape of this one's.
std::vector<DeviceWorker::Task*> DeviceWorker::take_together(Task& task) {
  std::vector<Task*> together{&task};
  if (tasks_.size() < 2) return together;
  // Only what takes speech is made in windows of equal shapes; a prompt stays with its session until its step.
  const auto look = [](Task& other) {
    if (!other.generator || other.session->format().speech_hz == 0 || !other.session->runnable()) return std::string();
    other.inbox.append(other.session->take_inbox());
    return other.generator->shape_of_step(other.inbox);
  };
  const std::string shape = look(task);
  if (shape.empty()) return together;
  for (Task& other : tasks_) {
    if (other.taken || other.model != task.model || together.size() == kMostTogether || look(other) != shape) continue;
    other.taken = true;
    together.push_back(&other);
  }
  return together;
}

/// One forward for all of them; each is stepped in its turn.
void DeviceWorker::prepare(const std::vector<Task*>& tasks) {
  std::vector<Waiting> waiting;
  for (Task* task : tasks) waiting.push_back({task->generator.get(), &task->inbox});
  const auto begin = std::chrono::steady_clock::now();
  try {
    tasks.front()->model->prepare(waiting);
  } catch (...) {
    log::warning("{} sessions in one forward pass: {}; the sessions continue one by one", tasks.size(),
                 current_failure().message);
  }
  const std::scoped_lock lock(mutex_);
  ++status_.shared_forwards;
  status_.busy += since(begin);
}

void DeviceWorker::count(const StepResult& result, std::chrono::microseconds elapsed) {
  const std::scoped_lock lock(mutex_);
  ++status_.steps;
  status_.busy += elapsed;
  for (const Event& event : result.events) {
    const auto* block = std::get_if<FrameBlock>(&event);
    if (!block) continue;
    ++status_.blocks;
    status_.video_frames += block->video_frames;
    status_.stages.text += block->times.text;
    status_.stages.denoise += block->times.denoise;
    status_.stages.decode += block->times.decode;
  }
}

bool DeviceWorker::step(Task& task) {
  const auto begin = std::chrono::steady_clock::now();
  try {
    Inbox inbox = std::exchange(task.inbox, {});
    inbox.append(task.session->take_inbox());
    if (!task.generator) {
      task.generator = task.model->start(task.session->take_plan());
      if (task.generator->at_block_border()) keep_border(task);
    }
    StepResult result = task.generator->step(inbox);
    const bool again = result.outcome == StepOutcome::again;
    // Counted before the session's viewers hear of it: who sees a session end finds it in the figures.
    count(result, since(begin));
    const auto blocks = std::count_if(result.events.begin(), result.events.end(),
                                      [](const Event& event) { return std::holds_alternative<FrameBlock>(event); });
    task.blocks += blocks;
    task.session->deliver(std::move(result), since(begin));
    if (again && task.generator->at_block_border() &&
        (task.borders.empty() || task.borders.back().blocks < task.blocks))
      keep_border(task);
    if (blocks > 0 && !std::exchange(task.has_block, true)) {
      const std::chrono::duration<double> first =
          task.session->status().first_block.value_or(std::chrono::microseconds{0});
      const std::scoped_lock lock(mutex_);
      status_.first_block.observe(first.count());
    }
    return again;
  } catch (...) {
    Failure failure = current_failure();
    log::error("session {}: {}", task.session->id().text(), failure.message);
    count({}, since(begin));
    task.borders.clear();
    task.generator.reset();  // before anybody hears of it: its memory is free then
    task.session->fail(std::move(failure));
    return false;
  }
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

int64_t DeviceWorker::bytes_of(const Task& task) {
  int64_t bytes = task.generator ? task.generator->bytes() : 0;
  for (const Border& border : task.borders) bytes += border.bytes;
  return bytes;
}

}  // namespace rushes::generation
