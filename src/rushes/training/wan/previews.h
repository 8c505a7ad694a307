// Pictures of what a model in training makes.
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>

#include <ATen/core/Tensor.h>

#include "rushes/training/wan/world.h"

namespace rushes::training {

struct Generated {
  std::vector<Scene> scenes;  // held-out ones whose captions were the prompts
  at::Tensor clips;           // [N, T, 3, H, W] in [0, 1]
};

/// Four-step samples of held-out captions, decoded. Files of `directory`: tokenizer.model, autoencoder.safetensors and
/// `weights`. The same seed gives the same noise.
Generated generate(const std::filesystem::path& directory, const std::string& weights, int64_t clips,
                   int64_t latent_frames, int64_t side, uint64_t seed);

/// A contact sheet of eight of them.
void save_samples(const std::filesystem::path& directory, const std::string& weights,
                  const std::filesystem::path& picture, int64_t latent_frames, int64_t side);

}  // namespace rushes::training
