// Which session is stepped next: a plain function.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace rushes::generation {

/// A session that could be stepped now.
struct Candidate {
  std::optional<double> lead_seconds;  // Session::lead_seconds()
  int64_t turns_waited = 0;            // blocks of others since its own last one
  int64_t round = 0;                   // of its next turn: one more than that of its last one, or the present round
};

/// Index of the candidate whose viewers need the next block most: first whoever has none yet, then the least ahead. All
/// that are kEnoughLead ahead count alike, so that among them the turns of a round come before those of the next one,
/// and within a round the longest waiting is next. Whoever has waited for two rounds is next in any case: nobody
/// starves. `candidates` must not be empty.
std::size_t next_candidate(std::span<const Candidate> candidates);
inline constexpr double kEnoughLead = 2.0;  // seconds of video: more than a step that runs could take away

}  // namespace rushes::generation
