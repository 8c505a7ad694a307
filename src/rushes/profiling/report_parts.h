// Parts of the report, and the sums that they are made of. Included by sources of the report only.
#pragma once
#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>
#include <string_view>
#include <vector>

#include "rushes/profiling/profile.h"

namespace rushes::profiling {

using Json = nlohmann::ordered_json;

inline double ms(Microseconds time) { return static_cast<double>(time.count()) / 1e3; }
inline double seconds(Microseconds time) { return static_cast<double>(time.count()) / 1e6; }
inline double ratio(double a, double b) { return b > 0 ? a / b : 0; }

struct Summary {
  double sum = 0, mean = 0, low = 0, high = 0;
};

inline Summary summary(const std::vector<double>& values) {
  if (values.empty()) return {};
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  const double sum = std::accumulate(values.begin(), values.end(), 0.0);
  return {sum, sum / static_cast<double>(values.size()), *low, *high};
}

template <typename Items, typename Value>
Summary summary(const Items& items, const Value& value) {
  std::vector<double> values;
  for (const auto& item : items) values.push_back(value(item));
  return summary(values);
}

/// What the device and the processors were sampled at.
Json gpu_metrics(const Profile& profile);
Json cpu_metrics(const Profile& profile);
/// Of both, in short.
Json run_summary(const Json& gpu, const Json& cpu);

}  // namespace rushes::profiling
