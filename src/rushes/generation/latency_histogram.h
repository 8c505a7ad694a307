// How often something took how long, in fixed buckets, as Prometheus histograms count. A plain value.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>

namespace rushes::generation {

struct LatencyHistogram {
  static constexpr std::array<double, 12> kBoundsSeconds{0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60, 120, 300};

  std::array<int64_t, kBoundsSeconds.size() + 1>
      counts{};  // each its own bucket, not cumulative; the last: beyond all bounds
  double sum_seconds = 0;

  void observe(double seconds) {
    std::size_t bucket = 0;
    while (bucket < kBoundsSeconds.size() && seconds > kBoundsSeconds[bucket]) ++bucket;
    ++counts[bucket];
    sum_seconds += seconds;
  }
};

}  // namespace rushes::generation
