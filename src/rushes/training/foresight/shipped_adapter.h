// The adapter of the shipped Foresight model with the vision transformer that it reads: dimensions, fresh weights,
// files in a folder of training.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

#include "rushes/generation/foresight/model_files.h"
#include "rushes/models/dinov2/config.h"
#include "rushes/models/foresight/adapter.h"
#include "rushes/models/qwen/config.h"

namespace rushes::training {

constexpr int64_t kForesightSquare = 126;  // side of the picture that the vision transformer sees: 9 x 9 patches

dinov2::Config foresight_spatial();
/// Between that language model and the shipped video transformer.
foresight::AdapterConfig foresight_adapter(const qwen::Config& language);

/// Vision transformer ("spatial.*") and adapter ("adapter.*").
std::map<std::string, at::Tensor> fresh_foresight_adapter(const qwen::Config& language);

/// What training wrote into `directory` (adapter.safetensors), weights in bfloat16: for write_foresight_model().
generation::AdapterFiles trained_adapter(const std::filesystem::path& directory, const qwen::Config& language);

}  // namespace rushes::training
