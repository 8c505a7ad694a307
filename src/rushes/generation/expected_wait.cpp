#include "rushes/generation/expected_wait.h"

#include <functional>
#include <queue>

namespace rushes::generation {

std::vector<std::optional<double>> expected_waits(std::span<const double> running, std::span<const double> queued) {
  std::priority_queue<double, std::vector<double>, std::greater<>> ends(running.begin(), running.end());
  std::vector<std::optional<double>> waits;
  for (const double needed : queued) {
    const double begin = ends.empty() ? kUnknownTime : ends.top();
    waits.push_back(begin < kUnknownTime ? std::optional(begin) : std::nullopt);
    if (ends.empty()) continue;
    ends.pop();
    ends.push(begin + needed);
  }
  return waits;
}

}  // namespace rushes::generation
