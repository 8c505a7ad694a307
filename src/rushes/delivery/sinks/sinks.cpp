#include "rushes/delivery/sinks/sinks.h"

#include <algorithm>

#include "rushes/base/error.h"

namespace rushes::delivery {

std::shared_ptr<HlsStream> Sinks::hls(const HlsOptions& options) {
  const std::scoped_lock lock(mutex_);
  for (const auto& [known, stream] : hls_)
    if (known == options) return stream;
  return hls_.emplace_back(options, std::make_shared<HlsStream>(video_, options)).second;
}

std::shared_ptr<JpegStream> Sinks::jpeg() {
  const std::scoped_lock lock(mutex_);
  if (!jpeg_) jpeg_ = std::make_shared<JpegStream>(video_->session());
  return jpeg_;
}

std::shared_ptr<Whep> Sinks::whep() {
  const std::scoped_lock lock(mutex_);
  if (!whep_) whep_ = std::make_shared<Whep>(video_);
  return whep_;
}

std::size_t Sinks::peers() const {
  const std::scoped_lock lock(mutex_);
  return whep_ ? whep_->peers() : 0;
}

Sinks::Pushes::value_type Sinks::push(media::RtmpUrl url, RtmpOptions options) {
  const std::scoped_lock lock(mutex_);
  const auto running =
      std::count_if(pushes_.begin(), pushes_.end(), [](const auto& entry) { return !entry.second->over(); });
  require(running < static_cast<int64_t>(kMaxPushes), ErrorCode::exhausted,
          "{} RTMP pushes of this session are running, which is the limit; stop one first", running);
  while (pushes_.size() >= kMaxKeptPushes)
    pushes_.erase(std::find_if(pushes_.begin(), pushes_.end(), [](const auto& entry) { return entry.second->over(); }));
  return *pushes_.emplace(next_push_++, std::make_shared<RtmpPush>(video_, std::move(url), options)).first;
}

Sinks::Pushes Sinks::pushes() const {
  const std::scoped_lock lock(mutex_);
  return pushes_;
}

std::shared_ptr<RtmpPush> Sinks::find_push(int64_t number) const {
  const std::scoped_lock lock(mutex_);
  const auto found = pushes_.find(number);
  require(found != pushes_.end(), ErrorCode::not_found, "this session has no RTMP push {}", number);
  return found->second;
}

void Sinks::stop() {
  const std::scoped_lock lock(mutex_);
  for (const auto& [number, push] : pushes_) push->stop();
  if (whep_) whep_->stop();
}

void Sinks::forget_caches() {
  const std::scoped_lock lock(mutex_);
  hls_.clear();
  jpeg_.reset();
}

bool Sinks::idle() const {
  const std::scoped_lock lock(mutex_);
  return (!whep_ || whep_->idle()) &&
         std::all_of(pushes_.begin(), pushes_.end(), [](const auto& entry) { return entry.second->over(); });
}

}  // namespace rushes::delivery
