#include "streaming_statistics.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace rushes::app {
namespace {

constexpr double kFps = 25, kLeastFps = 0.9 * kFps, kMostLatency = 3.0, kMostIntervalMs = 1.5 * 1000 / kFps;

std::string spread_lines(const Spread& spread) {
  return fmt::format("  Mean: {:.1f}ms\n  Median: {:.1f}ms\n  Std Dev: {:.1f}ms\n  Min: {:.1f}ms\n  Max: {:.1f}ms\n",
                     1000 * spread.mean, 1000 * spread.median, 1000 * spread.std, 1000 * spread.min, 1000 * spread.max);
}

}  // namespace

Spread spread_of(std::vector<double> values) {
  if (values.empty()) return {};
  std::sort(values.begin(), values.end());
  const std::size_t n = values.size();
  Spread spread{.count = static_cast<int64_t>(n), .min = values.front(), .max = values.back()};
  spread.mean = std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(n);
  spread.median = n % 2 == 1 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
  double squares = 0;
  for (const double value : values) squares += (value - spread.mean) * (value - spread.mean);
  if (n > 1) spread.std = std::sqrt(squares / static_cast<double>(n - 1));
  return spread;
}

StreamingStatistics streaming_statistics(double start_s, std::span<const FrameArrival> frames) {
  StreamingStatistics all;
  if (frames.empty()) return all;
  std::vector<double> intervals, decoding;
  for (std::size_t i = 0; i < frames.size(); ++i) {
    all.bytes += frames[i].jpeg_bytes;
    decoding.push_back(frames[i].decode_s);
    if (i > 0) intervals.push_back(frames[i].at_s - frames[i - 1].at_s);
  }
  all.frames = static_cast<int64_t>(frames.size());
  all.duration_s = frames.back().at_s - frames.front().at_s;
  all.latency_s = frames.front().at_s - start_s;
  all.frame_bytes = static_cast<double>(all.bytes) / static_cast<double>(all.frames);
  if (all.duration_s > 0) {
    all.fps = static_cast<double>(all.frames) / all.duration_s;
    all.bandwidth_mbps = static_cast<double>(all.bytes) * 8 / (all.duration_s * 1e6);
  }
  all.intervals_s = spread_of(std::move(intervals));
  all.decode_s = spread_of(std::move(decoding));
  return all;
}

std::string streaming_report(const StreamingStatistics& s, bool with_decode_times) {
  if (s.frames == 0) return "❌ No frames received\n";
  const std::string line(70, '=');
  std::string text = line + "\nSTREAMING CLIENT STATISTICS\n" + line + "\n";
  text += fmt::format(
      "Total Frames Received: {}\nTotal Duration: {:.2f}s\nStreaming Latency: {:.2f}s (time to first frame)\nAverage "
      "FPS: {:.1f}\nTotal Data: {:.1f} MB\nAverage Frame Size: {:.1f} KB\nBandwidth: {:.1f} Mbps\n",
      s.frames, s.duration_s, s.latency_s, s.fps, static_cast<double>(s.bytes) / (1024 * 1024), s.frame_bytes / 1024,
      s.bandwidth_mbps);
  text += fmt::format("\nFRAME INTERVALS:\n  Count: {}\n", s.intervals_s.count) + spread_lines(s.intervals_s);
  if (with_decode_times) text += "\nDECODE TIMES:\n" + spread_lines(s.decode_s);
  text += "\nREAL-TIME SUITABILITY:\n";
  const double interval_ms = 1000 * s.intervals_s.mean;
  text += s.fps >= kLeastFps
              ? fmt::format("✅ Frame rate suitable for real-time ({:.1f} >= {:.1f} FPS)\n", s.fps, kLeastFps)
              : fmt::format("⚠️  Frame rate below target ({:.1f} < {:.1f} FPS)\n", s.fps, kLeastFps);
  text += s.latency_s <= kMostLatency
              ? fmt::format("✅ Streaming latency acceptable ({:.1f}s <= {:.1f}s)\n", s.latency_s, kMostLatency)
              : fmt::format("⚠️  Streaming latency high ({:.1f}s > {:.1f}s)\n", s.latency_s, kMostLatency);
  text +=
      interval_ms <= kMostIntervalMs
          ? fmt::format("✅ Frame intervals consistent ({:.1f}ms <= {:.1f}ms)\n", interval_ms, kMostIntervalMs)
          : fmt::format("⚠️  Frame intervals inconsistent ({:.1f}ms > {:.1f}ms)\n", interval_ms, kMostIntervalMs);
  return text + line + "\n";
}

}  // namespace rushes::app
