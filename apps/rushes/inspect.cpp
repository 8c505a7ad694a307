// rushes inspect: what a checkpoint or a model folder is, found in names and shapes; no weight is read.
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "commands.h"
#include "rushes/base/error.h"
#include "rushes/base/manifest.h"
#include "rushes/base/printable.h"
#include "rushes/models/wan/checkpoint.h"
#include "rushes/models/wan/config_fields.h"
#include "rushes/tensor/checkpoint.h"

namespace rushes::app {
namespace {

namespace fs = std::filesystem;
using json = nlohmann::ordered_json;

struct Options {
  std::string path;
  bool tensors = false;
  bool json = false;
};

// As a visitor of config_fields.h.
struct JsonWriter {
  json& object;
  template <typename T>
  void operator()(const char* key, const T& value, FieldRange = kAny) {
    object[key] = value;
  }
  void operator()(const char* key, const wan::ModelType& value) {
    object[key] = value == wan::ModelType::t2v ? "t2v" : "i2v";
  }
};

std::string gigabytes(int64_t bytes) {
  if (bytes >= 1'000'000'000) return fmt::format("{:.2f} GB", static_cast<double>(bytes) / 1e9);
  if (bytes >= 1'000'000) return fmt::format("{:.2f} MB", static_cast<double>(bytes) / 1e6);
  return fmt::format("{} bytes", bytes);
}

std::vector<std::string> dtypes(const tensor::WeightMap& weights) {
  std::set<std::string> names;
  for (const auto& [key, tensor] : weights.tensors()) {
    std::string name = c10::toString(tensor.scalar_type());
    std::transform(name.begin(), name.end(), name.begin(), [](unsigned char letter) { return std::tolower(letter); });
    names.insert(name == "float" ? "float32" : name == "half" ? "float16" : name == "double" ? "float64" : name);
  }
  return {names.begin(), names.end()};
}

json tensor_list(const tensor::WeightMap& weights) {
  json list = json::array();
  for (const auto& [key, tensor] : weights.tensors())
    list.push_back({{"name", key}, {"dtype", c10::toString(tensor.scalar_type())}, {"shape", tensor.sizes().vec()}});
  return list;
}

// Fills in what a part is: its published name if it has one, its dimensions, and what does not fit them.
template <typename Config, typename Visit>
void describe_part(json& part, const tensor::WeightMap& weights, const Config& config, Visit visit) {
  part["model"] = wan::published_name(config).value_or("own dimensions");
  part["config"] = json::object();
  visit(config, JsonWriter{part["config"]});
  part["complete"] = true;
  try {
    wan::check_complete(weights, wan::parameter_shapes(config), "this file");
  } catch (const Error& error) {
    part["complete"] = false;
    part["problem"] = error.what();
  }
}

const wan::AutoencoderPart* autoencoder_of(const wan::ModelDirectory* model, wan::AutoencoderKind kind) {
  if (model == nullptr) return nullptr;
  if (model->autoencoder.kind == kind) return &model->autoencoder;
  return model->preview_autoencoder && model->preview_autoencoder->kind == kind ? &*model->preview_autoencoder
                                                                                : nullptr;
}

// `model`: the one that the file belongs to, whose manifest says what no shape tells; null for a file alone.
void describe_config(json& part, const wan::Component& component, const wan::ModelDirectory* model) {
  const auto& weights = component.tensors;
  switch (component.found.part) {
    case wan::Part::transformer:
      return describe_part(part, weights,
                           model != nullptr ? model->transformer.config : wan::infer_transformer(weights),
                           [](auto& config, JsonWriter out) { wan::visit_transformer_fields(config, out); });
    case wan::Part::text_encoder:
      return describe_part(part, weights, model != nullptr ? model->text_encoder.config : wan::infer_umt5(weights),
                           [](auto& config, JsonWriter out) { wan::visit_umt5_fields(config, out); });
    case wan::Part::vae: {
      const auto* vae = autoencoder_of(model, wan::AutoencoderKind::vae);
      return describe_part(part, weights, vae != nullptr ? vae->vae : wan::infer_vae(weights),
                           [](auto& config, JsonWriter out) { wan::visit_vae_fields(config, out); });
    }
    case wan::Part::tiny_autoencoder: {
      const auto* tiny = autoencoder_of(model, wan::AutoencoderKind::tiny);
      return describe_part(part, weights, tiny != nullptr ? tiny->tiny : wan::infer_tiny_autoencoder(weights),
                           [](auto& config, JsonWriter out) { wan::visit_tiny_autoencoder_fields(config, out); });
    }
  }
}

json describe(const wan::Component& component, const wan::ModelDirectory* model) {
  json part;
  part["part"] = std::string(wan::name(component.found.part));
  part["prefix"] = component.found.prefix;
  part["names"] = component.found.naming == wan::Naming::original ? "wan" : "diffusers";
  const auto& weights = component.tensors;
  part["parameters"] = weights.parameter_count();
  part["bytes"] = weights.bytes();
  part["tensors"] = weights.tensors().size();
  part["dtypes"] = dtypes(weights);
  try {
    describe_config(part, component, model);
  } catch (const Error& error) {  // shapes from which no dimensions follow
    part["complete"] = false;
    part["problem"] = error.what();
  }
  return part;
}

json inspect_checkpoint(const fs::path& path, bool with_tensors, const wan::ModelDirectory* model = nullptr) {
  const tensor::Checkpoint checkpoint = tensor::load_checkpoint(path);
  json report;
  report["path"] = path.string();
  report["kind"] = "checkpoint";
  report["format"] = std::string(tensor::name(checkpoint.format));
  uintmax_t file_bytes = 0;
  for (const fs::path& file : checkpoint.files) file_bytes += fs::file_size(file);
  report["files"] = checkpoint.files.size();
  report["file_bytes"] = file_bytes;
  report["tensors"] = checkpoint.tensors.tensors().size();
  report["parameters"] = checkpoint.tensors.parameter_count();
  report["dtypes"] = dtypes(checkpoint.tensors);
  report["metadata"] = checkpoint.metadata;
  report["parts"] = json::array();
  for (const wan::Component& component : wan::find_components(checkpoint.tensors))
    report["parts"].push_back(describe(component, model));
  if (with_tensors) report["tensor_list"] = tensor_list(checkpoint.tensors);
  return report;
}

json inspect_model(const fs::path& folder, bool with_tensors) {
  const wan::ModelDirectory model = wan::open_model_directory(folder);
  json report;
  report["path"] = model.directory.string();
  report["kind"] = "model";
  report["name"] = model.name;
  report["family"] = "wan";
  report["tokenizer"] = model.tokenizer.string();
  report["defaults"] = json::object();
  wan::visit_default_fields(model.defaults, JsonWriter{report["defaults"]});
  report["checkpoints"] = json::array();
  std::set<fs::path> files{model.transformer.file, model.text_encoder.file, model.autoencoder.file};
  if (model.preview_autoencoder) files.insert(model.preview_autoencoder->file);
  for (const fs::path& file : files) report["checkpoints"].push_back(inspect_checkpoint(file, with_tensors, &model));
  return report;
}

void print_checkpoint(const json& report) {
  fmt::print("{}\n  {}, {} in {} file{}, {} tensors, {} parameters, {}\n", report["path"].get<std::string>(),
             report["format"].get<std::string>(), gigabytes(report["file_bytes"].get<int64_t>()),
             report["files"].get<int64_t>(), report["files"] == 1 ? "" : "s", report["tensors"].get<int64_t>(),
             report["parameters"].get<int64_t>(), fmt::join(report["dtypes"].get<std::vector<std::string>>(), " "));
  if (report["parts"].empty()) fmt::print("  no known part of a model\n");
  for (const json& part : report["parts"]) {
    fmt::print("  {} of the wan family: {}{}{}\n", part["part"].get<std::string>(), part.value("model", "unknown"),
               part["prefix"] == "" ? "" : ", under '" + part["prefix"].get<std::string>() + "'",
               part["names"] == "wan" ? "" : ", with diffusers names");
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
    fmt::print("    {}\n",
               part["complete"].get<bool>() ? "complete" : "INCOMPLETE: " + part["problem"].get<std::string>());
  }
  for (const auto& [key, value] : report["metadata"].items())
    fmt::print("  metadata {}: {}\n", printable(key), printable(value.get<std::string>()));
  if (report.contains("tensor_list"))
    for (const json& tensor : report["tensor_list"])
      fmt::print("  {:<72} {:<10} {}\n", tensor["name"].get<std::string>(), tensor["dtype"].get<std::string>(),
                 tensor["shape"].dump());
}

void run(const Options& options) {
  const fs::path path = options.path;
  std::error_code ignored;
  // A folder with a manifest, or with the files of a whole published model; other folders hold one checkpoint.
  const bool is_model = fs::is_directory(path, ignored) &&
                        (fs::exists(path / kManifestName, ignored) || fs::exists(path / "Wan2.1_VAE.pth", ignored));
  const json report = is_model ? inspect_model(path, options.tensors) : inspect_checkpoint(path, options.tensors);
  if (options.json) {
    fmt::print("{}\n", report.dump(2, ' ', false, json::error_handler_t::replace));
  } else if (is_model) {
    fmt::print("model '{}' of the wan family in {}\n", printable(report["name"].get<std::string>()),
               report["path"].get<std::string>());
    for (const json& checkpoint : report["checkpoints"]) print_checkpoint(checkpoint);
    fmt::print("tokenizer {}\ndefaults {}\n", report["tokenizer"].get<std::string>(), report["defaults"].dump());
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
