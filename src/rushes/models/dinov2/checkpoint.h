// Published DINOv2 files: the authors' dinov2_vitl14_pretrain.pth, and a folder of the transformers library.
#pragma once
#include <filesystem>

#include "rushes/models/dinov2/config.h"
#include "rushes/tensor/completeness.h"
#include "rushes/tensor/weight_map.h"

namespace rushes::dinov2 {

struct Checkpoint {
  Config config;
  tensor::WeightMap weights;  // under the names of parameter_shapes()
};

/// The tensors are those of a DINOv2 encoder in either layout, by their names.
bool is_dinov2(const tensor::WeightMap& tensors);

/// Weights under the names of the authors' file. Query, key and value of the transformers library become one matrix,
/// which is a copy; all else shares storage. mask_token is left out.
tensor::WeightMap with_hub_names(const tensor::WeightMap& tensors);

/// Layout and dimensions that names and shapes show; heads of 64 channels, as all published ones have. Throws
/// Error(corrupt_data) for tensors that are no DINOv2 encoder, Error(unsupported) for one with registers or gated MLPs.
Config infer_config(const tensor::WeightMap& tensors);

/// Weights in a file or a folder, complete and of the right shapes, in the types of the file; number of heads and
/// epsilon from a config.json beside them. Throws what tensor::load_checkpoint(), tensor::take_complete() and
/// infer_config() throw.
Checkpoint load(const std::filesystem::path& path, tensor::Extra extra = tensor::Extra::report);

}  // namespace rushes::dinov2
