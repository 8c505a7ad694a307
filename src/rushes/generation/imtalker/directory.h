// A talking-head model on disk: which files hold its parts, their dimensions, and the values a request starts from.
// Read from a manifest `model.yaml`, or found in a directory with the published file names. Nothing is loaded here.
//
//   schema: 1
//   name: shipped-talk
//   family: imtalker
//   renderer:         {feature_dims: [...], spatial_dims: [...], dim_motion: 32, ...}  # fields of RendererConfig
//   motion_generator: {window_seconds: 2.0, dim_hidden: 512, ...}                      # of imtalker::GeneratorConfig
//   audio_encoder:    {hidden_size: 768, conv_dim: [...], ...}                         # of wav2vec::Config
//   defaults:         {nfe: 10, cfg_scale: 2.0, motion_scale: 1.0, ...}                # optional, of TalkDefaults
//
// Weights lie beside it: renderer.safetensors, motion_generator.safetensors, audio_encoder.safetensors, with the names
// of the published checkpoints (with or without their prefixes), and optionally face_detector.safetensors.
#pragma once
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "rushes/models/imtalker/config.h"
#include "rushes/models/wav2vec/config.h"

namespace rushes::tensor {
class WeightMap;
}
namespace rushes::generation {

/// What a request gets when it does not say otherwise.
struct TalkDefaults {
  int64_t nfe = 10;              // time points of the solver, one more than its steps
  double cfg_scale = 2.0;        // guidance by speech
  double motion_scale = 1.0;     // of the motion away from the portrait's own; the published servers use 0.6
  bool normalise_audio = false;  // each piece of speech to mean 0 and variance 1 before it is encoded
  double chunk_seconds = 1.0;    // of speech that becomes motion at once
  bool operator==(const TalkDefaults&) const = default;
};

struct TalkDirectory {
  std::filesystem::path directory;  // every file below is beside the manifest or absolute
  std::string name;
  std::filesystem::path renderer, motion_generator;
  std::filesystem::path audio_encoder;  // empty: the motion generator's file brings it along
  std::optional<std::filesystem::path> face_detector;
  imtalker::RendererConfig renderer_config;
  imtalker::GeneratorConfig generator_config;
  wav2vec::Config audio_config;
  TalkDefaults defaults;
  bool operator==(const TalkDirectory&) const = default;
};

/// Reads `directory/model.yaml`, or, without one, looks for the published layout (renderer.ckpt, generator.ckpt,
/// wav2vec2-base-960h/), else for files of other names by what they hold, here and in the folders below. Throws
/// Error(not_found) with what is missing, Error(invalid_argument) naming file and field.
TalkDirectory open_talk_directory(const std::filesystem::path& directory);

/// The manifest alone, from text. `source` stands in messages. Throws Error(invalid_argument): unknown key, wrong type,
/// value out of range.
TalkDirectory parse_talk_manifest(const std::string& yaml, const std::filesystem::path& directory,
                                  const std::string& source);

/// The manifest of `model`, with every field. parse_talk_manifest(talk_manifest_yaml(m), m.directory, ..) == m for a
/// model whose files have the names above.
std::string talk_manifest_yaml(const TalkDirectory& model);

/// The same fields as JSON: an object for each section.
nlohmann::ordered_json talk_fields(const TalkDirectory& model);

/// A directory with a manifest of this kind, or with the files of a published one.
bool is_talk_directory(const std::filesystem::path& directory);

/// The parts of a talking head in a file: "renderer", "motion_generator", "audio_encoder", "face_detector".
std::vector<std::string> talk_parts(const tensor::WeightMap& tensors);

}  // namespace rushes::generation
