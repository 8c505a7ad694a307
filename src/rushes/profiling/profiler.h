// Collects what a generation spends its time on, and samples the machine meanwhile. Where no profiler is given, nothing
// is measured: the code that it hooks into costs a null check.
#pragma once
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "rushes/profiling/profile.h"

namespace rushes::profiling {

enum class ReportFormat { json, html, both };
/// Throws Error(invalid_argument) for any other word.
ReportFormat parse_report_format(std::string_view word);

struct ProfilerOptions {
  std::chrono::duration<double> gpu_interval{0.5}, cpu_interval{1.0};  // of samples
  bool monitor_gpu = true, monitor_cpu = true;
  bool real_time_display = false;  // a line on standard error now and then
  std::chrono::duration<double> display_interval{5.0};
  std::size_t max_samples = 10'000;  // beyond it every second one is forgotten
  std::map<std::string, std::string> tags = {};
  std::string id = {};  // empty: made of the time
  bool on_gpu = false;
  void validate() const;  // throws Error(invalid_argument)
};

/// Any thread may add.
class Profiler {
 public:
  using Clock = std::chrono::steady_clock;

  explicit Profiler(ProfilerOptions options);
  ~Profiler();
  Profiler(const Profiler&) = delete;
  Profiler& operator=(const Profiler&) = delete;

  /// What is known of the generation before it starts. `load_time`: what the model took to load.
  void describe(const generation::Model& model, const generation::VideoFormat& format, double guidance_scale,
                std::string torch_version, std::string rushes_version, Microseconds load_time);
  /// Sets time zero: the moment of the request.
  void start();
  /// Time since start().
  Microseconds now() const;
  /// `span.duration` until now.
  void add(Span span);
  void first_frame();
  /// Device memory in use, else that of the process, in MB.
  double memory_mb() const;
  /// Ends the measurement.
  Profile finish();

 private:
  void monitor(const std::stop_token& stop);
  void sample_cpu();
  void sample_gpu();
  void display();

  const ProfilerOptions options_;
  Clock::time_point start_;
  mutable std::mutex mutex_;
  Profile profile_;
  struct Devices;
  std::unique_ptr<Devices> devices_;
  std::jthread thread_;
};

/// Measures one piece of work from its construction on.
class Stopwatch {
 public:
  explicit Stopwatch(Profiler* profiler) : profiler_(profiler), start_(profiler ? profiler->now() : Microseconds{0}) {}
  Microseconds start() const { return start_; }
  Microseconds elapsed() const { return profiler_ ? profiler_->now() - start_ : Microseconds{0}; }

 private:
  Profiler* profiler_;
  Microseconds start_;
};

}  // namespace rushes::profiling
