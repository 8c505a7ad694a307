// What logs and figures say of a session: its first step, its first frame, its end.
#include <fmt/format.h>

#include <algorithm>

#include "rushes/base/log_format.h"
#include "rushes/generation/device_worker.h"

namespace rushes::generation {

using Seconds = std::chrono::duration<double>;

void DeviceWorker::tell_start(Task& task) {
  const Seconds waited = task.session->status().first_step.value_or(std::chrono::microseconds{0});
  const std::scoped_lock lock(mutex_);
  status_.queue_wait.observe(waited.count());
}

void DeviceWorker::tell_first_block(Task& task) {
  const SessionStatus status = task.session->status();
  const Seconds first = status.first_block.value_or(std::chrono::microseconds{0}),
                waited = status.first_step.value_or(std::chrono::microseconds{0});
  {
    const std::scoped_lock lock(mutex_);
    status_.first_block.observe(first.count());
  }
  const std::string& id = task.session->id().text();
  log::write(log::Level::info,
             fmt::format("session {}: first frame after {:.3f} s, {:.3f} s of them in the queue", id, first.count(),
                         waited.count()),
             {{"session", id}, {"event", "first_frame"}, {"seconds", first.count()}, {"queue_s", waited.count()}});
}

/// Once for each session, however it has ended.
void DeviceWorker::tell_end(const Session& session) {
  const SessionStatus status = session.status();
  const EndReason reason = status.end_reason.value_or(EndReason::failed);
  {
    const std::scoped_lock lock(mutex_);
    ++status_.ended[reason];
  }
  const std::string& id = session.id().text();
  const double seconds = Seconds(status.end.value_or(status.age)).count();
  const double fps = status.fps > 0 ? status.fps : static_cast<double>(status.video_frames) / std::max(seconds, 1e-6);
  const std::string why = status.failure ? status.failure->message : status.reason;
  log::write(log::Level::info,
             fmt::format("session {}: ended, {}{}: {} frames in {:.2f} s, {:.1f} fps", id, name(reason),
                         why.empty() ? "" : " (" + why + ")", status.video_frames, seconds, fps),
             {{"session", id},
              {"event", "ended"},
              {"reason", name(reason)},
              {"detail", why},
              {"video_frames", status.video_frames},
              {"seconds", seconds},
              {"fps", fps}});
}

}  // namespace rushes::generation
