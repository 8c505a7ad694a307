// A Foresight model with random weights, small enough for tests.
#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>

#include "rushes/generation/model.h"

namespace rushes::generation {

/// Which parts a model has.
struct TinyForesight {
  bool language = true, video = true, adapter = true;
  bool encodes_images = true;
};

/// Deterministic. Sets libtorch to one thread.
std::shared_ptr<const Model> random_foresight_model(uint64_t seed, const TinyForesight& parts = {});

/// The same as files, in the layouts that are published, with a sentencepiece model of at most 512 pieces for the text
/// encoder.
void write_random_foresight_model(const std::filesystem::path& directory, const std::filesystem::path& tokenizer,
                                  uint64_t seed = 1, const TinyForesight& parts = {});

}  // namespace rushes::generation
