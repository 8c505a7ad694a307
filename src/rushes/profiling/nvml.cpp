#include "rushes/profiling/nvml.h"

#include <dlfcn.h>
#include <fmt/format.h>

namespace rushes::profiling {
namespace {

// Of nvml.h, which only CUDA's toolkit brings: the part of its ABI that is used here.
using Device = void*;
constexpr int kSuccess = 0;
struct Memory {
  unsigned long long total, free, used;
};
struct Utilization {
  unsigned int gpu, memory;
};
constexpr unsigned kTemperatureOfGpu = 0, kClockGraphics = 0, kClockMemory = 2;

}  // namespace

struct Nvml::Library {
  void* handle = nullptr;
  int (*shutdown)() = nullptr;
  int (*cuda_driver_version)(int*) = nullptr;
  int (*device)(unsigned, Device*) = nullptr;
  int (*device_name)(Device, char*, unsigned) = nullptr;
  int (*memory)(Device, Memory*) = nullptr;
  int (*utilization)(Device, Utilization*) = nullptr;
  int (*temperature)(Device, unsigned, unsigned*) = nullptr;
  int (*power)(Device, unsigned*) = nullptr;
  int (*clock)(Device, unsigned, unsigned*) = nullptr;
  unsigned devices = 0;

  template <typename Function>
  bool bind(Function*& function, const char* symbol) {
    function = reinterpret_cast<Function*>(::dlsym(handle, symbol));
    return function != nullptr;
  }

  Library() {
    handle = ::dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr) return;
    int (*init)() = nullptr;
    int (*count)(unsigned*) = nullptr;
    const bool all = bind(init, "nvmlInit_v2") && bind(count, "nvmlDeviceGetCount_v2") &&
                     bind(shutdown, "nvmlShutdown") && bind(cuda_driver_version, "nvmlSystemGetCudaDriverVersion_v2") &&
                     bind(device, "nvmlDeviceGetHandleByIndex_v2") && bind(device_name, "nvmlDeviceGetName") &&
                     bind(memory, "nvmlDeviceGetMemoryInfo") && bind(utilization, "nvmlDeviceGetUtilizationRates") &&
                     bind(temperature, "nvmlDeviceGetTemperature") && bind(power, "nvmlDeviceGetPowerUsage") &&
                     bind(clock, "nvmlDeviceGetClockInfo");
    if (!all || init() != kSuccess) {
      shutdown = nullptr;
      return;
    }
    if (count(&devices) != kSuccess) devices = 0;
  }
  ~Library() {
    if (shutdown != nullptr) shutdown();
    if (handle != nullptr) ::dlclose(handle);
  }
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;
};

Nvml::Nvml() : library_(std::make_unique<Library>()) {}
Nvml::~Nvml() = default;

std::vector<GpuState> Nvml::states() const {
  constexpr double kMegabyte = 1 << 20;
  std::vector<GpuState> states;
  for (unsigned i = 0; i < library_->devices; ++i) {
    Device device = nullptr;
    if (library_->device(i, &device) != kSuccess) continue;
    GpuState state;
    char name[96] = "";
    Memory memory{};
    Utilization utilization{};
    unsigned value = 0;
    if (library_->device_name(device, name, sizeof name) == kSuccess) state.name = name;
    if (library_->memory(device, &memory) == kSuccess) {
      state.memory_used_mb = static_cast<double>(memory.used) / kMegabyte;
      state.memory_total_mb = static_cast<double>(memory.total) / kMegabyte;
    }
    if (library_->utilization(device, &utilization) == kSuccess) state.utilization_percent = utilization.gpu;
    if (library_->temperature(device, kTemperatureOfGpu, &value) == kSuccess) state.temperature_celsius = value;
    if (library_->power(device, &value) == kSuccess) state.power_watts = value / 1000.0;
    if (library_->clock(device, kClockGraphics, &value) == kSuccess) state.graphics_clock_mhz = value;
    if (library_->clock(device, kClockMemory, &value) == kSuccess) state.memory_clock_mhz = value;
    states.push_back(std::move(state));
  }
  return states;
}

std::string Nvml::cuda_version() const {
  int version = 0;
  if (library_->devices == 0 || library_->cuda_driver_version(&version) != kSuccess) return {};
  return fmt::format("{}.{}", version / 1000, version % 1000 / 10);
}

}  // namespace rushes::profiling
