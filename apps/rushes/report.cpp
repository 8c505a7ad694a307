// rushes report: the numbers of a benchmark from a profiling report.
#include <cstdio>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>

#include "commands.h"
#include "rushes/base/error.h"
#include "rushes/base/log.h"
#include "rushes/profiling/report.h"

namespace rushes::app {
namespace {

struct Options {
  std::string directory, output = "benchmark_results.json";
  bool markdown = false;
};

void run(const Options& options) {
  const auto results = profiling::benchmark_results(profiling::newest_report(options.directory));
  if (options.output == "-") {
    std::printf("%s\n", results.dump(2).c_str());
  } else {
    std::ofstream out(options.output, std::ios::trunc);
    out << results.dump(2) << '\n';
    out.flush();
    require(out.good(), ErrorCode::invalid_argument, "cannot write {}", options.output);
    log::info("wrote {}", options.output);
  }
  if (options.markdown) std::printf("%s", profiling::benchmark_markdown(results).c_str());
}

}  // namespace

void add_report(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("report", "Write benchmark results from the newest profiling report in a folder");
  command
      ->add_option("DIR,--profile_dir,--profile-dir", options->directory,
                   "the folder that was given to --profile-output-dir")
      ->required();
  command->add_option("--output-file,--output_file", options->output, "JSON file; - for standard output")
      ->capture_default_str();
  command->add_flag("--print-markdown,--print_markdown", options->markdown, "also print the results as Markdown");
  command->callback([options] { run(*options); });
}

}  // namespace rushes::app
