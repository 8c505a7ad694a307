// How long those in a queue will wait: a plain function.
#pragma once
#include <limits>
#include <optional>
#include <span>
#include <vector>

namespace rushes::generation {

/// Of work that has no end, or whose pace nobody knows yet.
inline constexpr double kUnknownTime = std::numeric_limits<double>::infinity();

/// `running`: seconds until each of those ends that have a place; `queued`: seconds that each of those needs who wait,
/// in their order. Returns after how many seconds each of them gets a place; nothing where that is unknown.
std::vector<std::optional<double>> expected_waits(std::span<const double> running, std::span<const double> queued);

}  // namespace rushes::generation
