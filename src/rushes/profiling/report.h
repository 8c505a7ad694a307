// A profile as files: a JSON report, a page with plots that needs nothing else, a trace for Perfetto or
// chrome://tracing, and the few numbers of a benchmark.
#pragma once
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "rushes/profiling/profiler.h"

namespace rushes::profiling {

struct ReportOptions {
  std::filesystem::path directory = "profiling_results";  // created if missing
  ReportFormat format = ReportFormat::both;
  bool raw_data = false;  // every sample and span in a file of its own
};

/// Everything that was measured, under the documented keys (docs/profiling.md).
nlohmann::ordered_json report_json(const Profile& profile);
/// The same for people.
std::string report_html(const Profile& profile, const nlohmann::ordered_json& report);
/// Trace events: one track for the model, one for encoding and delivery, counters for memory.
nlohmann::ordered_json trace_json(const Profile& profile);

/// Writes profiling_report_ID_TIME.json and .html, traces/trace_ID_TIME.json, with raw_data also
/// raw_profiling_data_ID_TIME.json. Returns what was written. Throws Error(unavailable) if the directory cannot be
/// written.
std::vector<std::filesystem::path> write_reports(const Profile& profile, const ReportOptions& options);

/// The report in `directory` or below it that was written last. Throws Error(not_found), Error(corrupt_data).
nlohmann::ordered_json newest_report(const std::filesystem::path& directory);
/// Its benchmark numbers: {timestamp, system_info, block_level, segment_level, overall}.
nlohmann::ordered_json benchmark_results(const nlohmann::ordered_json& report);
/// The same as Markdown, a line each.
std::string benchmark_markdown(const nlohmann::ordered_json& benchmark);

}  // namespace rushes::profiling
