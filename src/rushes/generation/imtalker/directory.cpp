#include "rushes/generation/imtalker/directory.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <tuple>

#include "rushes/base/error.h"
#include "rushes/base/manifest.h"
#include "rushes/models/wav2vec/checkpoint.h"
#include "rushes/models/wav2vec/config_fields.h"
#include "rushes/tensor/checkpoint.h"
#include "rushes/tensor/checkpoint_folder.h"

namespace rushes::generation {
namespace {

namespace fs = std::filesystem;
// Far above every published model; small enough that no product of two overflows.
constexpr FieldRange kWidth{1, 1 << 16};

template <typename Config, typename Visitor>
void visit_renderer(Config& config, Visitor&& visit) {
  visit("feature_dims", config.feature_dims, kWidth);
  visit("spatial_dims", config.spatial_dims, FieldRange{1, 2048});
  visit("dim_motion", config.dim_motion, kWidth);
  visit("dim_app", config.dim_app, kWidth);
  visit("motion_encoder_initial", config.motion_encoder_initial, kWidth);
  visit("motion_encoder_channels", config.motion_encoder_channels, kWidth);
  visit("const_dim", config.const_dim, kWidth);
  visit("const_size", config.const_size, FieldRange{1, 64});
  visit("swin_res_threshold", config.swin_res_threshold, FieldRange{1, 4096});
  visit("window_size", config.window_size, FieldRange{1, 64});
  visit("num_heads", config.num_heads, FieldRange{1, 1024});
}

template <typename Config, typename Visitor>
void visit_generator(Config& config, Visitor&& visit) {
  visit("fps", config.fps, FieldRange{1, 240});
  visit("sampling_rate", config.sampling_rate, FieldRange{1000, 192'000});
  visit("window_seconds", config.window_seconds, FieldRange{0.01, 60});
  visit("num_prev_frames", config.num_prev_frames, FieldRange{1, 1000});
  visit("dim_audio", config.dim_audio, kWidth);
  visit("dim_condition", config.dim_condition, kWidth);
  visit("dim_motion", config.dim_motion, kWidth);
  visit("dim_hidden", config.dim_hidden, kWidth);
  visit("num_heads", config.num_heads, FieldRange{1, 1024});
  visit("depth", config.depth, FieldRange{1, 1000});
  visit("mlp_ratio", config.mlp_ratio, FieldRange{0.1, 64});
}

template <typename Config, typename Visitor>
void visit_defaults(Config& defaults, Visitor&& visit) {
  visit("nfe", defaults.nfe, FieldRange{2, 1000});
  visit("cfg_scale", defaults.cfg_scale, FieldRange{0, 20});
  visit("motion_scale", defaults.motion_scale, FieldRange{0, 4});
  visit("normalise_audio", defaults.normalise_audio, FieldRange{0, 1});
  visit("chunk_seconds", defaults.chunk_seconds, FieldRange{0.04, 10});
}

/// Calls `visit` with the name of each section and a function that gives its fields to a visitor.
template <typename Visit>
void each_section(const TalkDirectory& model, Visit visit) {
  visit("renderer", [&](auto&& to) { visit_renderer(model.renderer_config, to); });
  visit("motion_generator", [&](auto&& to) { visit_generator(model.generator_config, to); });
  visit("audio_encoder", [&](auto&& to) { wav2vec::visit_sizes(model.audio_config, to); });
  visit("defaults", [&](auto&& to) { visit_defaults(model.defaults, to); });
}

void check_dimensions(const TalkDirectory& model, const std::string& source) {
  const auto& [renderer, generator, audio] =
      std::tie(model.renderer_config, model.generator_config, model.audio_config);
  const auto equal = [&](const char* first, int64_t a, const char* second, int64_t b) {
    require(a == b, ErrorCode::invalid_argument, "{}: {} is {}, but {} is {}; they must be equal", source, first, a,
            second, b);
  };
  equal("renderer.dim_motion", renderer.dim_motion, "motion_generator.dim_motion", generator.dim_motion);
  equal("motion_generator.dim_audio", generator.dim_audio, "audio_encoder.hidden_size", audio.hidden_size);
  equal("the length of renderer.feature_dims", renderer.levels(), "that of renderer.spatial_dims",
        static_cast<int64_t>(renderer.spatial_dims.size()));
  equal("the length of audio_encoder.conv_dim", static_cast<int64_t>(audio.conv_dim.size()), "that of conv_kernel",
        static_cast<int64_t>(audio.conv_kernel.size()));
  equal("the length of audio_encoder.conv_dim", static_cast<int64_t>(audio.conv_dim.size()), "that of conv_stride",
        static_cast<int64_t>(audio.conv_stride.size()));
  const double samples = static_cast<double>(generator.sampling_rate) / generator.fps;
  require(samples == std::floor(samples), ErrorCode::unsupported,
          "{}: motion_generator: {} audio samples per second cannot be divided evenly among {} video frames per second",
          source, generator.sampling_rate, generator.fps);
}

std::vector<std::string> parts_of(const fs::path& file) {
  try {
    return talk_parts(tensor::load_checkpoint(file).tensors);
  } catch (const Error&) {
    return {};  // of something else, or damaged: whoever needs it will say so
  }
}

/// The one file of a part; empty where there is none.
fs::path only(const tensor::PartFiles& files, const char* part, const fs::path& directory) {
  const auto found = files.find(part);
  if (found == files.end()) return {};
  std::vector<std::string> names;
  for (const fs::path& file : found->second) names.push_back(file.lexically_relative(directory).string());
  require(names.size() == 1, ErrorCode::invalid_argument,
          "'{}' has several files with a {} of a talking head ({}); move the others away", directory.string(), part,
          fmt::join(names, ", "));
  return found->second.front();
}

/// By the published names, else by contents, in the folder and those below it.
TalkDirectory published_layout(const fs::path& directory) {
  TalkDirectory model;
  model.directory = directory;
  model.name = directory.filename().string();
  model.renderer = directory / "renderer.ckpt";
  model.motion_generator = directory / "generator.ckpt";
  model.audio_encoder = directory / "wav2vec2-base-960h";
  std::error_code ignored;
  const auto is_there = [&](const fs::path& path) { return fs::exists(path, ignored); };
  if (!is_there(model.renderer) || !is_there(model.motion_generator) || !is_there(model.audio_encoder)) {
    tensor::PartFiles files = tensor::find_parts(directory, parts_of);
    std::vector<std::string> missing;
    const auto look = [&](fs::path& path, const char* part) {
      if (is_there(path)) return;
      fs::path found = only(files, part, directory);
      if (found.empty()) missing.push_back(path.filename().string());
      path = std::move(found);
    };
    look(model.renderer, "renderer");
    look(model.motion_generator, "motion_generator");
    // A motion generator may bring the encoder that it was trained with; another one beside it is that of the model.
    auto& encoders = files["audio_encoder"];
    const bool brings_one = std::erase(encoders, model.motion_generator) > 0;
    if (encoders.empty()) files.erase("audio_encoder");
    if (brings_one && files.count("audio_encoder") == 0 && !is_there(model.audio_encoder))
      model.audio_encoder.clear();
    else
      look(model.audio_encoder, "audio_encoder");
    require(missing.empty(), ErrorCode::not_found,
            "'{}' is not a talking-head model: it has neither {} nor all files of a published one: missing {}",
            directory.string(), kManifestName, fmt::join(missing, ", "));
  }
  if (!model.audio_encoder.empty()) model.audio_config = wav2vec::read_config(model.audio_encoder);
  model.generator_config.dim_audio = model.audio_config.hidden_size;
  model.defaults.motion_scale = 0.6;
  check_dimensions(model, directory.string());
  return model;
}

std::optional<fs::path> find_detector(const fs::path& directory) {
  for (const char* name : {"face_detector.safetensors", "s3fd.pth"})
    if (fs::exists(directory / name)) return directory / name;
  return std::nullopt;
}

}  // namespace

TalkDirectory parse_talk_manifest(const std::string& yaml, const fs::path& directory, const std::string& source) {
  TalkDirectory model;
  model.directory = directory;
  read_manifest(yaml, directory, source, "imtalker", [&](std::string name, ManifestSection& top) {
    model.name = std::move(name);
    const auto read = [&](const char* key, auto visit_fields, auto& config) {
      if (!top.has(key)) return;
      ManifestSection section = top.section(key);
      visit_fields(config, section);
      section.finish();
    };
    read(
        "renderer", [](auto& config, auto& section) { visit_renderer(config, section); }, model.renderer_config);
    read(
        "motion_generator", [](auto& config, auto& section) { visit_generator(config, section); },
        model.generator_config);
    read(
        "audio_encoder", [](auto& config, auto& section) { wav2vec::visit_sizes(config, section); },
        model.audio_config);
    read(
        "defaults", [](auto& config, auto& section) { visit_defaults(config, section); }, model.defaults);
  });
  check_dimensions(model, source);
  model.renderer = directory / "renderer.safetensors";
  model.motion_generator = directory / "motion_generator.safetensors";
  model.audio_encoder = directory / "audio_encoder.safetensors";
  model.face_detector = find_detector(directory);
  return model;
}

TalkDirectory open_talk_directory(const fs::path& directory) {
  require(fs::is_directory(directory), ErrorCode::not_found,
          "'{}' is not a directory; give the directory of a talking-head model", directory.string());
  const fs::path manifest = directory / kManifestName;
  if (!fs::exists(manifest)) {
    TalkDirectory model = published_layout(directory);
    model.face_detector = find_detector(directory);
    return model;
  }
  return parse_talk_manifest(manifest_text(directory), directory, manifest.string());
}

std::string talk_manifest_yaml(const TalkDirectory& model) {
  ManifestWriter out(model.name, "imtalker");
  each_section(model, [&](const char* key, auto visit_fields) {
    out.begin(key);
    visit_fields(out);
    out.end();
  });
  return out.finish();
}

nlohmann::ordered_json talk_fields(const TalkDirectory& model) {
  nlohmann::ordered_json all;
  each_section(model, [&](const char* key, auto visit_fields) {
    nlohmann::ordered_json& section = all[key] = nlohmann::ordered_json::object();
    visit_fields([&](const char* field, const auto& value, FieldRange = kAny) { section[field] = value; });
  });
  return all;
}

bool is_talk_directory(const fs::path& directory) {
  if (const auto family = manifest_family(directory)) return *family == "imtalker";
  std::error_code status;
  if (fs::exists(directory / "renderer.ckpt", status) && fs::exists(directory / "generator.ckpt", status)) return true;
  const tensor::PartFiles files = tensor::find_parts(directory, parts_of);
  return files.count("renderer") > 0 && files.count("motion_generator") > 0;
}

std::vector<std::string> talk_parts(const tensor::WeightMap& tensors) {
  // Of each part's names one that none of the others has.
  constexpr std::pair<const char*, std::string_view> kKeys[] = {{"renderer", "latent_token_decoder."},
                                                                {"motion_generator", "fmt.x_embedder."},
                                                                {"audio_encoder", "feature_extractor.conv_layers."},
                                                                {"face_detector", "conv3_3_norm_mbox_conf."}};
  std::vector<std::string> parts;
  for (const auto& [part, name] : kKeys)
    if (std::any_of(tensors.tensors().begin(), tensors.tensors().end(), [&, part_name = name](const auto& entry) {
          return entry.first.find(part_name) != std::string::npos;
        }))
      parts.emplace_back(part);
  return parts;
}

}  // namespace rushes::generation
