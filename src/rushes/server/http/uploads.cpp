#include "rushes/server/http/uploads.h"

#include <algorithm>

namespace rushes::server {

bool Uploads::Upload::grow(int64_t bytes, Clock::time_point now) {
  if (bytes >= progress_bytes_ + kProgressBytes) {
    progress_bytes_ = bytes;
    progress_ = now;
  }
  const int64_t charged = std::max<int64_t>(0, bytes - kFreeBytes);
  while (!charge_.resize(charged))
    if (!all_.make_room(*this, now)) {
      charge_.resize(0);
      return false;
    }
  return true;
}

void Uploads::Upload::complete() {
  if (place_) all_.coming_.erase(*place_);
  place_.reset();
}

/// Ends the body that has waited for the longest time. False: all others make progress.
bool Uploads::make_room(const Upload& for_whom, Clock::time_point now) {
  const auto takes_room = [&](const Upload* each) { return each != &for_whom && each->charge_.bytes() > 0; };
  Upload* slowest = nullptr;
  for (Upload* each : coming_)
    if (takes_room(each) && (!slowest || each->progress_ < slowest->progress_)) slowest = each;
  if (!slowest || now - slowest->progress_ < kPatience) return false;
  slowest->charge_.resize(0);  // its memory is free as soon as its reader has heard of it
  slowest->interrupted_ = true;
  ++interrupted_;
  slowest->complete();
  slowest->interrupt_();
  return true;
}

}  // namespace rushes::server
