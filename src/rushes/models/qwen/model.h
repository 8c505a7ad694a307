// A Qwen2.5-VL model as one: tokenizer, vision tower, language model.
#pragma once
#include <ATen/core/Tensor.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "rushes/models/qwen/chat_prompt.h"
#include "rushes/models/qwen/config.h"
#include "rushes/models/qwen/language_model.h"
#include "rushes/models/qwen/picture_patches.h"
#include "rushes/models/qwen/vision_tower.h"
#include "rushes/tensor/placement.h"
#include "rushes/text/byte_level_bpe.h"

namespace rushes::qwen {

/// What the language model sees of a picture. Computed once, used in any number of prompts.
struct PictureFeatures {
  at::Tensor tokens;  // [n, C] in the dtype of the language model
  at::Tensor grid;    // [1, 3] int64
};

/// A prompt ready to be read.
struct Prompt {
  std::vector<int64_t> ids;               // image tokens already as many as each picture has
  std::vector<PictureFeatures> pictures;  // in order of appearance
};

/// Immutable; any thread.
struct Model {
  Config config;
  std::shared_ptr<const text::ByteLevelBpe> tokenizer;
  LanguageModel language;
  std::optional<VisionTower> vision;  // of models that see

  /// image [H, W, 3] uint8 RGB, with at most `max_pixels` after resizing (0: as many as the processor's file allows).
  /// Throws Error(unsupported) without a vision tower, and what picture_patches() throws.
  PictureFeatures see(const at::Tensor& image, int64_t max_pixels = 0) const;

  /// How many tokens see() makes of a picture of this size. Throws as it does.
  int64_t picture_tokens(PictureSize picture, int64_t max_pixels = 0) const;

  /// What the model reads of a conversation, of whose pictures it is enough to know the counts. Throws what
  /// ChatPrompt::ids() throws, and Error(too_large) beyond max_position_embeddings.
  std::vector<int64_t> ids(std::span<const Turn> turns, const PictureTokenCounts& counts) const;
  /// The same with the pictures.
  Prompt prompt(std::span<const Turn> turns, std::vector<PictureFeatures> pictures) const;

  /// The last hidden states [1, L, C] for a prompt: what an adapter reads.
  at::Tensor hidden_states(const Prompt& prompt) const;

  /// Embeddings [1, L, C] of a prompt, pictures in their places, and the positions of its tokens. Throws
  /// Error(invalid_argument) where image tokens and pictures do not agree.
  struct Embedded {
    at::Tensor x, positions;  // [1, L, C], [3, 1, L]
    int64_t position_delta;   // a token after n others stands at n + this
  };
  Embedded embedded(const Prompt& prompt) const;
};

/// Reads a published folder: config.json, the checkpoint with its shards, tokenizer, processor and generation files.
/// Throws what read_config(), load() (checkpoint.h) and read_bpe_files() throw.
Model load_model(const std::filesystem::path& folder, const tensor::Placement& placement);

}  // namespace rushes::qwen
