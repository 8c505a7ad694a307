#include "rushes/generation/next_candidate.h"

#include <algorithm>
#include <tuple>

namespace rushes::generation {

std::size_t next_candidate(std::span<const Candidate> candidates) {
  const auto patience = 2 * static_cast<int64_t>(candidates.size());
  // Order of need: starving, without a first block, by lead (clipped); among equals the earlier round, then the longest
  // wait.
  const auto need = [&](const Candidate& c) {
    if (c.turns_waited > patience) return std::tuple(-2.0, c.round, -c.turns_waited);
    if (!c.lead_seconds) return std::tuple(-1.0, c.round, -c.turns_waited);
    return std::tuple(std::clamp(*c.lead_seconds, 0.0, kEnoughLead), c.round, -c.turns_waited);
  };
  const auto least = std::min_element(candidates.begin(), candidates.end(),
                                      [&](const auto& a, const auto& b) { return need(a) < need(b); });
  return static_cast<std::size_t>(least - candidates.begin());
}

}  // namespace rushes::generation
