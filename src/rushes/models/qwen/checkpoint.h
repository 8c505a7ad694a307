// Published Qwen2.5-VL checkpoints: shards of safetensors with their index, in both spellings of their names.
#pragma once
#include <filesystem>

#include "rushes/models/qwen/config.h"
#include "rushes/tensor/completeness.h"
#include "rushes/tensor/weight_map.h"

namespace rushes::qwen {

/// Names and shapes of all parameters, as the first published files have them: "model.", "lm_head.weight" (none where
/// the head is tied) and "visual.".
tensor::Shapes parameter_shapes(const Config& config);
tensor::Shapes language_shapes(const TextConfig& config);  // without prefix, the head as "lm_head.weight"
tensor::Shapes vision_shapes(const VisionConfig& config);  // without prefix

/// Under those names: newer libraries write "model.language_model." and "model.visual.", some "language_model.model.".
/// Shares storage.
tensor::WeightMap with_published_names(const tensor::WeightMap& tensors);

/// What LanguageModel and VisionTower take, of tensors with published names.
tensor::WeightMap language_weights(const tensor::WeightMap& published);
tensor::WeightMap vision_weights(const tensor::WeightMap& published);

/// All weights of a file, an index of shards or a folder, complete and of the right shapes, in the mapped files:
/// nothing is copied. A head that is stored although it is tied is left out. Throws what tensor::load_checkpoint() and
/// tensor::take_complete() throw.
tensor::WeightMap load(const std::filesystem::path& path, const Config& config,
                       tensor::Extra extra = tensor::Extra::report);

}  // namespace rushes::qwen
