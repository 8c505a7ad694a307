// Profiling as an option of a command: the same flags wherever a video is made.
#pragma once
#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "rushes/generation/registry.h"
#include "rushes/profiling/profiled_generator.h"
#include "rushes/profiling/report.h"

namespace rushes::app {

struct ProfilingOptions {
  bool enabled = false;
  profiling::ReportOptions report;
  std::string format = "both";
};

/// --enable-profiling, --profile-output-dir, --profile-format, --profile-raw-data.
void add_profiling_options(CLI::App& command, ProfilingOptions& options);

/// Throws Error(invalid_argument) for a folder that reports cannot be written to.
void check_profiling(const ProfilingOptions& options);

/// Null unless profiling is enabled. The clock of the profile starts with the call.
std::shared_ptr<profiling::Profiler> start_profiler(const ProfilingOptions& options, const generation::Model& model,
                                                    const generation::ModelOptions& model_options,
                                                    const generation::Request& request,
                                                    profiling::Microseconds load_time);
/// Ends the measurement, writes the reports and says where on standard error.
void write_profile(profiling::Profiler& profiler, const ProfilingOptions& options);

}  // namespace rushes::app
