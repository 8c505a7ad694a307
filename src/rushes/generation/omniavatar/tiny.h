// Whole OmniAvatar models with random weights, small enough for tests. Their faces are noise, but everything about them
// (blocks, segments, speech, prompts, pictures) is as with trained weights. No libtorch here.
#pragma once
#include <cstdint>
#include <memory>

#include "rushes/generation/model.h"
#include "rushes/models/omniavatar/model_directory.h"

namespace rushes::generation {

/// 32x32 (height and width may be multiples of 16), 4 steps; causal at 16 fps, with a window of 9 latent frames, or
/// bidirectional at 25 fps in segments of 13 video frames that share 5, with guidance. Sets libtorch to one thread.
std::shared_ptr<const Model> random_omniavatar_model(uint64_t seed,
                                                     omniavatar::Sampler sampler = omniavatar::Sampler::causal);

}  // namespace rushes::generation
