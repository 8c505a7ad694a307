// Ditto: a source talks while speech arrives, frame by frame. No libtorch here.
#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>

#include "rushes/generation/registry.h"

namespace rushes::generation {

const Family& ditto_family();

/// Writes a whole model with random weights, small enough for tests: it draws 128x128, in windows of 20 frames. Its
/// faces are noise, but everything about them is as with trained weights.
void write_random_ditto_model(const std::filesystem::path& directory, uint64_t seed = 0);

}  // namespace rushes::generation
