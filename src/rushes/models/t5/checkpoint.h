// Published T5 v1.1 files: a folder of the transformers library (text_encoder/ of a diffusers pipeline) or one file, in
// shards or whole, with config.json beside them.
#pragma once
#include <filesystem>

#include "rushes/models/t5/config.h"
#include "rushes/tensor/completeness.h"
#include "rushes/tensor/weight_map.h"

namespace rushes::t5 {

/// Weights under the names of parameter_shapes(): the tied copy of the embedding stands for it where it is alone, and
/// what only the decoder has is left out. Shares storage.
tensor::WeightMap with_published_names(const tensor::WeightMap& tensors);

/// Weights of the encoder in a file or a folder, complete and of the right shapes, in the types of the file. Throws
/// what tensor::load_checkpoint() and tensor::take_complete() throw.
tensor::WeightMap load(const std::filesystem::path& path, const Config& config,
                       tensor::Extra extra = tensor::Extra::report);

/// Dimensions from the config.json in a folder or beside a file; those of T5 v1.1 XXL where there is none. Throws
/// Error(unsupported) for another MLP, Error(corrupt_data) for a file that is not a JSON object or sizes out of range.
Config read_config(const std::filesystem::path& path);

/// The tensors are a T5 encoder's, by their names.
bool is_t5(const tensor::WeightMap& tensors);

}  // namespace rushes::t5
