// Whole OmniAvatar models with random weights, small enough for tests. Their faces are noise, but everything about them
// (blocks, segments, speech, prompts, pictures) is as with trained weights. No libtorch here.
#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>

#include "rushes/generation/model.h"
#include "rushes/models/omniavatar/model_directory.h"

namespace rushes::generation {

/// 32x32 (height and width may be multiples of 16), 4 steps; causal at 16 fps, with a window of 9 latent frames, or
/// bidirectional at 25 fps in segments of 13 video frames that share 5, with guidance. Sets libtorch to one thread.
std::shared_ptr<const Model> random_omniavatar_model(uint64_t seed,
                                                     omniavatar::Sampler sampler = omniavatar::Sampler::causal);

/// Writes the same model as a model directory, for tests of everything that starts from files. `tokenizer` is copied
/// into it; the model's words are then those of the tokenizer, at most 512.
void write_random_omniavatar_model(const std::filesystem::path& directory, const std::filesystem::path& tokenizer,
                                   uint64_t seed = 0, omniavatar::Sampler sampler = omniavatar::Sampler::causal);

}  // namespace rushes::generation
