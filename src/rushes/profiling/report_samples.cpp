#include <fmt/format.h>

#include "rushes/profiling/report_parts.h"

namespace rushes::profiling {
namespace {

Json gpu_sample(const GpuSample& sample) {
  Json devices = Json::object();
  double used = 0, total = 0, utilization = 0, temperature = 0, power = 0;
  for (std::size_t i = 0; i < sample.gpus.size(); ++i) {
    const GpuState& gpu = sample.gpus[i];
    devices[fmt::format("gpu_{}", i)] = {{"memory_used_mb", gpu.memory_used_mb},
                                         {"memory_total_mb", gpu.memory_total_mb},
                                         {"memory_free_mb", gpu.memory_total_mb - gpu.memory_used_mb},
                                         {"utilization_percent", gpu.utilization_percent},
                                         {"temperature_celsius", gpu.temperature_celsius},
                                         {"power_watts", gpu.power_watts},
                                         {"graphics_clock_mhz", gpu.graphics_clock_mhz},
                                         {"memory_clock_mhz", gpu.memory_clock_mhz},
                                         {"device_name", gpu.name}};
    used += gpu.memory_used_mb;
    total += gpu.memory_total_mb;
    power += gpu.power_watts;
    utilization = std::max(utilization, gpu.utilization_percent);
    temperature = std::max(temperature, gpu.temperature_celsius);
  }
  return {{"timestamp", seconds(sample.at)},    {"gpu_devices", std::move(devices)},
          {"total_gpu_memory_used_mb", used},   {"total_gpu_memory_total_mb", total},
          {"max_gpu_utilization", utilization}, {"max_gpu_temperature", temperature},
          {"total_gpu_power_watts", power}};
}

Json cpu_sample(const CpuSample& sample) {
  const double used = sample.memory_total_mb - sample.memory_available_mb;
  return {{"timestamp", seconds(sample.at)},
          {"cpu_usage_percent", sample.usage_percent},
          {"cpu_per_core_percent", sample.per_core_percent},
          {"cpu_core_count", sample.per_core_percent.size()},
          {"memory_total_mb", sample.memory_total_mb},
          {"memory_used_mb", used},
          {"memory_available_mb", sample.memory_available_mb},
          {"memory_usage_percent", 100 * ratio(used, sample.memory_total_mb)},
          {"process_memory_mb", sample.process_memory_mb},
          {"cpu_freq_current_mhz", sample.frequency_mhz},
          {"load_average_1min", sample.load_1min},
          {"load_average_5min", sample.load_5min},
          {"load_average_15min", sample.load_15min}};
}

Json range(const Summary& values, std::string_view unit) {
  return {{fmt::format("min_{}", unit), values.low},
          {fmt::format("avg_{}", unit), values.mean},
          {fmt::format("max_{}", unit), values.high}};
}

}  // namespace

Json gpu_metrics(const Profile& profile) {
  Json timeline = Json::array();
  for (const GpuSample& sample : profile.gpu) timeline.push_back(gpu_sample(sample));
  const auto of = [&](const char* key) {
    return summary(timeline, [&](const Json& sample) { return sample.at(key).get<double>(); });
  };
  const Summary memory = of("total_gpu_memory_used_mb");
  return {{"total_samples", timeline.size()},
          {"peak_memory_mb", memory.high},
          {"avg_utilization", of("max_gpu_utilization").mean},
          {"peak_temperature", of("max_gpu_temperature").high},
          {"memory_analysis", range(memory, "memory_mb")},
          {"utilization_analysis", range(of("max_gpu_utilization"), "utilization_percent")},
          {"temperature_analysis", range(of("max_gpu_temperature"), "temperature_celsius")},
          {"power_analysis", range(of("total_gpu_power_watts"), "power_watts")},
          {"timeline", std::move(timeline)}};
}

Json cpu_metrics(const Profile& profile) {
  Json timeline = Json::array();
  for (const CpuSample& sample : profile.cpu) timeline.push_back(cpu_sample(sample));
  const auto usage = summary(profile.cpu, [](const CpuSample& sample) { return sample.usage_percent; });
  const auto process = summary(profile.cpu, [](const CpuSample& sample) { return sample.process_memory_mb; });
  return {{"total_samples", timeline.size()},
          {"usage_analysis", range(usage, "usage_percent")},
          {"memory_analysis", range(process, "process_memory_mb")},
          {"timeline", std::move(timeline)}};
}

Json run_summary(const Json& gpu, const Json& cpu) {
  const auto& memory = gpu.at("memory_analysis");
  const auto& utilization = gpu.at("utilization_analysis");
  double total = 0;
  if (!gpu.at("timeline").empty()) total = gpu.at("timeline").back().at("total_gpu_memory_total_mb").get<double>();
  return {{"gpu",
           {{"peak_memory_usage_mb", memory.at("max_memory_mb")},
            {"avg_memory_usage_mb", memory.at("avg_memory_mb")},
            {"peak_memory_utilization", 100 * ratio(memory.at("max_memory_mb").get<double>(), total)},
            {"avg_gpu_utilization", utilization.at("avg_utilization_percent")},
            {"peak_gpu_utilization", utilization.at("max_utilization_percent")}}},
          {"cpu",
           {{"avg_cpu_usage", cpu.at("usage_analysis").at("avg_usage_percent")},
            {"peak_cpu_usage", cpu.at("usage_analysis").at("max_usage_percent")},
            {"avg_memory_usage_mb", cpu.at("memory_analysis").at("avg_process_memory_mb")},
            {"peak_memory_usage_mb", cpu.at("memory_analysis").at("max_process_memory_mb")}}}};
}

}  // namespace rushes::profiling
