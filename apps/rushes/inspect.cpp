// rushes inspect: what a checkpoint or a model folder is, found in names and shapes; no weight is read.
#include <fmt/ranges.h>

#include "commands.h"
#include "rushes/base/printable.h"
#include "rushes/generation/inspection.h"

namespace rushes::app {
namespace {

using json = generation::Report;

struct Options {
  std::string path;
  bool tensors = false;
  bool json = false;
};

std::string gigabytes(int64_t bytes) {
  if (bytes >= 1'000'000'000) return fmt::format("{:.2f} GB", static_cast<double>(bytes) / 1e9);
  if (bytes >= 1'000'000) return fmt::format("{:.2f} MB", static_cast<double>(bytes) / 1e6);
  return fmt::format("{} bytes", bytes);
}

void print_checkpoint(const json& report) {
  fmt::print("{}\n  {}, {} in {} file{}, {} tensors, {} parameters, {}\n", report["path"].get<std::string>(),
             report["format"].get<std::string>(), gigabytes(report["file_bytes"].get<int64_t>()),
             report["files"].get<int64_t>(), report["files"] == 1 ? "" : "s", report["tensors"].get<int64_t>(),
             report["parameters"].get<int64_t>(), fmt::join(report["dtypes"].get<std::vector<std::string>>(), " "));
  if (report["parts"].empty()) fmt::print("  no known part of a model\n");
  for (const json& part : report["parts"]) {
    fmt::print("  {} of the {} family: {}{}{}\n", part["part"].get<std::string>(), part["family"].get<std::string>(),
               part.value("model", "unknown"),
               part["prefix"] == "" ? "" : ", under '" + part["prefix"].get<std::string>() + "'",
               part.value("names", "") == "diffusers" ? ", with diffusers names" : "");
    fmt::print("    {} tensors, {} parameters, {}, {}\n", part["tensors"].get<int64_t>(),
               part["parameters"].get<int64_t>(), gigabytes(part["bytes"].get<int64_t>()),
               fmt::join(part["dtypes"].get<std::vector<std::string>>(), " "));
    if (part.contains("config")) {
      std::vector<std::string> fields;
      for (const auto& [key, value] : part["config"].items())
        if (key != "mean" && key != "std")
          fields.push_back(key + " " +
                           (key == "num_heads" && value == 0 ? "unknown"
                            : value.is_string()              ? value.get<std::string>()
                                                             : value.dump()));
      fmt::print("    {}\n", fmt::join(fields, ", "));
    }
    if (!part.contains("complete"))
      fmt::print("    its dimensions are in the manifest of its model: inspect that folder\n");
    else
      fmt::print("    {}\n",
                 part["complete"].get<bool>() ? "complete" : "INCOMPLETE: " + part["problem"].get<std::string>());
    if (const auto extra = part.value("extra", std::vector<std::string>{}); !extra.empty())
      fmt::print("    {} tensor{} that the model does not have, such as {}\n", extra.size(),
                 extra.size() == 1 ? "" : "s", extra.front());
  }
  for (const auto& [key, value] : report["metadata"].items())
    fmt::print("  metadata {}: {}\n", printable(key), printable(value.get<std::string>()));
  if (report.contains("tensor_list"))
    for (const json& tensor : report["tensor_list"])
      fmt::print("  {:<72} {:<10} {}\n", tensor["name"].get<std::string>(), tensor["dtype"].get<std::string>(),
                 tensor["shape"].dump());
}

void run(const Options& options) {
  const json report =
      generation::inspect(options.path, options.tensors ? generation::Tensors::listed : generation::Tensors::counted);
  if (options.json) {
    fmt::print("{}\n", report.dump(2, ' ', false, json::error_handler_t::replace));
  } else if (report["kind"] == "model") {
    fmt::print("model '{}' of the {} family in {}\n", printable(report["name"].get<std::string>()),
               report["family"].get<std::string>(), report["path"].get<std::string>());
    for (const json& checkpoint : report["checkpoints"]) print_checkpoint(checkpoint);
    for (const auto& [key, value] : report.items())  // what else its manifest says
      if (key != "path" && key != "kind" && key != "name" && key != "family" && key != "checkpoints")
        fmt::print("{} {}\n", key, value.is_string() ? value.get<std::string>() : value.dump());
  } else {
    print_checkpoint(report);
  }
}

}  // namespace

void add_inspect(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("inspect", "Describe a checkpoint or model folder, without loading it");
  command->add_option("PATH", options->path, "a .safetensors, .pt, .pth or .ckpt file, an index of shards, or a folder")
      ->required();
  command->add_flag("--tensors", options->tensors, "list every tensor");
  command->add_flag("--json", options->json, "print the result as JSON");
  command->callback([options] { run(*options); });
}

}  // namespace rushes::app
