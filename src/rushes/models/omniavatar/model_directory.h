// An avatar's model on disk: which files hold its parts, what the parts look like, and the values that a request starts
// from. Read from a manifest `model.yaml`, or found in a folder with the published files. Nothing is loaded here:
// checkpoint.h does that, part by part.
//
//   schema: 1
//   name: shipped-avatar
//   family: omniavatar
//   transformer:   {file: transformer.safetensors, dim: 192, in_dim: 33, audio_hidden_size: 32, ...}   # wan's fields
//   too text_encoder:  {file: text_encoder.safetensors, dim: 96, ...}                                  # of wan's
//   manifest autoencoder:   {kind: tiny, file: autoencoder.safetensors, ...}                                # the same
//   tokenizer:     tokenizer.model                                                                 # the same
//   audio_encoder: {file: audio_encoder.safetensors, hidden_size: 96, ...}                         # of wav2vec::Config
//   defaults:      {sampler: causal, steps: 4, fps: 16, height: 96, width: 96, window: 21, ...}
//   trained_for:   {sizes: [96x96]}                                                # optional
//   words:         [a, man, woman, with, short hair, ...]                          # optional
//
// A transformer that is kept as a base and an adapter has `adapter`, `lora_alpha` and `lora_rank` beside `file`.
#pragma once
#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "rushes/models/omniavatar/config.h"
#include "rushes/models/wan/model_directory.h"
#include "rushes/models/wav2vec/config.h"

namespace rushes::omniavatar {

/// Strength of low-rank adapters. No tensor tells alpha.
struct Lora {
  double alpha = 64;
  int64_t rank = 128;
  double scale() const { return alpha / static_cast<double>(rank); }
  bool operator==(const Lora&) const = default;
};

struct TransformerPart {
  std::filesystem::path file;  // all of it; with an adapter the base of Wan's: a file, an index of shards, or a folder
  std::filesystem::path adapter;  // empty: none
  Lora lora;
  TransformerConfig config;
  bool operator==(const TransformerPart&) const = default;
};

struct AudioEncoderPart {
  std::filesystem::path file;
  wav2vec::Config config;
  bool operator==(const AudioEncoderPart&) const = default;
};

/// How the transformer's weights were trained to be sampled.
enum class Sampler {
  causal,         // block by block: few steps, no guidance
  bidirectional,  // segment by segment: many steps with guidance
};
/// As manifests write it.
constexpr std::array<std::pair<std::string_view, Sampler>, 2> words_of(Sampler) {
  return {{{"causal", Sampler::causal}, {"bidirectional", Sampler::bidirectional}}};
}

/// What a request gets when it does not say otherwise.
struct Defaults {
  Sampler sampler = Sampler::causal;
  int64_t steps = 4;
  double timestep_shift = 5;
  double fps = 16;
  int64_t height = 400, width = 720;  // pixels
  int64_t max_hw = 720;               // published list of sizes that a picture chooses from: 720, 1280, or 0 for none
  // Causal.
  int64_t num_frame_per_block = 3;  // latent frames that are denoised together
  int64_t window = 0;               // latent frames that a block looks back on, itself included; 0: cache_tokens
  int64_t sink = 0;                 // first latent frames that are never forgotten
  int64_t cache_tokens = 32'760;
  bool own_reference = false;  // without a picture later blocks are shown the first latent frame: trained so or not
  // Bidirectional.
  double guidance_scale = 4.5;
  double audio_scale = 0;  // 0: as guidance_scale
  std::string negative_prompt;
  int64_t overlap_frame = 13;   // video frames that a segment shares with the one before
  int64_t max_tokens = 30'000;  // of a segment
  bool operator==(const Defaults&) const = default;
};

/// Those of the published configurations.
Defaults published_defaults(Sampler sampler);

struct ModelDirectory {
  std::filesystem::path directory;  // absolute; every file below is absolute too
  std::string name;
  TransformerPart transformer;
  wan::TextEncoderPart text_encoder;
  wan::AutoencoderPart autoencoder;
  std::filesystem::path tokenizer;  // see wan::ModelDirectory
  AudioEncoderPart audio_encoder;
  Defaults defaults;
  TrainedFor trained_for;
  KnownWords words;
  std::vector<std::string> assumptions;  // what no file tells: what was taken, and how to say otherwise; for people
  bool operator==(const ModelDirectory&) const = default;
};

/// Reads `directory/model.yaml`, or, without one, looks for published files in it and below it: a checkpoint of
/// OmniAvatar's with its config.json, the base, text encoder, autoencoder and tokenizer of Wan's, and wav2vec 2.0. If
/// `directory` holds the checkpoint itself, the others may lie beside it. Throws Error(not_found) with what is missing,
/// Error(invalid_argument), Error(corrupt_data) or Error(unsupported) naming the file and the field.
ModelDirectory open_model_directory(const std::filesystem::path& directory);

/// A manifest of this family, or a published checkpoint of it. Reads headers, no weight; throws nothing.
bool is_model_directory(const std::filesystem::path& directory);

/// The manifest alone, from text: files must exist below `directory`. `source` stands in messages.
ModelDirectory parse_manifest(const std::string& yaml, const std::filesystem::path& directory,
                              const std::string& source);

/// The manifest of `model`, with every field. parse_manifest(manifest_yaml(m), m.directory) == m.
std::string manifest_yaml(const ModelDirectory& model);

}  // namespace rushes::omniavatar
