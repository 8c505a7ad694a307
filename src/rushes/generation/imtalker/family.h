// IMTalker: a portrait talks while speech arrives, or moves as the face in a video does. No libtorch here.
#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>

#include "rushes/generation/registry.h"

namespace rushes::generation {

const Family& imtalker_family();

/// A whole model with random weights, small enough for tests: 128x128, 25 fps, windows of 6 frames, ready in
/// milliseconds, deterministic. Its faces are noise, but everything about them is as with trained weights. Sets
/// libtorch to one thread.
std::shared_ptr<const Model> random_talk_model(uint64_t seed = 0);

/// Writes the same as a model directory.
void write_random_talk_model(const std::filesystem::path& directory, uint64_t seed = 0);

}  // namespace rushes::generation
