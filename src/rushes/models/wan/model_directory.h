// A Wan model on disk: which files hold its parts, what the parts look like, and the values a request starts from.
// Read from a manifest `model.yaml`, or found in a directory with the published file names. Nothing is loaded here:
// checkpoint.h does that, part by part.
//
//   schema: 1
//   name: rushes-shapes                    # what users call it
//   family: wan
//   transformer:  {file: transformer.safetensors, dim: 192, num_heads: 6, ...}      # every field of TransformerConfig
//   text_encoder: {file: text_encoder.safetensors, dim: 96, ...}                    # of Umt5Config
//   autoencoder:  {kind: tiny, file: autoencoder.safetensors, decoder_widths: [...]}  # kind vae: of VaeConfig
//   preview_autoencoder: {kind: tiny, file: ...}                                    # optional second, cheaper decoder
//   tokenizer: tokenizer.model                                                      # a file or a folder
//   defaults: {denoising_step_list: [1000, 750, 500, 250], segment_length: 21, fps: 16, ...}
//   trained_for: {sizes: [96x96]}                                                 # optional
//   words: [a, red, circle, moves, to the left, ...]                              # optional
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "rushes/base/known_words.h"
#include "rushes/base/trained_for.h"
#include "rushes/models/wan/config.h"

namespace rushes::wan {

/// Which of the weights of a training checkpoint to take. The other one is the fallback, with a warning.
enum class Branch { generator, generator_ema };

struct TransformerPart {
  std::filesystem::path file;         // a checkpoint file, an index of shards, or a folder that holds either
  Branch branch = Branch::generator;  // only asked for where the file has both
  TransformerConfig config;
  bool operator==(const TransformerPart&) const = default;
};

struct TextEncoderPart {
  std::filesystem::path file;
  Umt5Config config;
  bool operator==(const TextEncoderPart&) const = default;
};

enum class AutoencoderKind { vae, tiny };

struct AutoencoderPart {
  std::filesystem::path file;
  AutoencoderKind kind = AutoencoderKind::vae;
  VaeConfig vae;               // for kind vae
  TinyAutoencoderConfig tiny;  // for kind tiny
  bool operator==(const AutoencoderPart&) const = default;
};

/// What a request gets when it does not say otherwise. YAML keys are the reference's names, given where ours differ.
struct Defaults {
  std::vector<double> denoising_step_list = {1000, 750, 500, 250};  // empty: many steps with guidance
  bool warp_denoising_step = true;
  double timestep_shift = 5.0;
  int64_t num_train_timestep = 1000;
  int64_t num_frame_per_block = 3;       // latent frames that are denoised together
  bool independent_first_frame = false;  // the first block is one latent frame
  double context_noise = 0;              // timestep of the clean re-run
  double guidance_scale = 3.0;           // used by the many-step sampler only
  std::string negative_prompt;
  int64_t sampling_steps = 50;   // of the many-step sampler
  std::string solver = "unipc";  // of the many-step sampler; one of nn::solver_names()
  int64_t num_segments = 1;
  int64_t segment_latent_frames = 21;  // segment_length
  int64_t overlap_latent_frames = 3;   // overlap_frames
  double fps = 16;
  int64_t height = 480, width = 832;  // pixels
  int64_t seed = 0;
  bool operator==(const Defaults&) const = default;
};

struct ModelDirectory {
  std::filesystem::path directory;  // absolute; every `file` and `tokenizer` below is absolute too
  std::string name;
  TransformerPart transformer;
  TextEncoderPart text_encoder;
  AutoencoderPart autoencoder;
  std::optional<AutoencoderPart> preview_autoencoder;
  // Sentencepiece model or tokenizer.json, or the folder that holds one; or the text encoder's file, if it brings one.
  std::filesystem::path tokenizer;
  Defaults defaults;
  TrainedFor trained_for;
  KnownWords words;
  std::vector<std::string> assumptions;  // what no file tells: what was taken, and how to say otherwise; for people
  bool operator==(const ModelDirectory&) const = default;
};

/// Few steps without guidance, for distilled weights; many steps with guidance, for all others.
enum class Sampler { few_step, many_step };

/// What the command line may put over what a directory says.
struct ModelDirectoryOverrides {
  std::optional<std::filesystem::path> checkpoint;  // other weights of the same transformer
  std::optional<Branch> branch;
  std::optional<std::filesystem::path> preview_autoencoder;  // a tiny autoencoder
  std::optional<Sampler> sampler;
};

/// Reads `directory/model.yaml`, or, without one, looks for a published layout (published_layout.h) and takes the
/// dimensions from the shapes in the files and from the JSON files beside them. Throws Error(not_found) with what is
/// missing, Error(invalid_argument), Error(corrupt_data) or Error(unsupported) naming the file and the field. Any
/// thread.
ModelDirectory open_model_directory(const std::filesystem::path& directory,
                                    const ModelDirectoryOverrides& overrides = {});

/// The manifest alone, from text: files must exist below `directory`. `source` stands in messages.
/// Throws Error(invalid_argument): unknown key, wrong type, value out of range, file outside the directory.
ModelDirectory parse_manifest(const std::string& yaml, const std::filesystem::path& directory,
                              const std::string& source);

/// The manifest of `model`, with every field. parse_manifest(manifest_yaml(m), m.directory) == m.
std::string manifest_yaml(const ModelDirectory& model);

}  // namespace rushes::wan
