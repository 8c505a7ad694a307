// Published wav2vec 2.0 files: pytorch_model.bin or model.safetensors, with config.json beside them.
#pragma once
#include <filesystem>

#include "rushes/models/wav2vec/config.h"
#include "rushes/tensor/completeness.h"
#include "rushes/tensor/weight_map.h"

namespace rushes::wav2vec {

/// Names and shapes of all parameters that the encoder uses, as published (weight_g and weight_v for the weight norm).
tensor::Shapes parameter_shapes(const Config& config);

/// Weights under the published names: without the prefix "wav2vec2.", both spellings of the weight norm as weight_g
/// and weight_v, and without the parts of the training. Shares storage.
tensor::WeightMap with_published_names(const tensor::WeightMap& tensors);

/// Weights of the encoder in a file or the folder of a model, complete and of the right shapes; those in `overrides`
/// (as a motion generator's checkpoint may bring its own) take the place of the file's; with an empty path they are
/// all. The head for speech recognition and other parts of the training are left out. Throws what
/// tensor::load_checkpoint() and tensor::take_complete() throw.
tensor::WeightMap load(const std::filesystem::path& file, const Config& config, const tensor::WeightMap& overrides = {},
                       tensor::Extra extra = tensor::Extra::report);

/// Dimensions and variant from the config.json in a folder or beside a file; those of the base model where there is
/// none. Throws Error(unsupported) for another activation or norm, Error(corrupt_data) for a file that is not a JSON
/// object.
Config read_config(const std::filesystem::path& file);

}  // namespace rushes::wav2vec
