// What a client of frames measured: when each came, how large it was, how long it took to decode. Plain values.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace rushes::app {

struct FrameArrival {
  double at_s = 0;  // on any clock
  int64_t jpeg_bytes = 0;
  double decode_s = 0;
};

struct Spread {
  int64_t count = 0;
  double mean = 0, median = 0, std = 0, min = 0, max = 0;  // std: of a sample, n - 1; 0 of fewer than two values
};
Spread spread_of(std::vector<double> values);

struct StreamingStatistics {
  int64_t frames = 0;
  double duration_s = 0;  // from the first frame to the last
  double latency_s = 0;   // from the start to the first frame
  double fps = 0;         // frames, not intervals, by the duration
  int64_t bytes = 0;
  double frame_bytes = 0;     // mean
  double bandwidth_mbps = 0;  // 10^6 bits a second
  Spread intervals_s, decode_s;
};

/// Of frames in the order of their arrival.
StreamingStatistics streaming_statistics(double start_s, std::span<const FrameArrival> frames);

/// As the published client prints them, MB = 1024 * 1024 bytes, with the verdicts: 25 frames a second less a tenth, 3 s
/// to the first frame, a mean interval of 40 ms and a half.
std::string streaming_report(const StreamingStatistics& statistics, bool with_decode_times = false);

}  // namespace rushes::app
