// A Ditto model on disk: which files hold its networks, what their shapes do not tell, and the settings that a session
// starts from. Read from a manifest `model.yaml`, or found in a directory with the published file names. No weight is
// loaded here.
//
//   schema: 1
//   name: shipped-ditto
//   family: ditto
//   renderer:      {image_side: 256, appearance_depth: 16}
//   motion:        {heads: 8, frames: 80, use_emo: true, use_eye_open: true, use_eye_ball: true, use_sc: true}
//   audio_encoder: {hidden_size: 1024, conv_dim: [...], ...}       # of wav2vec::Config, HuBERT-large where nothing is
//   said defaults:      {online_mode: true, overlap_v2: 70, ...}        # options of a session
//
// Beside it: appearance_extractor, motion_extractor, warp_network, decoder, stitch_network, lmdm and audio_encoder,
// each .safetensors with the published names, and config.safetensors with the arrays among the settings: emo,
// v_min_max_for_clip, delta_eye_arr, and ch_info.{x_s_info, sc, eye_open, eye_ball} of a reference character.
#pragma once
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "rushes/base/options.h"
#include "rushes/generation/ditto/settings.h"
#include "rushes/models/wav2vec/config.h"

namespace rushes::generation {

struct DittoMotionConfig {
  int64_t heads = 8;
  int64_t frames = 80;  // T of a window
  bool use_emo = true, use_eye_open = true, use_eye_ball = true, use_sc = true;
  bool operator==(const DittoMotionConfig&) const = default;
};

struct DittoDirectory {
  std::filesystem::path directory;
  std::string name;
  /// By part: appearance_extractor, motion_extractor, warp_network, decoder, stitch_network, lmdm, audio_encoder; and
  /// config, which may be missing.
  std::map<std::string, std::filesystem::path> files;
  int64_t image_side = 256, appearance_depth = 16;
  DittoMotionConfig motion;
  wav2vec::Config audio = wav2vec::Config::hubert_large();
  Options defaults;                     // what the manifest says of them, checked
  std::filesystem::path configuration;  // read over all of that; empty: none
};

/// The parts, in the order of the data path.
inline constexpr const char* kDittoParts[] = {
    "audio_encoder", "lmdm", "motion_extractor", "appearance_extractor", "stitch_network", "warp_network", "decoder"};

/// Reads `directory/model.yaml`, or, without one, looks for the published layout (ditto_pytorch/models/*.pth, with
/// ditto_cfg/*.pkl and HuBERT in hubert-large-ls960-ft/ beside it, here or in the folders below). Throws
/// Error(not_found) with what is missing, Error(invalid_argument) naming file and field.
DittoDirectory open_ditto_directory(const std::filesystem::path& directory);

/// The manifest alone, from text. `source` stands in messages.
DittoDirectory parse_ditto_manifest(const std::string& yaml, const std::filesystem::path& directory,
                                    const std::string& source);
/// The manifest of `model`, with every field.
std::string ditto_manifest_yaml(const DittoDirectory& model);

/// A directory with a manifest of this kind, or with the files of a published one.
bool is_ditto_directory(const std::filesystem::path& directory);

/// The settings that a session of this model starts from: the manifest's, with the arrays of its configuration. Reads
/// files.
DittoSettings ditto_settings(const DittoDirectory& model);

}  // namespace rushes::generation
