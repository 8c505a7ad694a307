#include "rushes/generation/ditto/directory.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "rushes/base/error.h"
#include "rushes/base/manifest.h"
#include "rushes/generation/ditto/configuration.h"
#include "rushes/generation/ditto/detectors.h"
#include "rushes/models/ditto/conditions.h"
#include "rushes/models/wav2vec/checkpoint.h"
#include "rushes/models/wav2vec/config_fields.h"

namespace rushes::generation {
namespace {

namespace fs = std::filesystem;
constexpr int64_t kNeutral = 4;  // of the emotions

/// Published file names by part.
constexpr std::pair<const char*, const char*> kPublished[] = {{"appearance_extractor", "appearance_extractor.pth"},
                                                              {"motion_extractor", "motion_extractor.pth"},
                                                              {"warp_network", "warp_network.pth"},
                                                              {"decoder", "decoder.pth"},
                                                              {"stitch_network", "stitch_network.pth"},
                                                              {"lmdm", "lmdm_v0.4_hubert.pth"}};
/// Where they may lie below the folder that a user names.
constexpr const char* kModelFolders[] = {"", "models", "ditto_pytorch/models", "checkpoints/ditto_pytorch/models"};
constexpr const char* kEncoderFolders[] = {"hubert-large-ls960-ft", "aux_models/hubert-large-ls960-ft"};
constexpr const char* kConfigurations[] = {"v0.4_hubert_cfg_pytorch_online.pkl", "v0.4_hubert_cfg_trt_online.pkl",
                                           "v0.4_hubert_cfg_pytorch.pkl", "v0.4_hubert_cfg_trt.pkl"};

template <typename Config, typename Visitor>
void visit_motion(Config& config, Visitor&& visit) {
  visit("heads", config.heads, FieldRange{1, 1024});
  visit("frames", config.frames, FieldRange{2, 10'000});
  visit("use_emo", config.use_emo);
  visit("use_eye_open", config.use_eye_open);
  visit("use_eye_ball", config.use_eye_ball);
  visit("use_sc", config.use_sc);
}

template <typename Model, typename Visitor>
void visit_renderer(Model& model, Visitor&& visit) {
  visit("image_side", model.image_side, FieldRange{32, 1024});
  visit("appearance_depth", model.appearance_depth, FieldRange{1, 1024});
}

template <typename Config, typename Visitor>
void visit_audio(Config& config, Visitor&& visit) {
  wav2vec::visit_sizes(config, visit);
  visit("conv_bias", config.conv_bias);
  visit("feature_layer_norm", config.feature_layer_norm);
  visit("stable_layer_norm", config.stable_layer_norm);
}

/// The options of a session by their own list of fields: what a client may say, a manifest may say too.
void read_defaults(ManifestSection& section, Options& defaults) {
  const std::vector<OptionField> fields = ditto_options({});
  Options given;
  for (const OptionField& field : fields) {
    if (!section.has(field.name)) continue;
    const auto read = [&](auto value) {
      section(field.name.c_str(), value);
      given.set(field.name, value);
    };
    switch (field.type) {
      case OptionType::boolean: read(false); break;
      case OptionType::integer: read(int64_t{0}); break;
      case OptionType::number: read(0.0); break;
      case OptionType::numbers: read(std::vector<double>{}); break;
      case OptionType::text:
      case OptionType::choice: read(std::string{}); break;
    }
  }
  try {
    defaults = checked(given, fields);
  } catch (const Error& error) {
    fail(error.code(), "{}: defaults: {}", section.source(), error.what());
  }
}

fs::path found_in(const fs::path& directory, std::initializer_list<fs::path> candidates) {
  std::error_code ignored;
  for (const fs::path& candidate : candidates)
    if (fs::exists(directory / candidate, ignored)) return directory / candidate;
  return {};
}

fs::path published_models(const fs::path& directory) {
  std::error_code ignored;
  for (const char* folder : kModelFolders)
    if (fs::exists(directory / folder / "lmdm_v0.4_hubert.pth", ignored) &&
        fs::exists(directory / folder / "warp_network.pth", ignored))
      return directory / folder;
  return {};
}

/// Around the folder with the models: `checkpoints/` of the published tree, or the folder itself.
fs::path near(const fs::path& models, const fs::path& directory, const fs::path& name) {
  std::error_code ignored;
  for (const fs::path& place : {directory, models, models.parent_path(), models.parent_path().parent_path()})
    if (!place.empty() && fs::exists(place / name, ignored)) return place / name;
  return {};
}

/// Detectors of the published names, where they lie.
void add_detectors(DittoDirectory& model, const fs::path& models) {
  for (const auto& [part, names] : detector_files())
    for (const char* name : names)
      for (const char* folder : {"", "aux_models", "ditto_onnx", "ditto_pytorch/aux_models"})
        if (const fs::path found = near(models, model.directory, fs::path(folder) / name);
            !found.empty() && !model.files.contains(part))
          model.files[part] = found;
  // Points of a face are looked for where a face has been found.
  if (!model.files.contains("detector"))
    for (const char* part : {"landmark106", "landmark203"}) model.files.erase(part);
}

DittoDirectory published_layout(const fs::path& directory) {
  DittoDirectory model;
  model.directory = directory;
  model.name =
      directory.filename().empty() ? directory.parent_path().filename().string() : directory.filename().string();
  const fs::path models = published_models(directory);
  require(
      !models.empty(), ErrorCode::not_found,
      "'{}' is not a Ditto model: it has neither {} nor the published files (ditto_pytorch/models/lmdm_v0.4_hubert.pth "
      "and those beside it)",
      directory.string(), kManifestName);
  std::vector<std::string> missing;
  std::error_code ignored;
  for (const auto& [part, name] : kPublished)
    if (fs::exists(models / name, ignored))
      model.files[part] = models / name;
    else
      missing.emplace_back(name);
  for (const char* folder : kEncoderFolders)
    if (const fs::path found = near(models, directory, folder);
        !found.empty() && !model.files.contains("audio_encoder"))
      model.files["audio_encoder"] = found;
  // The graph only where the plain network is missing: it is slower, in a program of its own.
  for (const char* graph : {"hubert_streaming_fix_kv.onnx", "hubert.onnx"})
    for (const char* folder : {"", "aux_models", "ditto_onnx", "ditto_pytorch/aux_models"})
      if (const fs::path found = near(models, directory, fs::path(folder) / graph);
          !found.empty() && !model.files.contains("audio_encoder"))
        model.files["audio_encoder"] = found;
  if (!model.files.contains("audio_encoder"))
    missing.emplace_back(
        "hubert-large-ls960-ft (the speech encoder; the published set has it only as an ONNX graph, its plain weights "
        "are "
        "those of facebook/hubert-large-ls960-ft)");
  require(missing.empty(), ErrorCode::not_found, "'{}' is an incomplete Ditto model: missing {}", directory.string(),
          fmt::join(missing, ", "));
  if (model.files.at("audio_encoder").extension() != ".onnx")
    model.audio = wav2vec::read_config(model.files.at("audio_encoder"));
  if (model.audio == wav2vec::Config{}) model.audio = wav2vec::Config::hubert_large();
  for (const char* name : kConfigurations)
    if (const fs::path found = near(models, directory, fs::path("ditto_cfg") / name);
        !found.empty() && !model.files.contains("config"))
      model.files["config"] = found;
  add_detectors(model, models);
  return model;
}

}  // namespace

DittoDirectory parse_ditto_manifest(const std::string& yaml, const fs::path& directory, const std::string& source) {
  DittoDirectory model;
  model.directory = directory;
  read_manifest(yaml, directory, source, "ditto", [&](std::string name, ManifestSection& top) {
    model.name = std::move(name);
    const auto read = [&](const char* key, auto&& fields) {
      if (!top.has(key)) return;
      ManifestSection section = top.section(key);
      fields(section);
      section.finish();
    };
    read("renderer", [&](ManifestSection& section) { visit_renderer(model, section); });
    read("motion", [&](ManifestSection& section) { visit_motion(model.motion, section); });
    read("audio_encoder", [&](ManifestSection& section) { visit_audio(model.audio, section); });
    read("defaults", [&](ManifestSection& section) { read_defaults(section, model.defaults); });
  });
  const std::size_t convolutions = model.audio.conv_dim.size();
  require(model.audio.conv_kernel.size() == convolutions && model.audio.conv_stride.size() == convolutions,
          ErrorCode::invalid_argument, "{}: audio_encoder: conv_dim, conv_kernel and conv_stride must be equally long",
          source);
  require(model.image_side % 32 == 0, ErrorCode::invalid_argument,
          "{}: renderer.image_side must be a multiple of 32, got {}", source, model.image_side);
  for (const char* part : kDittoParts) model.files[part] = directory / (std::string(part) + ".safetensors");
  if (const fs::path config = found_in(directory, {"config.safetensors"}); !config.empty())
    model.files["config"] = config;
  add_detectors(model, directory);
  return model;
}

DittoDirectory open_ditto_directory(const fs::path& directory) {
  require(fs::is_directory(directory), ErrorCode::not_found,
          "'{}' is not a directory; give the directory of a Ditto model", directory.string());
  const fs::path manifest = directory / kManifestName;
  if (!fs::exists(manifest)) return published_layout(directory);
  return parse_ditto_manifest(manifest_text(directory), directory, manifest.string());
}

std::string ditto_manifest_yaml(const DittoDirectory& model) {
  ManifestWriter out(model.name, "ditto");
  const auto section = [&](const char* key, auto&& fields) {
    out.begin(key);
    fields();
    out.end();
  };
  section("renderer", [&] { visit_renderer(model, out); });
  section("motion", [&] { visit_motion(model.motion, out); });
  section("audio_encoder", [&] { visit_audio(model.audio, out); });
  section("defaults", [&] {
    for (const auto& [name, value] : model.defaults.values())
      std::visit(
          [&out, &key = name](const auto& given) {
            if constexpr (!std::is_same_v<std::decay_t<decltype(given)>, std::monostate>) out(key.c_str(), given);
          },
          value);
  });
  return out.finish();
}

bool is_ditto_directory(const fs::path& directory) {
  if (const auto family = manifest_family(directory)) return *family == "ditto";
  return !published_models(directory).empty();
}

DittoSettings ditto_settings(const DittoDirectory& model) {
  DittoSettings settings;
  settings.emotion = ditto::emotion_rows({{kNeutral}});
  settings.windows.frames = model.motion.frames;
  if (const auto config = model.files.find("config"); config != model.files.end())
    read_configuration(config->second, settings);
  apply(model.defaults, settings);
  if (!model.configuration.empty()) read_configuration(model.configuration, settings);
  return settings;
}

}  // namespace rushes::generation
