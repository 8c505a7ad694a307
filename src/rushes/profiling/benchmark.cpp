#include <fstream>
#include <nlohmann/json.hpp>

#include "rushes/base/error.h"
#include "rushes/profiling/report.h"

namespace rushes::profiling {
namespace {

using Json = nlohmann::ordered_json;
namespace fs = std::filesystem;

bool is_report(const fs::path& file) {
  return file.extension() == ".json" && file.filename().string().starts_with("profiling_report_");
}

}  // namespace

Json newest_report(const fs::path& directory) {
  std::error_code status;
  require(fs::is_directory(directory, status), ErrorCode::not_found,
          "{} is not a folder; give the folder that was given to --profile-output-dir", directory.string());
  std::optional<std::pair<fs::file_time_type, fs::path>> newest;
  for (const fs::directory_entry& entry :
       fs::recursive_directory_iterator(directory, fs::directory_options::skip_permission_denied, status)) {
    if (!entry.is_regular_file(status) || !is_report(entry.path())) continue;
    const std::pair found{entry.last_write_time(status), entry.path()};
    if (!newest || *newest < found) newest = found;
  }
  require(newest.has_value(), ErrorCode::not_found,
          "there is no profiling_report_*.json in {}; create one with rushes generate --enable-profiling "
          "--profile-output-dir {}",
          directory.string(), directory.string());
  std::ifstream in(newest->second);
  Json report = Json::parse(in, nullptr, /*allow_exceptions=*/false);
  require(report.is_object() && report.contains("block_analysis"), ErrorCode::corrupt_data,
          "{} is not a profiling report", newest->second.string());
  return report;
}

Json benchmark_results(const Json& report) {
  try {
    const Json& session = report.at("session_info");
    const Json& system = report.at("system_info");
    const Json& diffusion = report.at("diffusion_analysis");
    const Json& block = report.at("block_analysis");
    const Json& segment = report.at("segment_analysis");
    const Json& gpu = report.at("gpu_metrics");
    const bool has_gpu = gpu.at("total_samples").get<int64_t>() > 0;
    const Json temperature =
        has_gpu ? gpu.at("temperature_analysis").at("max_temperature_celsius") : Json(nullptr);  // nobody measured one
    Json results;
    results["timestamp"] = session.at("end_time");
    results["system_info"] = {{"gpu_name", system.at("gpu_name")},
                              {"gpu_memory_total", system.at("gpu_memory_total")},
                              {"cuda_version", system.at("cuda_version")},
                              {"pytorch_version", system.at("pytorch_version")}};
    results["block_level"] = {{"total_steps", diffusion.at("total_steps")},
                              {"avg_block_size", diffusion.at("avg_block_size")},
                              {"fps", diffusion.at("fps")},
                              {"bps", diffusion.at("bps")},
                              {"avg_step_time_ms", diffusion.at("avg_step_time_ms")},
                              {"total_blocks", block.at("total_blocks")},
                              {"block_fps", block.at("fps")},
                              {"peak_memory_mb", block.at("peak_memory_usage_mb")},
                              {"avg_block_time_ms", block.at("avg_computation_time_ms")}};
    results["segment_level"] = {{"avg_segment_time_s", segment.at("avg_segment_time_s")},
                                {"num_segments", segment.at("num_segments")}};
    results["overall"] = {{"total_duration_s", session.at("duration")},
                          {"peak_memory_mb", report.at("memory_analysis").at("peak_memory_mb")},
                          {"avg_gpu_utilization", report.at("summary").at("gpu").at("avg_gpu_utilization")},
                          {"peak_temperature_c", temperature},
                          {"throughput_fps", report.at("summary").at("fps")}};
    return results;
  } catch (const nlohmann::json::exception& error) {
    fail(ErrorCode::corrupt_data, "the profiling report is incomplete: {}", error.what());
  }
}

std::string benchmark_markdown(const Json& benchmark) {
  const auto number = [&](const char* group, const char* key) { return benchmark.at(group).at(key).get<double>(); };
  const Json& system = benchmark.at("system_info");
  std::string text = "## Streaming benchmark\n\n";
  text += fmt::format("- **GPU**: {}\n", system.at("gpu_name").get<std::string>());
  text += fmt::format("- **VRAM**: {:.0f} MB\n", number("system_info", "gpu_memory_total"));
  text += fmt::format("- **Diffusion step**: {:.1f} ms\n", number("block_level", "avg_step_time_ms"));
  text += fmt::format("- **Block**: {:.1f} ms\n", number("block_level", "avg_block_time_ms"));
  text += fmt::format("- **Block FPS**: {:.2f}\n", number("block_level", "block_fps"));
  text += fmt::format("- **Blocks per second**: {:.2f}\n", number("block_level", "bps"));
  text += fmt::format("- **Segment**: {:.2f} s\n", number("segment_level", "avg_segment_time_s"));
  text += fmt::format("- **Total segments**: {:.0f}\n", number("segment_level", "num_segments"));
  text += fmt::format("- **Throughput**: {:.2f} FPS\n", number("overall", "throughput_fps"));
  text += fmt::format("- **Peak memory**: {:.0f} MB\n", number("overall", "peak_memory_mb"));
  text += fmt::format("- **GPU utilization**: {:.1f} %\n", number("overall", "avg_gpu_utilization"));
  return text;
}

}  // namespace rushes::profiling
