#include "rushes/delivery/sinks/rtmp_push.h"

#include <algorithm>
#include <utility>

#include "rushes/base/error.h"
#include "rushes/base/log.h"
#include "rushes/generation/device_worker.h"

namespace rushes::delivery {

std::string_view name(RtmpState state) noexcept {
  switch (state) {
    case RtmpState::connecting: return "connecting";
    case RtmpState::live: return "live";
    case RtmpState::waiting: return "waiting";
    case RtmpState::finished: return "finished";
    case RtmpState::stopped: return "stopped";
    case RtmpState::failed: return "failed";
  }
  return "failed";
}

RtmpPush::RtmpPush(std::shared_ptr<EncodedStream> video, media::RtmpUrl url, RtmpOptions options)
    : video_(std::move(video)), url_(std::move(url)), options_(options) {
  require(video_->track().codec == media::Codec::h264, ErrorCode::unsupported,
          "RTMP needs H.264, and no H.264 encoder is installed");
  thread_ = std::jthread([this](std::stop_token stop) { run(std::move(stop)); });
}

RtmpPush::~RtmpPush() { stop(); }

void RtmpPush::stop() { thread_.request_stop(); }

RtmpPush::Status RtmpPush::status() const {
  const std::scoped_lock lock(mutex_);
  return status_;
}

bool RtmpPush::over() const {
  const RtmpState state = status().state;
  return state == RtmpState::finished || state == RtmpState::stopped || state == RtmpState::failed;
}

void RtmpPush::become(RtmpState state, std::string error) {
  if (!error.empty()) log::warning("session {}: {}", video_->session()->id().text(), error);
  const std::scoped_lock lock(mutex_);
  status_.state = state;
  if (!error.empty()) status_.error = std::move(error);
}

void RtmpPush::run(std::stop_token stop) {
  const auto viewer = video_->watch(options_.from);
  auto pause = options_.first_retry;
  int attempts_after_end = 0;
  while (!stop.stop_requested()) {
    const int64_t frames_before = status().video_frames;
    become(RtmpState::connecting);
    try {
      if (publish(*viewer, stop)) return become(RtmpState::finished);
      break;
    } catch (...) {
      const generation::Failure failure = generation::current_failure();
      if (stop.stop_requested()) break;
      if (failure.code != ErrorCode::unavailable) return become(RtmpState::failed, failure.message);
      if (video_->status().ended && ++attempts_after_end >= options_.attempts_after_end)
        return become(RtmpState::failed, failure.message + "; no further attempts, since the video has ended");
      become(RtmpState::waiting, failure.message);
    }
    if (status().video_frames > frames_before) pause = options_.first_retry;
    reconnected_ = true;
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, stop, pause, [] { return false; });
    pause = std::min(2 * pause, options_.longest_retry);
  }
  become(RtmpState::stopped);
}

bool RtmpPush::publish(Viewer& viewer, std::stop_token stop) {
  media::LiveInterleaver units(video_->audio_track(), options_.silence);
  media::FlvPublisher publisher(video_->track(), units.audio_track(), url_,
                                {.timeout = options_.timeout, .cancelled = [&] { return stop.stop_requested(); }});
  become(RtmpState::live);
  {
    const std::scoped_lock lock(mutex_);
    ++status_.connections;
  }
  while (!stop.stop_requested()) {
    if (!unsent_) unsent_ = viewer.next(stop);
    if (!unsent_) {
      units.end();
      if (stop.stop_requested() || !send(publisher, units, stop)) break;
      publisher.finish();
      return true;
    }
    if (reconnected_ && missed(*unsent_)) {
      unsent_.reset();
      const std::scoped_lock lock(mutex_);
      ++status_.skipped_blocks;
      continue;
    }
    reconnected_ = false;
    units.add_block(unsent_->begin, unsent_->end(), unsent_->audio);
    for (const media::AccessUnit& picture : unsent_->pictures) units.add_picture(picture);
    if (!send(publisher, units, stop)) return false;
    unsent_.reset();
  }
  return false;
}

/// While there was no connection a live programme went on; only the newest block, after which nothing is there to be
/// shown, is sent in any case.
bool RtmpPush::missed(const Gop& gop) const {
  if (options_.pacing == RtmpOptions::Pacing::asap || !start_) return false;
  const bool newest = gop.index + 1 >= video_->status().gops;
  return !newest && *start_ + std::chrono::duration_cast<Clock::duration>(gop.end()) < Clock::now();
}

bool RtmpPush::send(media::FlvPublisher& publisher, media::LiveInterleaver& units, std::stop_token stop) {
  while (const auto next = units.next()) {
    if (options_.pacing == RtmpOptions::Pacing::realtime && !wait_until_due(next->unit.pts, stop)) return false;
    publisher.write(*next);
    const std::scoped_lock lock(mutex_);
    status_.video_frames += next->is_audio ? 0 : 1;
    status_.bytes += static_cast<int64_t>(next->unit.bytes->size());
  }
  return true;
}

bool RtmpPush::wait_until_due(media::Pts pts, std::stop_token stop) {
  const Clock::time_point now = Clock::now();
  const auto time = std::chrono::duration_cast<Clock::duration>(pts);
  if (!start_ || *start_ + time < now) start_ = now - time;  // late: from here on the others count from now
  std::unique_lock lock(mutex_);
  changed_.wait_until(lock, stop, *start_ + time, [] { return false; });
  return !stop.stop_requested();
}

}  // namespace rushes::delivery
