#include "rushes/generation/foresight/model_directory.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "rushes/base/error.h"
#include "rushes/base/manifest.h"
#include "rushes/generation/foresight/default_fields.h"
#include "rushes/models/dinov2/checkpoint.h"
#include "rushes/models/foresight/adapter.h"
#include "rushes/tensor/checkpoint.h"
#include "rushes/tensor/checkpoint_folder.h"
#include "rushes/tensor/ops.h"

namespace rushes::generation {
namespace {

namespace fs = std::filesystem;
constexpr const char* kFamily = "foresight";
constexpr const char* kSingleFileKey = "model.diffusion_model.patchify_proj.weight";

bool is_there(const fs::path& path) {
  std::error_code ignored;
  return !path.empty() && fs::exists(path, ignored);
}

/// spiece.model itself, where a folder also has a tokenizer.json that was made of it.
fs::path tokenizer_in(const fs::path& folder) {
  return is_there(folder / "spiece.model") ? folder / "spiece.model" : is_there(folder) ? folder : fs::path();
}

void add_text_files(ForesightDirectory& model) {
  if (model.video.empty()) return;
  const fs::path near = fs::is_directory(model.video) ? model.video : model.video.parent_path();
  if (model.text_encoder.empty() && is_there(near / "text_encoder")) model.text_encoder = near / "text_encoder";
  if (model.tokenizer.empty()) model.tokenizer = tokenizer_in(near / "tokenizer");
  if (model.tokenizer.empty() && !model.text_encoder.empty() && is_there(model.text_encoder / "spiece.model"))
    model.tokenizer = model.text_encoder / "spiece.model";
}

void check(const ForesightDirectory& model, const std::string& source) {
  require(!model.language.empty() || !model.video.empty(), ErrorCode::not_found,
          "{} names neither a language model nor a video model", source);
  std::vector<std::string> missing;
  if (!model.video.empty() && model.text_encoder.empty()) missing.emplace_back("text_encoder (T5 v1.1 XXL)");
  if (!model.video.empty() && model.tokenizer.empty()) missing.emplace_back("tokenizer (spiece.model)");
  if (!model.adapter.empty() && model.spatial.empty()) missing.emplace_back("spatial (DINOv2), which an adapter reads");
  require(missing.empty(), ErrorCode::not_found, "{}: missing {}", source, fmt::join(missing, ", "));
  require(model.defaults.conditioning == PromptSource::prompt || !model.adapter.empty(), ErrorCode::invalid_argument,
          "{}: 'defaults.conditioning' is adapter, but there is none", source);
}

fs::path file_or_folder(ManifestSection& section) {
  section.check(section.has("file") != section.has("folder"), "file", "or folder must be given, one of both");
  return section.has("file") ? section.file("file") : section.file("folder");
}

ForesightDirectory parse(const fs::path& directory) {
  ForesightDirectory model;
  model.directory = directory;
  const std::string source = "'" + (directory / kManifestName).string() + "'";
  const auto part = [&](ManifestSection& top, const char* key, fs::path& path, auto more) {
    if (!top.has(key)) return;
    ManifestSection section = top.section(key);
    path = file_or_folder(section);
    more(section);
    section.finish();
  };
  read_manifest(manifest_text(directory), directory, source, kFamily, [&](std::string name, ManifestSection& top) {
    model.name = std::move(name);
    part(top, "language", model.language, [](ManifestSection&) {});
    part(top, "video", model.video, [&](ManifestSection& section) {
      if (section.has("text_encoder")) model.text_encoder = section.file("text_encoder");
      if (section.has("tokenizer")) model.tokenizer = section.file("tokenizer");
    });
    part(top, "spatial", model.spatial, [&](ManifestSection& section) {
      section("square", model.spatial_square, FieldRange{14, 4096});
    });
    part(top, "adapter", model.adapter, [&](ManifestSection& section) {
      section("num_heads", model.adapter_heads, FieldRange{1, 1024});
    });
    model.trained_for = read_trained_for(top);
    model.words = read_words(top);
    if (!top.has("defaults")) return;
    ManifestSection section = top.section("defaults");
    visit_default_fields(model.defaults, section);
    section.finish();
  });
  add_text_files(model);
  check(model, source);
  return model;
}

// ---- published folders ----------------------------------------------------------------------------------------------

nlohmann::json config_in(const fs::path& folder) {
  constexpr std::uintmax_t kMostBytes = 1 << 20;
  std::error_code refused;
  const fs::path file = folder / "config.json";
  if (!fs::is_regular_file(file, refused) || fs::file_size(file, refused) > kMostBytes) return nullptr;
  std::ifstream in(file);
  auto json = nlohmann::json::parse(in, nullptr, /*allow_exceptions=*/false);
  return json.is_object() ? json : nlohmann::json();
}

/// model_type of the transformers library, or _class_name of diffusers.
std::string kind_of(const fs::path& folder) {
  const nlohmann::json json = config_in(folder);
  if (json.is_null()) return {};
  for (const char* key : {"model_type", "_class_name"})
    if (const auto found = json.find(key); found != json.end() && found->is_string()) return found->get<std::string>();
  return {};
}

std::vector<std::string> parts_of(const fs::path& file) {
  try {
    const tensor::WeightMap tensors = tensor::load_checkpoint(file).tensors;
    if (tensors.contains(kSingleFileKey)) return {"video"};
    if (dinov2::is_dinov2(tensors)) return {"spatial"};
    if (foresight::is_adapter(tensors)) return {"adapter"};
  } catch (const Error&) {  // something else
  }
  return {};
}

/// What folders say by their config.json.
std::map<std::string, std::vector<fs::path>> folders_by_part(const fs::path& directory) {
  std::map<std::string, std::vector<fs::path>> found;
  for (const fs::path& folder : tensor::folders_of_model(directory)) {
    const std::string kind = kind_of(folder);
    if (kind == "qwen2_5_vl") found["language"].push_back(folder);
    if (kind == "dinov2") found["spatial"].push_back(folder);
    if (kind == "t5") found["text_encoder"].push_back(folder);
    if (kind_of(folder / "transformer") == "LTXVideoTransformer3DModel") found["video"].push_back(folder);
    if (is_there(folder / "spiece.model")) found["tokenizer"].push_back(folder / "spiece.model");
  }
  return found;
}

ForesightDirectory open_published(const fs::path& directory) {
  auto found = folders_by_part(directory);
  for (auto& [part, files] : tensor::find_parts(directory, parts_of))
    if (found[part].empty()) found[part] = files;
  ForesightDirectory model;
  model.directory = directory;
  model.name =
      directory.filename().empty() ? directory.parent_path().filename().string() : directory.filename().string();
  const auto choose = [&](const char* part) {
    const auto& candidates = found[part];
    std::vector<std::string> names;
    for (const fs::path& candidate : candidates) names.push_back(candidate.string());
    require(candidates.size() <= 1, ErrorCode::invalid_argument, "'{}' has several of '{}': {}; name one in a {}",
            directory.string(), part, fmt::join(names, ", "), kManifestName);
    return candidates.empty() ? fs::path() : candidates.front();
  };
  model.language = choose("language");
  model.video = choose("video");
  require(!model.language.empty() || !model.video.empty(), ErrorCode::not_found,
          "'{}' has neither a {} nor all files of a published model: neither Qwen2.5-VL nor LTX-Video is in it",
          directory.string(), kManifestName);
  add_text_files(model);
  if (!model.video.empty() && model.text_encoder.empty()) model.text_encoder = choose("text_encoder");
  if (!model.video.empty() && model.tokenizer.empty()) model.tokenizer = choose("tokenizer");
  model.adapter = choose("adapter");
  if (!model.adapter.empty()) model.spatial = choose("spatial");
  check(model, "'" + directory.string() + "'");
  return model;
}

}  // namespace

ForesightDirectory open_foresight_directory(const fs::path& directory) {
  const fs::path folder = fs::absolute(directory).lexically_normal();
  std::error_code ignored;
  require(fs::is_directory(folder, ignored), ErrorCode::not_found, "there is no model folder '{}'", folder.string());
  return is_there(folder / kManifestName) ? parse(folder) : open_published(folder);
}

bool is_foresight_directory(const fs::path& directory) {
  if (const auto family = manifest_family(directory)) return *family == kFamily;
  std::error_code ignored;
  if (!fs::is_directory(directory, ignored)) return false;
  const auto folders = folders_by_part(directory);
  return folders.contains("language") || folders.contains("video") ||
         tensor::find_parts(directory, parts_of).contains("video");
}

std::string foresight_manifest(const ForesightDirectory& model) {
  const auto relative = [&](const fs::path& path) { return path.lexically_relative(model.directory).string(); };
  ManifestWriter out(model.name, kFamily);
  const auto part = [&](const char* name, const fs::path& path, auto more) {
    if (path.empty()) return;
    out.begin(name);
    out(fs::is_directory(path) ? "folder" : "file", relative(path));
    more();
    out.end();
  };
  part("language", model.language, [] {});
  part("video", model.video, [&] {
    out("text_encoder", relative(model.text_encoder));
    out("tokenizer", relative(model.tokenizer));
  });
  part("spatial", model.spatial, [&] { out("square", model.spatial_square); });
  part("adapter", model.adapter, [&] {
    if (model.adapter_heads > 0) out("num_heads", model.adapter_heads);
  });
  out.begin("defaults");
  visit_default_fields(model.defaults, out);
  out.end();
  write_trained_for(out, model.trained_for);
  write_words(out, model.words);
  return out.finish();
}

}  // namespace rushes::generation
