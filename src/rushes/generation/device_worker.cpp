#include "rushes/generation/device_worker.h"

#include <algorithm>
#include <utility>

#include "rushes/base/interruption.h"
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

DeviceWorker::DeviceWorker(const Options& options)
    : max_started_(options.max_started),
      max_working_bytes_(options.max_working_bytes),
      lane_count_(std::max<int64_t>(1, options.lanes)),
      long_turn_(options.long_turn) {
  const Lock lock(mutex_);
  for (int64_t i = 0; i < lane_count_; ++i) open_lane(/*takes_large=*/i == 0);
}

DeviceWorker::~DeviceWorker() {
  stop_.request_stop();
  std::list<Lane> lanes;
  {
    const Lock lock(mutex_);
    lanes.swap(lanes_);
  }
  lanes.clear();
  std::vector<Session*> left;
  for (const Fork& fork : forks_) left.push_back(fork.branch.get());
  for (const Task& task : tasks_) left.push_back(task.session.get());
  for (Session* session : left) {
    session->stop(kShuttingDown, EndReason::shutdown);
    tell_end(*session);
  }
}

void DeviceWorker::open_lane(bool takes_large) {
  Lane& lane = lanes_.emplace_back(Lane{.takes_large = takes_large});  // nodes stay where they are
  try {
    lane.thread = std::jthread([this, &lane] { run(lane); });
  } catch (...) {
    lanes_.pop_back();
    throw;
  }
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
    const int64_t bytes = session->working_bytes();
    tasks_.push_back({.session = std::move(session), .model = std::move(model), .working_bytes = bytes});
    ++status_.sessions;
    tell_places();
  }
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

void DeviceWorker::run(Lane& lane) {
  Lock lock(mutex_);
  while (!stop_.stop_requested() && !lane.in_background) {
    const uint64_t rings = doorbell_->count();  // asked before looking, so that whatever changes meanwhile rings again
    try {
      branch_off(lock);
      for (const Task& task : tasks_)
        if (!task.taken && (!task.generator || task.generator->at_block_border())) task.session->end_at_border();
      let_go(lock);
      close_lanes(lock);
      tell_places();
      if (Task* task = choose(lane.takes_large))
        turn(lock, *task, lane);
      else
        wait_for_work(lock, rings);
    } catch (...) {  // not in a step, whose failures are its session's: the lane goes on, and so do its sessions
      const std::string reason = current_failure().message;
      if (!lock.owns_lock()) lock.lock();
      for (Task& task : tasks_)
        if (std::exchange(task.lane, task.lane == &lane ? nullptr : task.lane) == &lane) task.taken = false;
      log::error("between steps: {}; tried again in a second", reason);
      wait(lock, doorbell_->count(), 1.0);
    }
  }
  background_ -= lane.background_weight;
  lane.over = true;
  doorbell_->ring();
}

/// Those that went to the background and have come to their end there.
void DeviceWorker::close_lanes(Lock& lock) {
  std::list<Lane> over;
  for (auto lane = lanes_.begin(); lane != lanes_.end();) {
    const auto next = std::next(lane);
    if (lane->over) over.splice(over.end(), lanes_, lane);
    lane = next;
  }
  if (over.empty()) return;
  lock.unlock();
  over.clear();
  lock.lock();
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
    tell_end(*task.session);
    task.borders.clear();
    task.generator.reset();
    task.session->let_go();
    if (std::max(task.bytes, task.working_bytes) > kMuchMemory) task.model->give_back_memory();
  }
  lock.lock();
  status_.sessions -= static_cast<int64_t>(gone.size());
  placed_ -= std::count_if(gone.begin(), gone.end(), [](const Task& task) { return task.placed; });
  lock.unlock();
  gone.clear();       // perhaps with its models
  doorbell_->ring();  // others may have waited for them to end
  lock.lock();
}

DeviceWorker::Task* DeviceWorker::choose(bool takes_large) {
  std::vector<Candidate> candidates;
  std::vector<Task*> tasks;
  for (Task& task : tasks_) {
    if (task.taken || !task.placed || !task.session->runnable()) continue;
    // A large model's steps take all cores, so that two of them at once would only be in each other's way.
    if (!takes_large && !task.model->card().is_small) continue;
    // Who comes anew, or back from a rest, takes part from the present round on.
    task.next_round = std::max(task.next_round, round_);
    candidates.push_back({task.session->lead_seconds(), task.turns_waited, task.next_round});
    tasks.push_back(&task);
  }
  return tasks.empty() ? nullptr : tasks[next_candidate(candidates)];
}

/// Until the bell has been rung more than `rings` times, so many seconds have gone, or the worker ends.
void DeviceWorker::wait(Lock& lock, uint64_t rings, std::optional<double> seconds) {
  lock.unlock();
  {
    const auto rung = [&] { return doorbell_->rings != rings; };
    std::unique_lock waiting(doorbell_->mutex);
    if (seconds)
      doorbell_->rung.wait_for(waiting, stop_.get_token(),
                               std::chrono::ceil<std::chrono::milliseconds>(std::chrono::duration<double>(*seconds)),
                               rung);
    else
      doorbell_->rung.wait(waiting, stop_.get_token(), rung);
  }
  lock.lock();
}

void DeviceWorker::wait_for_work(Lock& lock, uint64_t rings) {
  // A session that rests until its viewers have caught up rings no bell.
  std::optional<double> shortest;
  for (const Task& task : tasks_)
    if (const auto rest = task.taken || !task.placed ? std::nullopt : task.session->rests_for();
        rest && (!shortest || *rest < *shortest))
      shortest = rest;
  wait(lock, rings, shortest);
}

/// A block of a session, or as much of it as the session allows.
void DeviceWorker::turn(Lock& lock, Task& task, Lane& lane) {
  for (Task& other : tasks_)
    if (&other != &task && !other.taken && other.session->runnable()) ++other.turns_waited;
  task.turns_waited = 0;
  round_ = std::max(round_, task.next_round++);
  task.taken = true;
  task.lane = &lane;
  const std::vector<Task*> together = take_together(task);
  lock.unlock();
  task.turn_begin = std::chrono::steady_clock::now();
  if (together.size() > 1) {
    prepare(together);
    lock.lock();
    for (Task* other : together) other->taken = other == &task;
    lock.unlock();
    doorbell_->ring();
  }
  while (step(task) && !task.generator->at_block_border() && task.session->runnable() && !stop_.stop_requested()) {}
  lock.lock();
  task.lane = nullptr;
  task.last_turn = std::chrono::duration_cast<std::chrono::milliseconds>(since(task.turn_begin));
  task.taken = false;
  task.bytes = std::max(bytes_of(task), task.session->over() ? task.bytes : 0);
  if (lane_count_ > 1 || lane.in_background) doorbell_->ring();  // another lane may be free for it, or wait to fork it
}

/// Takes the sessions whose next steps have the shape of this one's.
std::vector<DeviceWorker::Task*> DeviceWorker::take_together(Task& task) {
  std::vector<Task*> together{&task};
  together.reserve(kMostTogether);
  if (tasks_.size() < 2) return together;
  // Only what takes speech is made in windows of equal shapes; a prompt stays with its session until its step.
  const auto look = [](Task& other) {
    if (!other.generator || other.session->format().speech_hz == 0 || !other.session->runnable()) return std::string();
    try {
      other.inbox.append(other.session->take_inbox());
      return other.generator->shape_of_step(other.inbox);
    } catch (...) {  // its own step will tell
      return std::string();
    }
  };
  const std::string shape = look(task);
  if (shape.empty()) return together;
  for (Task& other : tasks_) {
    if (other.taken || !other.placed || other.model != task.model || together.size() == kMostTogether ||
        look(other) != shape)
      continue;
    other.taken = true;
    together.push_back(&other);
  }
  return together;
}

/// One forward for all of them; each is stepped in its turn.
void DeviceWorker::prepare(const std::vector<Task*>& tasks) {
  const auto begin = std::chrono::steady_clock::now();
  try {
    std::vector<Waiting> waiting;
    for (Task* task : tasks) waiting.push_back({task->generator.get(), &task->inbox});
    const base::Interruptible interruptible([&] {
      const auto over = [](const Task* task) { return task->session->over(); };
      if (stop_.stop_requested() || std::all_of(tasks.begin(), tasks.end(), over)) throw base::Interrupted();
    });
    tasks.front()->model->prepare(waiting);
  } catch (const base::Interrupted&) {
  } catch (...) {
    log::warning("{} sessions in one forward pass: {}; the sessions continue one by one", tasks.size(),
                 current_failure().message);
  }
  const std::scoped_lock lock(mutex_);
  ++status_.shared_forwards;
  status_.busy += since(begin);
}

void DeviceWorker::count(const StepResult& result, std::chrono::microseconds elapsed, Blocks kind) {
  const std::scoped_lock lock(mutex_);
  ++status_.steps;
  status_.busy += elapsed;
  for (const Event& event : result.events) {
    const auto* block = std::get_if<FrameBlock>(&event);
    if (!block) continue;
    pixels_ += static_cast<double>(block->video_frames * block->height * block->width);
    if (kind == Blocks::replayed) {
      ++status_.replayed_blocks;
      continue;
    }
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
    const base::Interruptible interruptible([&] { look_up(task); });
    Inbox inbox = std::exchange(task.inbox, {});
    inbox.append(task.session->take_inbox());
    if (!std::exchange(task.has_step, true)) tell_start(task);
    if (!task.generator) {
      task.generator = task.model->start(task.session->take_plan());
      if (task.generator->at_block_border()) keep_border(task);
    }
    const Blocks kind = task.session->replays() ? Blocks::replayed : Blocks::made;
    StepResult result = task.generator->step(inbox);
    const bool again = result.outcome == StepOutcome::again;
    // Counted before the session's viewers hear of it: who sees a session end finds it in the figures.
    count(result, since(begin), kind);
    const auto blocks = std::count_if(result.events.begin(), result.events.end(),
                                      [](const Event& event) { return std::holds_alternative<FrameBlock>(event); });
    task.blocks += blocks;
    for (const Event& event : result.events)
      if (const auto* failed = std::get_if<TrackFailed>(&event))
        log::error("session {}: {}: {}; the rest goes on", task.session->id().text(), name(failed->track),
                   failed->message);
    task.session->deliver(std::move(result), since(begin));
    if (again && task.generator->at_block_border() &&
        (task.borders.empty() || task.borders.back().blocks < task.blocks))
      keep_border(task);
    if (blocks > 0 && kind == Blocks::made && !std::exchange(task.has_block, true)) tell_first_block(task);
    return again;
  } catch (...) {
    {
      const int64_t bytes = bytes_of(task);
      const std::scoped_lock lock(mutex_);
      task.bytes = bytes;
    }
    if (stop_.stop_requested()) task.session->stop(kShuttingDown, EndReason::shutdown);
    if (task.session->over()) {  // interrupted; its borders serve forks that are still to be made
      count({}, since(begin));
      task.generator.reset();
      return false;
    }
    Failure failure = current_failure();
    log::error("session {}: {}", task.session->id().text(), failure.message);
    count({}, since(begin));
    task.borders.clear();
    task.generator.reset();  // before anybody hears of it: its memory is free then
    task.session->fail(std::move(failure));
    return false;
  }
}

int64_t DeviceWorker::bytes_of(const Task& task) {
  int64_t bytes = task.generator ? task.generator->bytes() : 0;
  for (const Border& border : task.borders) bytes += border.bytes;
  return bytes;
}

}  // namespace rushes::generation
