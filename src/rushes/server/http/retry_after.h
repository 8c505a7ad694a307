// When a client that is refused should ask again.
#pragma once
#include <algorithm>
#include <cmath>
#include <optional>
#include <string>

#include "rushes/base/error.h"

namespace rushes::server {

/// Error(exhausted) at a limit of which it may be known when there is room again.
class Busy : public Error {
 public:
  /// `wait_s`: seconds until there is room; nothing: nobody knows.
  Busy(const std::string& message, std::optional<double> wait_s)
      : Error(ErrorCode::exhausted, message), wait_s_(wait_s) {}
  std::optional<double> wait_s() const noexcept { return wait_s_; }

 private:
  std::optional<double> wait_s_;
};

/// Seconds for Retry-After: the expected wait, in whole seconds. Never so long that who asks again misses much.
inline constexpr int64_t kUsualRetryAfter = 5, kLeastRetryAfter = 1, kMostRetryAfter = 60;
inline int64_t retry_after(const Error& error) {
  const auto* busy = dynamic_cast<const Busy*>(&error);
  if (!busy || !busy->wait_s()) return kUsualRetryAfter;
  return static_cast<int64_t>(std::clamp<double>(std::ceil(*busy->wait_s()), kLeastRetryAfter, kMostRetryAfter));
}

}  // namespace rushes::server
