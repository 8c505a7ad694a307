// NVIDIA GPUs as their driver describes them (NVML), loaded at run time: machines without have none.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "rushes/profiling/profile.h"

namespace rushes::profiling {

class Nvml {
 public:
  Nvml();
  ~Nvml();
  Nvml(const Nvml&) = delete;
  Nvml& operator=(const Nvml&) = delete;

  /// One for each GPU; empty without GPU or driver. Any thread.
  std::vector<GpuState> states() const;
  std::string cuda_version() const;  // "12.8"; empty: none

 private:
  struct Library;
  std::unique_ptr<Library> library_;
};

}  // namespace rushes::profiling
