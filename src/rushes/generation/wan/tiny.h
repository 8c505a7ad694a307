// A whole Wan model with random weights, small enough for tests: no file, ready in milliseconds, deterministic. Its
// videos are noise, but everything about them (frames, blocks, segments, prompts, seeds) is as with trained weights.
// No libtorch here.
#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>

#include "rushes/generation/model.h"

namespace rushes::generation {

/// Default format: 32x32 (height and width may be multiples of 16), 16 fps, segments of 21 latent frames in blocks of
/// 3, overlap 3, 4 denoising steps. Any prompt; each word matters. `seed` chooses the weights. Sets libtorch to one
/// thread.
std::shared_ptr<const Model> random_wan_model(uint64_t seed = 0);

/// Writes the same model as a model directory, for tests of everything that starts from files. `tokenizer` is copied
/// into it; the model's words are then those of the tokenizer, at most 512.
void write_random_model(const std::filesystem::path& directory, const std::filesystem::path& tokenizer,
                        uint64_t seed = 0);

}  // namespace rushes::generation
