#include "rushes/generation/device_lane.h"

#include <algorithm>
#include <new>
#include <string>
#include <utility>

#include "rushes/base/log.h"

namespace rushes::generation {

std::size_t next_candidate(std::span<const Candidate> candidates) {
  const auto patience = 2 * static_cast<int64_t>(candidates.size());
  // Order of need: starving, without a first block, by lead (clipped); among equals the longest wait.
  const auto need = [&](const Candidate& c) {
    if (c.turns_waited > patience) return std::pair(-2.0, -c.turns_waited);
    if (!c.lead_seconds) return std::pair(-1.0, -c.turns_waited);
    return std::pair(std::clamp(*c.lead_seconds, 0.0, kEnoughLead), -c.turns_waited);
  };
  const auto least = std::min_element(candidates.begin(), candidates.end(),
                                      [&](const auto& a, const auto& b) { return need(a) < need(b); });
  return static_cast<std::size_t>(least - candidates.begin());
}

Failure current_failure() {
  try {
    throw;
  } catch (const Error& error) {
    return {error.code(), error.what()};
  } catch (const std::bad_alloc&) {
    return {ErrorCode::exhausted, "not enough memory for this session; ask for a smaller size or end other sessions"};
  } catch (const std::exception& error) {
    // libtorch reports a failed allocation as a general error (CPU) or one of its own types (CUDA). Neither may be
    // named here, since the server is built without it; the words are stable. Its backtrace is not for the client.
    std::string what = error.what();
    if (const auto end = what.find("\nException raised from"); end != std::string::npos) what.resize(end);
    const bool memory =
        what.find("out of memory") != std::string::npos || what.find("can't allocate memory") != std::string::npos;
    return {memory ? ErrorCode::exhausted : ErrorCode::internal, std::move(what)};
  } catch (...) {
    return {ErrorCode::internal, "unknown exception"};
  }
}

void DeviceLane::Doorbell::ring() {
  const std::scoped_lock lock(mutex);
  pending = true;
  rung.notify_all();
}

void WorkerStatus::add(const WorkerStatus& other) {
  sessions += other.sessions;
  steps += other.steps;
  blocks += other.blocks;
  video_frames += other.video_frames;
  shared_forwards += other.shared_forwards;
  generator_bytes += other.generator_bytes;
  busy += other.busy;
  stages.text += other.stages.text;
  stages.denoise += other.stages.denoise;
  stages.decode += other.stages.decode;
  first_block.sum_seconds += other.first_block.sum_seconds;
  for (std::size_t i = 0; i < first_block.counts.size(); ++i) first_block.counts[i] += other.first_block.counts[i];
}

DeviceLane::DeviceLane(std::shared_ptr<StartedSessions> started, std::function<void(const SessionId&)> ended)
    : started_(std::move(started)),
      ended_(std::move(ended)),
      thread_([this](std::stop_token stop) { run(std::move(stop)); }) {}

DeviceLane::~DeviceLane() {
  thread_.request_stop();
  thread_.join();
}

/// Whatever happens to the session from outside wakes the lane.
void DeviceLane::listen_to(Session& session) {
  const auto ring = [doorbell = doorbell_] { doorbell->ring(); };
  session.on_control(ring);
  session.stream().on_room(ring);
}

void DeviceLane::submit(std::shared_ptr<Session> session, std::shared_ptr<const Model> model) {
  listen_to(*session);
  {
    const std::scoped_lock lock(mutex_);
    submitted_.push_back({std::move(session), std::move(model), nullptr});
    ++status_.sessions;
  }
  doorbell_->ring();
}

void DeviceLane::fork(std::shared_ptr<Session> origin, std::shared_ptr<Session> branch, std::optional<int64_t> blocks) {
  listen_to(*branch);
  {
    const std::scoped_lock lock(mutex_);
    forks_.push_back({std::move(origin), std::move(branch), blocks});
    ++status_.sessions;
  }
  doorbell_->ring();
}

WorkerStatus DeviceLane::status() const {
  const std::scoped_lock lock(mutex_);
  return status_;
}

void DeviceLane::take_over_submitted() {
  const std::scoped_lock lock(mutex_);
  for (Task& task : submitted_) tasks_.push_back(std::move(task));
  submitted_.clear();
}

void DeviceLane::take_over_forks() {
  std::vector<Fork> forks;
  {
    const std::scoped_lock lock(mutex_);
    forks.swap(forks_);
  }
  for (const Fork& fork : forks) {
    if (fork.branch->over() || branch_off(fork)) continue;
    fork.branch->fail({ErrorCode::conflict, "session " + fork.origin->id().text() +
                                                " ended, or made too many blocks more, before it could be forked"});
    {
      const std::scoped_lock lock(mutex_);
      --status_.sessions;
    }
    ended_(fork.branch->id());
  }
}

bool DeviceLane::branch_off(const Fork& fork) {
  const auto origin =
      std::find_if(tasks_.begin(), tasks_.end(), [&](const Task& task) { return task.session == fork.origin; });
  if (origin == tasks_.end() || fork.origin->over()) return false;
  const Generator* from = nullptr;
  int64_t blocks = 0;
  const auto kept = std::find_if(origin->borders.begin(), origin->borders.end(),
                                 [&](const Border& border) { return border.blocks == fork.blocks; });
  if (kept != origin->borders.end()) {
    from = kept->generator.get();
    blocks = kept->blocks;
  } else {
    // Turns end at block borders, but for a session that was paused, or whose recorder is behind.
    while (!fork.blocks && origin->generator && !origin->generator->at_block_border())
      if (!step(*origin)) return false;
    if (fork.origin->over()) return false;
    from = origin->generator.get();
    blocks = origin->blocks;
    if (fork.blocks && (fork.blocks != blocks || (from && !from->at_block_border()))) return false;
  }
  try {
    // An origin without a generator has not begun: its copy begins by itself.
    tasks_.push_back({fork.branch, origin->model, from ? from->fork() : nullptr, blocks});
    if (from) ++started_->count;
    fork.branch->inherit(*fork.origin, blocks);
    if (from) keep_border(tasks_.back());
  } catch (...) {
    fork.branch->fail(current_failure());
    tasks_.push_back({fork.branch, origin->model, nullptr});  // counted off with all that have ended
  }
  return true;
}

void DeviceLane::keep_border(Task& task) {
  auto& borders = task.borders;
  if (!task.model->capabilities().forks) return task.session->keep_borders_from(task.blocks);  // none is kept
  auto copy = task.generator->fork();
  const int64_t bytes = copy->bytes();
  const int64_t most = std::min(kBorders, kBorderBytes / std::max<int64_t>(bytes, 1));
  while (!borders.empty() && static_cast<int64_t>(borders.size()) >= most) borders.pop_front();
  if (most > 0) borders.push_back({task.blocks, std::move(copy), bytes});
  task.session->keep_borders_from(borders.empty() ? task.blocks : borders.front().blocks);
}

DeviceLane::Task* DeviceLane::choose() {
  std::vector<Candidate> candidates;
  std::vector<Task*> tasks;
  for (Task& task : tasks_) {
    if (!task.session->runnable() || (!task.generator && started_->count >= started_->most)) continue;
    candidates.push_back({task.session->lead_seconds(), task.turns_waited});
    tasks.push_back(&task);
  }
  return tasks.empty() ? nullptr : tasks[next_candidate(candidates)];
}

void DeviceLane::run(std::stop_token stop) {
  while (!stop.stop_requested()) {
    {
      // Cleared before looking, so that whatever changes while we look rings again.
      const std::scoped_lock lock(doorbell_->mutex);
      doorbell_->pending = false;
    }
    take_over_submitted();
    take_over_forks();
    for (const Task& task : tasks_)
      if (!task.generator || task.generator->at_block_border()) task.session->end_at_border();
    const auto before = tasks_.size();
    std::vector<SessionId> gone;
    tasks_.remove_if([&](Task& task) {
      if (!task.session->over()) return false;
      end_generator(task);
      task.session->let_go();
      gone.push_back(task.session->id());
      return true;
    });
    int64_t bytes = 0;
    for (const Task& task : tasks_) {
      bytes += task.bytes;
      for (const Border& border : task.borders) bytes += border.bytes;
    }
    {
      const std::scoped_lock lock(mutex_);
      status_.sessions -= static_cast<int64_t>(before - tasks_.size());
      status_.generator_bytes = bytes;
    }
    for (const SessionId& id : gone) ended_(id);
    if (Task* task = choose()) {
      turn(*task, stop);
    } else {
      wait_for_work(stop);
    }
  }
  take_over_submitted();
  {
    const std::scoped_lock lock(mutex_);
    for (const Fork& fork : forks_) fork.branch->stop("the server is shutting down");
  }
  for (Task& task : tasks_) {
    task.session->stop("the server is shutting down");
    end_generator(task);
  }
  tasks_.clear();
}

void DeviceLane::end_generator(Task& task) {
  task.borders.clear();
  if (!task.generator) return;
  task.generator.reset();
  --started_->count;
}

void DeviceLane::wait_for_work(const std::stop_token& stop) {
  // A session that rests until its viewers have caught up rings no bell.
  std::optional<double> shortest;
  for (const Task& task : tasks_)
    if (const auto rest = task.session->rests_for(); rest && (!shortest || *rest < *shortest)) shortest = rest;
  const auto rung = [&] { return doorbell_->pending; };
  std::unique_lock lock(doorbell_->mutex);
  if (shortest)
    doorbell_->rung.wait_for(
        lock, stop, std::chrono::ceil<std::chrono::milliseconds>(std::chrono::duration<double>(*shortest)), rung);
  else
    doorbell_->rung.wait(lock, stop, rung);
}

/// Whose steps have the shape of this one's get their share of one forward, each before its turn.
void DeviceLane::prepare(Task& task) {
  // Only what takes speech is made in windows of equal shapes; a prompt stays with its session until its step.
  const auto look = [](Task& other) {
    if (!other.generator || other.session->format().speech_hz == 0 || !other.session->runnable()) return std::string();
    other.inbox.append(other.session->take_inbox());
    return other.generator->shape_of_step(other.inbox);
  };
  if (tasks_.size() < 2) return;
  const std::string shape = look(task);
  if (shape.empty()) return;
  std::vector<Waiting> together{{task.generator.get(), &task.inbox}};
  for (Task& other : tasks_)
    if (&other != &task && other.model == task.model && together.size() < kMostTogether && look(other) == shape)
      together.push_back({other.generator.get(), &other.inbox});
  if (together.size() < 2) return;
  const auto begin = std::chrono::steady_clock::now();
  try {
    task.model->prepare(together);
  } catch (...) {
    log::warning("{} sessions in one forward: {}; each goes on for itself", together.size(), current_failure().message);
  }
  const std::scoped_lock lock(mutex_);
  ++status_.shared_forwards;
  status_.busy += std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - begin);
}

void DeviceLane::turn(Task& task, std::stop_token stop) {
  for (Task& other : tasks_)
    if (&other != &task && other.session->runnable()) ++other.turns_waited;
  task.turns_waited = 0;
  prepare(task);
  while (step(task) && !task.generator->at_block_border() && task.session->runnable() && !stop.stop_requested()) {}
}

void DeviceLane::count(const StepResult& result, std::chrono::microseconds elapsed) {
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

bool DeviceLane::step(Task& task) {
  const auto begin = std::chrono::steady_clock::now();
  const auto elapsed = [&] {
    return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - begin);
  };
  try {
    Inbox inbox = std::exchange(task.inbox, {});
    inbox.append(task.session->take_inbox());
    if (!task.generator) {
      task.generator = task.model->start(task.session->take_plan());
      ++started_->count;
      if (task.generator->at_block_border()) keep_border(task);
    }
    StepResult result = task.generator->step(inbox);
    const bool again = result.outcome == StepOutcome::again;
    task.bytes = task.generator->bytes();
    // Counted before the session's viewers hear of it: who sees a session end finds it in the figures.
    count(result, elapsed());
    const auto blocks = std::count_if(result.events.begin(), result.events.end(),
                                      [](const Event& event) { return std::holds_alternative<FrameBlock>(event); });
    task.blocks += blocks;
    task.session->deliver(std::move(result), elapsed());
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
    count({}, elapsed());
    end_generator(task);
    task.session->fail(std::move(failure));
    return false;
  }
}

}  // namespace rushes::generation
