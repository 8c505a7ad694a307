#include "rushes/models/wan/published_layout.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "rushes/base/error.h"
#include "rushes/base/manifest.h"
#include "rushes/base/printable.h"
#include "rushes/models/wan/checkpoint.h"
#include "rushes/models/wan/config_json.h"
#include "rushes/tensor/checkpoint.h"
#include "rushes/tensor/checkpoint_folder.h"

namespace rushes::wan {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using Names = std::initializer_list<const char*>;

// By the Wan repository, then by diffusers. The first name stands in messages.
constexpr Names kTransformers = {"diffusion_pytorch_model.safetensors",
                                 "diffusion_pytorch_model.safetensors.index.json", "self_forcing_dmd.pt",
                                 "transformer"};
constexpr Names kTextEncoders = {"models_t5_umt5-xxl-enc-bf16.pth", "text_encoder"};
constexpr Names kVaes = {"Wan2.1_VAE.pth", "vae"};
constexpr Names kTokenizers = {"google/umt5-xxl", "tokenizer"};
constexpr Names kTokenizerFiles = {"tokenizer.json", "spiece.model", "tokenizer.model", "sentencepiece.bpe.model"};

// Anything that cannot be looked at counts as absent: a name too long, a loop of links, a folder without permission.
bool is_there(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

/// Names of the parts in a file.
std::vector<std::string> parts_of(const fs::path& file) {
  std::set<std::string> parts;  // a training's file has several of a kind
  try {
    for (const Component& component : find_components(tensor::load_checkpoint(file).tensors))
      parts.emplace(name(component.found.part));
  } catch (const Error&) {
    // Of something else, or damaged: whoever needs it will say so.
  }
  return {parts.begin(), parts.end()};
}

/// By contents where the names did not tell; what is found nowhere goes to `missing`.
class Search {
 public:
  explicit Search(const fs::path& directory) : directory_(directory) {}

  fs::path by_name(Names names) const {
    for (const char* name : names)
      if (is_there(directory_ / name)) return directory_ / name;
    return {};
  }
  /// The same for checkpoints: a folder stands for one if the file in it has the name that its library loads.
  fs::path checkpoint_by_name(Names names) const {
    std::error_code ignored;
    for (const char* name : names) {
      const fs::path path = directory_ / name;
      if (!is_there(path)) continue;
      if (!fs::is_directory(path, ignored)) return path;
      const auto files = tensor::checkpoints_in(path);
      if (!files.empty() && !files.front().rank.is_other_name) return path;
    }
    return {};
  }
  fs::path by_contents(Part part, Names names, const char* advice) {
    if (!files_) files_ = tensor::find_parts(directory_, parts_of);
    const std::vector<fs::path>& found = (*files_)[std::string(name(part))];
    if (found.empty()) missing.emplace_back(*names.begin());
    if (found.size() < 2) return found.empty() ? fs::path() : found.front();
    std::vector<std::string> list;
    for (const fs::path& file : found) list.push_back(file.lexically_relative(directory_).string());
    fail(ErrorCode::invalid_argument, "'{}' has several files with a {} of a Wan model ({}); {}", directory_.string(),
         name(part), fmt::join(list, ", "), advice);
  }

  std::vector<std::string> missing;

 private:
  const fs::path& directory_;
  std::optional<tensor::PartFiles> files_;
};

std::string text_of(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

/// The class of a part of a diffusers pipeline: ["diffusers", "WanTransformer3DModel"].
std::string class_of(const json& index, const char* part) {
  const auto found = index.find(part);
  if (found == index.end() || !found->is_array() || found->size() != 2 || !(*found)[1].is_string()) return "";
  return (*found)[1].get<std::string>();
}

bool is_wan_pipeline(const json& index) {
  return text_of(index, "_class_name").find("Wan") != std::string::npos ||
         class_of(index, "transformer").find("Wan") != std::string::npos;
}

void check_pipeline(const fs::path& directory) {
  const json index = read_json_object(directory / "model_index.json");
  if (index.empty()) return;
  require(is_wan_pipeline(index), ErrorCode::unsupported, "'{}' holds the pipeline '{}', which is not one of Wan",
          directory.string(), printable(text_of(index, "_class_name")));
  require(
      class_of(index, "transformer_2").empty(), ErrorCode::unsupported,
      "'{}' is a model of two transformers, one for high and one for low noise (Wan 2.2), which rushes does not run",
      directory.string());
}

/// Whether a text names a way of training few-step models.
bool names_distillation(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  for (const char* word : {"self-forcing", "self_forcing", "selfforcing", "causvid", "dmd", "distill"})
    if (text.find(word) != std::string::npos) return true;
  return false;
}
/// The same of the name of a class; the published models that attend to the past only are few-step models.
bool is_few_step_class(const std::string& type) {
  return names_distillation(type) || type.find("Causal") != std::string::npos;
}

}  // namespace

fs::path find_tokenizer(const fs::path& directory) {
  for (const fs::path& folder : tensor::folders_of_model(directory))
    for (const char* name : kTokenizerFiles)
      if (is_there(folder / name)) return folder / name;
  return {};
}

PublishedFiles find_published(const fs::path& directory, const std::optional<fs::path>& checkpoint) {
  check_pipeline(directory);
  Search search(directory);
  PublishedFiles found;
  found.transformer = checkpoint ? *checkpoint : search.checkpoint_by_name(kTransformers);
  found.text_encoder = search.checkpoint_by_name(kTextEncoders);
  found.vae = search.checkpoint_by_name(kVaes);
  found.tokenizer = search.by_name(kTokenizers);
  constexpr const char* kAdvice = "move the others away, or name the file in a model.yaml";
  if (found.transformer.empty())
    found.transformer =
        search.by_contents(Part::transformer, kTransformers, "name one with --checkpoint, or in a model.yaml");
  if (found.text_encoder.empty()) found.text_encoder = search.by_contents(Part::text_encoder, kTextEncoders, kAdvice);
  if (found.vae.empty()) found.vae = search.by_contents(Part::vae, kVaes, kAdvice);
  // One that the text encoder brings along is its own; any other in a folder of many models may be another model's.
  if (found.tokenizer.empty() && !found.text_encoder.empty() && embedded_tokenizer(found.text_encoder))
    found.tokenizer = found.text_encoder;
  if (found.tokenizer.empty()) found.tokenizer = find_tokenizer(directory);
  if (found.tokenizer.empty()) search.missing.emplace_back(*kTokenizers.begin());
  require(search.missing.empty(), ErrorCode::not_found,
          "'{}' has neither a {} nor all files of a published Wan model: missing {}", directory.string(), kManifestName,
          fmt::join(search.missing, ", "));
  return found;
}

bool has_published_layout(const fs::path& directory) {
  if (is_there(directory / *kVaes.begin()) || is_there(directory / *kTextEncoders.begin())) return true;
  const json index = read_json_object(directory / "model_index.json");
  if (!index.empty()) return is_wan_pipeline(index);
  const tensor::PartFiles found = tensor::find_parts(directory, parts_of);
  const auto has = [&](Part part) { return found.count(std::string(name(part))) > 0; };
  return has(Part::transformer) && (has(Part::text_encoder) || has(Part::vae));
}

SamplerChoice choose_sampler(const fs::path& directory, const fs::path& transformer) {
  const auto checkpoint = tensor::load_checkpoint(transformer);
  for (const Component& component : find_components(checkpoint.tensors)) {
    const std::string branch = component.found.prefix.substr(0, component.found.prefix.find('.'));
    if (component.found.part == Part::transformer && (branch == "generator" || branch == "generator_ema"))
      return {true, false,
              fmt::format("its weights are a '{}', as only the training of few-step models writes", branch)};
  }
  for (const auto& [key, value] : checkpoint.metadata)
    if (names_distillation(value)) return {true, false, fmt::format("its metadata has '{}'", printable(value))};
  const json index = read_json_object(directory / "model_index.json");
  const bool is_of_pipeline =
      transformer.parent_path() == directory / "transformer" || transformer == directory / "transformer";
  if (const std::string pipeline = text_of(index, "_class_name"); is_of_pipeline && !pipeline.empty()) {
    const std::string all =
        fmt::format("{} {} {} {}", pipeline, class_of(index, "transformer"), class_of(index, "scheduler"),
                    text_of(read_json_object(directory / "scheduler/scheduler_config.json"), "_class_name"));
    return {is_few_step_class(all), false, fmt::format("it belongs to the pipeline '{}'", printable(pipeline))};
  }
  if (const std::string type = text_of(config_json_of(transformer), "_class_name"); !type.empty())
    return {is_few_step_class(type), false, fmt::format("its config.json says '{}'", printable(type))};
  return {false, true, "neither the file nor a config.json of it tells how its weights were trained"};
}

void apply_scheduler_config(const fs::path& directory, Defaults& defaults) {
  const json config = read_json_object(directory / "scheduler/scheduler_config.json");
  for (const char* key : {"shift", "flow_shift"})
    if (const auto shift = config.find(key); shift != config.end() && shift->is_number())
      if (const auto value = shift->get<double>(); value >= 0.01 && value <= 100) defaults.timestep_shift = value;
  const std::string type = text_of(config, "_class_name");
  if (type.starts_with("DPMSolver")) defaults.solver = "dpm++";
  if (type.starts_with("FlowMatchEuler")) defaults.solver = "euler";
}

}  // namespace rushes::wan
