// What Linux tells about processor and memory (/proc). Where a file is missing, zeros.
#pragma once
#include <string>
#include <vector>

#include "rushes/profiling/profile.h"

namespace rushes::profiling {

std::string cpu_name();
double process_memory_mb();
double process_peak_memory_mb();
/// MB of the machine.
double memory_total_mb();
double memory_available_mb();

/// Processor load since the call before; one thread at a time.
class CpuMeter {
 public:
  CpuMeter() { measure(); }
  /// Everything but `at`.
  CpuSample sample();

 private:
  struct Ticks {
    int64_t busy = 0, total = 0;
  };
  std::vector<double> measure();  // percent: all cores, then each

  std::vector<Ticks> before_;
};

}  // namespace rushes::profiling
