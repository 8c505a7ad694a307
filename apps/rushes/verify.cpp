// rushes verify: golden cases on this machine's hardware, each output's error against its tolerance.
#include "rushes/verify/case.h"

#include <fmt/ranges.h>

#include "commands.h"
#include "rushes/base/error.h"
#include "rushes/base/instruction_set.h"

namespace rushes::app {
namespace {

struct Options {
  std::vector<std::string> paths;
  std::string dtype = "float32";
  std::string device = "cpu";
  bool quiet = false;
};

void print(const verify::CaseResult& result, bool quiet) {
  fmt::print("{} {:<40} {:<24} {:.2f} s\n", result.passed ? "PASS" : "FAIL", result.name, result.kind, result.seconds);
  if (!result.error.empty()) fmt::print("       {}\n", result.error);
  for (const auto& tensor : result.tensors)
    if (!quiet || !tensor.passed)
      fmt::print("     {} {:<32} max abs {:<10.3g} rel l2 {:<10.3g} {:>8.3g} of the tolerance {}\n",
                 tensor.passed ? "ok  " : "BAD ", tensor.name, tensor.max_abs_error, tensor.rel_l2, tensor.worst_ratio,
                 tensor.detail);
  for (const auto& check : result.checks)
    if (!quiet || !check.passed)
      fmt::print("     {} {} {}\n", check.passed ? "ok  " : "BAD ", check.what, check.detail);
}

void run(const Options& options) {
  verify::Target target;
  if (options.dtype == "bfloat16") target.dtype = at::kBFloat16;
  try {
    target.device = at::Device(options.device);
  } catch (const c10::Error&) {
    fail(ErrorCode::invalid_argument, "--device '{}' is not a device; use cpu, cuda or cuda:0", options.device);
  }
  std::vector<std::filesystem::path> cases;
  for (const std::string& path : options.paths)
    for (auto& directory : verify::find_cases(path)) cases.push_back(std::move(directory));
  require(!cases.empty(), ErrorCode::not_found, "there is no golden case (a folder with config.json) at or below {}",
          fmt::join(options.paths, ", "));
  std::size_t passed = 0;
  for (const auto& directory : cases) {
    const auto result = verify::run_case(directory, target);
    print(result, options.quiet);
    passed += result.passed;
  }
  fmt::print("{} of {} cases passed ({}, {}, {})\n", passed, cases.size(), options.dtype, options.device,
             name(instruction_set()));
  if (passed != cases.size()) throw CLI::RuntimeError(1);
}

}  // namespace

void add_verify(CLI::App& app) {
  auto options = std::make_shared<Options>();
  options->paths = {RUSHES_SOURCE_DIR "/tests/golden"};
  CLI::App* command = app.add_subcommand("verify", "Run golden cases and compare every output with its tolerance");
  command->add_option("DIR", options->paths, "folders with golden cases, at any depth (default: the project's own)");
  command->add_option("--dtype", options->dtype, "data type: float32 or bfloat16")
      ->check(CLI::IsMember({"float32", "bfloat16"}))
      ->capture_default_str();
  command->add_option("--device", options->device, "device: cpu, cuda, cuda:1, ...")->capture_default_str();
  command->add_flag("--quiet", options->quiet, "print only each case's result, and failures in detail");
  command->callback([options] { run(*options); });
}

}  // namespace rushes::app
