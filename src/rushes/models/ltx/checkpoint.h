// LTX-Video models on disk: a diffusers folder (transformer/, vae/, scheduler/, whole files or shards with their index)
// or the single file of 0.9.0 and 0.9.1.
#pragma once
#include <filesystem>

#include "rushes/models/ltx/config.h"
#include "rushes/tensor/completeness.h"
#include "rushes/tensor/weight_map.h"

namespace rushes::ltx {

/// Where a model's parts are. Of a single file both are that file.
struct ModelFiles {
  std::filesystem::path transformer, vae;  // checkpoint files, or indices of shards
  std::filesystem::path scheduler;         // scheduler_config.json; empty: none
  bool is_single_file = false;
};

/// In a folder with `transformer` and `vae` below it, or with a single file in it, or of that file itself. Throws
/// Error(not_found) naming what lacks.
ModelFiles find_files(const std::filesystem::path& path);

/// From the config.json files, or from a single file's tensors and metadata. Throws Error(corrupt_data / unsupported)
/// naming file and field.
Config read_config(const ModelFiles& files);

/// Complete weights of the right shapes under the names of the diffusers library, mapped and in the types of the file:
/// tensor::Placement::put() converts them one by one. Throw what tensor::load_checkpoint() and tensor::take_complete()
/// throw.
tensor::WeightMap load_transformer(const ModelFiles& files, const TransformerConfig& config,
                                   tensor::Extra extra = tensor::Extra::report);
tensor::WeightMap load_vae(const ModelFiles& files, const VaeConfig& config,
                           tensor::Extra extra = tensor::Extra::report);

}  // namespace rushes::ltx
