#include "rushes/profiling/machine.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <sstream>

namespace rushes::profiling {
namespace {

/// The number after "KEY:" in a file of such lines, in kB as /proc gives it; to MB.
double field_mb(const char* file, const std::string& key) {
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);)
    if (line.starts_with(key + ":")) return std::strtod(line.c_str() + key.size() + 1, nullptr) / 1024;
  return 0;
}

}  // namespace

std::string cpu_name() {
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);)
    if (line.starts_with("model name")) return line.substr(std::min(line.find(':') + 2, line.size()));
  return "unknown processor";
}

double process_memory_mb() {
  std::ifstream in("/proc/self/statm");
  int64_t size = 0, resident = 0;
  in >> size >> resident;
  return static_cast<double>(resident) * static_cast<double>(::sysconf(_SC_PAGESIZE)) / (1 << 20);
}

double process_peak_memory_mb() { return field_mb("/proc/self/status", "VmHWM"); }
double memory_total_mb() { return field_mb("/proc/meminfo", "MemTotal"); }
double memory_available_mb() { return field_mb("/proc/meminfo", "MemAvailable"); }

std::vector<double> CpuMeter::measure() {
  std::vector<Ticks> now;
  std::ifstream in("/proc/stat");
  for (std::string line; std::getline(in, line) && line.starts_with("cpu");) {
    std::istringstream words(line);
    std::string label;
    words >> label;
    Ticks ticks;
    int64_t value = 0;
    // user nice system idle iowait irq softirq steal; guest times are contained in the first two.
    for (int column = 0; column < 8 && words >> value; ++column) {
      ticks.total += value;
      if (column != 3 && column != 4) ticks.busy += value;
    }
    now.push_back(ticks);
  }
  std::vector<double> percent;
  for (std::size_t i = 0; i < now.size(); ++i) {
    const Ticks then = i < before_.size() ? before_[i] : Ticks{};
    const auto total = static_cast<double>(std::max<int64_t>(1, now[i].total - then.total));
    percent.push_back(std::clamp(100 * static_cast<double>(now[i].busy - then.busy) / total, 0.0, 100.0));
  }
  before_ = std::move(now);
  return percent;
}

CpuSample CpuMeter::sample() {
  CpuSample sample;
  std::vector<double> percent = measure();
  if (!percent.empty()) {
    sample.usage_percent = percent.front();
    sample.per_core_percent.assign(percent.begin() + 1, percent.end());
  }
  sample.memory_total_mb = memory_total_mb();
  sample.memory_available_mb = memory_available_mb();
  sample.process_memory_mb = process_memory_mb();
  std::ifstream load("/proc/loadavg");
  load >> sample.load_1min >> sample.load_5min >> sample.load_15min;
  double sum = 0;
  int64_t cores = 0;
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);) {
    if (!line.starts_with("cpu MHz")) continue;
    sum += std::strtod(line.c_str() + std::min(line.find(':') + 1, line.size()), nullptr);
    ++cores;
  }
  if (cores > 0) sample.frequency_mhz = sum / static_cast<double>(cores);
  return sample;
}

}  // namespace rushes::profiling
