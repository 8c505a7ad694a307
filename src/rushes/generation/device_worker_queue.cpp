// Who may run: places among the sessions, the queue for them, and turns that give way to shorter ones.
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <system_error>

#include "rushes/base/interruption.h"
#include "rushes/generation/device_worker.h"
#include "rushes/generation/expected_wait.h"

namespace rushes::generation {
namespace {

/// A thread of Linux has a priority of its own; it can be lowered only, so the thread ends with its turn. Weighs a
/// tenth of what others weigh. Where it cannot be lowered it stays.
constexpr int kBackgroundNiceness = 10;
void lower_priority() { setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), kBackgroundNiceness); }

}  // namespace

// ---- places ---------------------------------------------------------------------------------------------------------

/// Who has work and no place, in the order of their coming.
std::vector<DeviceWorker::Task*> DeviceWorker::queue() {
  std::vector<Task*> queue;
  for (Task& task : tasks_) {
    if (task.placed || !task.session->wants_place()) continue;
    if (!task.ticket) task.ticket = next_ticket_++;
    queue.push_back(&task);
  }
  std::sort(queue.begin(), queue.end(), [](const Task* a, const Task* b) { return *a->ticket < *b->ticket; });
  return queue;
}

void DeviceWorker::grant_places() {
  bool waits_for_memory = false;
  for (Task* task : queue()) {
    if (needs_much(*task) && (waits_for_memory || !has_memory_for(*task))) {
      waits_for_memory = true;  // and those behind it that need much, too: it would wait for ever
      continue;
    }
    if (placed_ >= max_started_ && !free_a_place()) return;
    ++placed_;
    task->placed = true;
    task->ticket.reset();
    task->session->tell(std::nullopt);
  }
}

/// Beside those that have a place; those that rest hold what they have.
bool DeviceWorker::has_memory_for(const Task& task) const {
  int64_t left = max_working_bytes_;
  bool is_alone = true;
  for (const Task& other : tasks_) {
    left -= other.placed ? std::max(other.working_bytes, other.bytes) : other.bytes;
    if (other.placed && needs_much(other)) is_alone = false;
  }
  return is_alone || task.working_bytes <= left;
}

/// Takes the place of one that is paused or waits for input; false: there is none.
bool DeviceWorker::free_a_place() {
  const auto rests = [](const Task& task) { return task.placed && !task.taken && task.session->give_up_place(); };
  const auto found = std::find_if(tasks_.begin(), tasks_.end(), rests);
  if (found == tasks_.end()) return false;
  found->placed = false;
  --placed_;
  return true;
}

/// Gives places, and tells those in the queue where they stand.
void DeviceWorker::tell_places() {
  grant_places();
  const std::vector<Task*> waiting = queue();
  if (waiting.empty()) return;
  const std::vector<std::optional<double>> waits = waits_of(waiting);
  for (std::size_t i = 0; i < waiting.size(); ++i)
    waiting[i]->session->tell(QueuePlace{.position = static_cast<int64_t>(i) + 1, .wait_s = waits[i]});
}

std::vector<std::optional<double>> DeviceWorker::waits_of(const std::vector<Task*>& queue) const {
  std::vector<double> running, needed;
  for (const Task& task : tasks_)
    if (task.placed) running.push_back(seconds_left(*task.session));
  for (const Task* task : queue) needed.push_back(seconds_left(*task->session));
  return expected_waits(running, needed);
}

std::optional<double> DeviceWorker::seconds_to_next_end() const {
  const std::scoped_lock lock(mutex_);
  double least = kUnknownTime;
  for (const Task& task : tasks_) {
    const SessionState state = task.session->status().state;
    const bool rests = state == SessionState::paused || state == SessionState::waiting;
    if (task.placed && !rests) least = std::min(least, seconds_left(*task.session));
  }
  return least == kUnknownTime ? std::nullopt : std::optional(least);
}

/// At the session's own pace, or what is known of the device's.
double DeviceWorker::seconds_left(const Session& session) const {
  const VideoFormat& format = session.format();
  const SessionStatus status = session.status();
  if (ended(status.state)) return 0;
  if (!format.video_frames) return kUnknownTime;
  const auto left = static_cast<double>(*format.video_frames - status.video_frames);
  if (status.fps > 0) return left / status.fps;
  if (pixels_ <= 0) return kUnknownTime;
  const double per_pixel = std::chrono::duration<double>(status_.busy).count() / pixels_;
  const double sharing = std::max(1.0, static_cast<double>(placed_) / static_cast<double>(lane_count_));
  return left * static_cast<double>(format.height * format.width) * per_pixel * sharing;
}

// ---- giving way -----------------------------------------------------------------------------------------------------

/// At the interruption points of a step.
void DeviceWorker::look_up(Task& task) {
  if (stop_.stop_requested() || task.session->over()) throw base::Interrupted();
  if (task.lane && !task.lane->in_background) give_way(task);
}

/// If the turn is a long one, and short ones may be waiting: goes to the background, and waits there until there is
/// room among the long ones.
void DeviceWorker::give_way(Task& task) {
  const auto elapsed = std::chrono::steady_clock::now() - task.turn_begin;
  if (elapsed < long_turn_ && task.last_turn < long_turn_) return;
  Lock lock(mutex_);
  const auto is_short = [&](const Task& other) {
    return !other.taken && other.placed && other.last_turn < long_turn_ && other.session->runnable();
  };
  if (stop_.stop_requested() || std::none_of(tasks_.begin(), tasks_.end(), is_short)) return;
  Lane& lane = *task.lane;
  try {
    open_lane(lane.takes_large);
  } catch (const std::system_error&) {
    return;  // no thread can be had: the turn goes on where it is
  }
  lane.in_background = true;
  const bool is_small = task.model->card().is_small;
  const int64_t weight = is_small ? 1 : lane_count_;
  for (;;) {
    const uint64_t rings = doorbell_->count();
    if (stop_.stop_requested() || task.session->over()) throw base::Interrupted();
    if (background_ + weight <= lane_count_) break;
    wait(lock, rings);
  }
  background_ += lane.background_weight = weight;
  // The threads that a large model's loops have already are not this one's to lower.
  if (is_small) lower_priority();
}

}  // namespace rushes::generation
