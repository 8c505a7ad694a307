#include "profiling_options.h"

#include "output_folder.h"
#include "rushes/base/log.h"

namespace rushes::app {

void add_profiling_options(CLI::App& command, ProfilingOptions& options) {
  CLI::Option* enabled = command.add_flag("--enable-profiling,--enable_profiling", options.enabled,
                                          "measure each step, block, segment and stage, and write reports");
  command
      .add_option("--profile-output-dir,--profile_output_dir,--profiling_output_dir", options.report.directory,
                  "folder for the reports")
      ->needs(enabled)
      ->capture_default_str();
  command.add_option("--profile-format,--profile_format", options.format, "format of the reports: json, html or both")
      ->check(CLI::IsMember({"json", "html", "both"}))
      ->needs(enabled)
      ->capture_default_str();
  command
      .add_flag("--profile-raw-data,--profile_raw_data", options.report.raw_data,
                "also write every sample to a separate file")
      ->needs(enabled);
}

void check_profiling(const ProfilingOptions& options) {
  if (options.enabled) check_can_be_made(options.report.directory, options.report.directory.string());
}

std::shared_ptr<profiling::Profiler> start_profiler(const ProfilingOptions& options, const generation::Model& model,
                                                    const generation::ModelOptions& model_options,
                                                    const generation::Request& request,
                                                    profiling::Microseconds load_time) {
  if (!options.enabled) return nullptr;
  const generation::VideoFormat format = model.plan(request)->format();
  auto profiler = std::make_shared<profiling::Profiler>(
      profiling::ProfilerOptions{.tags = {{"num_prompts", std::to_string(request.prompts.size())},
                                          {"num_segments", std::to_string(format.segments)},
                                          {"num_samples", "1"},
                                          {"seed", std::to_string(request.seed)},
                                          {"world_size", "1"},
                                          {"mode", request.image ? "i2v" : "t2v"}},
                                 .id = request.image ? "i2v_generation" : "t2v_generation",
                                 .on_gpu = model_options.device.starts_with("cuda")});
  profiler->describe(model, format, request.options.get<double>("guidance_scale").value_or(0), RUSHES_TORCH_VERSION,
                     RUSHES_VERSION, load_time);
  profiler->start();
  return profiler;
}

void write_profile(profiling::Profiler& profiler, const ProfilingOptions& options) {
  profiling::ReportOptions report = options.report;
  report.format = profiling::parse_report_format(options.format);
  for (const auto& file : profiling::write_reports(profiler.finish(), report)) log::info("profile: {}", file.string());
}

}  // namespace rushes::app
