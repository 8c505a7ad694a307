// The names of the single-file checkpoints (0.9.0, 0.9.1): transformer and VAE in one file, the VAE's blocks in flat
// lists.
#pragma once
#include <nlohmann/json.hpp>
#include <string>

#include "rushes/models/ltx/config.h"
#include "rushes/tensor/weight_map.h"

namespace rushes::ltx {

/// Whether names are those of a single file.
bool is_single_file(const tensor::WeightMap& tensors);

/// The parts of a single file under the names of the diffusers library; statistics that nobody needs are left out.
/// Shares storage. Throws Error(corrupt_data) for a list of blocks without an order.
tensor::WeightMap transformer_of_single_file(const tensor::WeightMap& tensors);
tensor::WeightMap vae_of_single_file(const tensor::WeightMap& tensors);

/// Dimensions from the tensors, named as the diffusers library does, and what they do not tell from the file's own
/// configuration (its metadata's "config", an object; empty: none). Throw Error(corrupt_data) where shapes are of no
/// LTX-Video, Error(unsupported) for the VAE of 0.9.5, which rushes reads as a diffusers folder only.
TransformerConfig infer_transformer(const tensor::WeightMap& tensors, const nlohmann::json& config);
VaeConfig infer_vae(const tensor::WeightMap& tensors, const nlohmann::json& config);
SchedulerConfig infer_scheduler(const nlohmann::json& config);

}  // namespace rushes::ltx
