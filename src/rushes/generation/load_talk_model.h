// Talking-head models from files, and one with random weights for tests. No libtorch here.
#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>

#include "rushes/generation/generator.h"

namespace rushes::generation {

/// Loads the model directory `options.path` ("random": random_talk_model()); see talk_directory.h. dtype auto is
/// float32: the published pipeline knows nothing else. `checkpoint` and `decoder` are not used. Throws Error.
std::shared_ptr<const Model> load_talk_model(const ModelOptions& options);

/// A whole model with random weights, small enough for tests: 128x128, 25 fps, windows of 6 frames, ready in
/// milliseconds, deterministic. Its faces are noise, but everything about them is as with trained weights. Sets
/// libtorch to one thread.
std::shared_ptr<const Model> random_talk_model(uint64_t seed = 0);

/// Writes the same as a model directory.
void write_random_talk_model(const std::filesystem::path& directory, uint64_t seed = 0);

}  // namespace rushes::generation
