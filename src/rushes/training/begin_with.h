// Weights that an earlier run, or an import of a model directory, left for a stage to go on from.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

namespace rushes::training {

/// Replaces those of `tensors` that an earlier run left in `file`, in float32, and tells how many: a stage whose state
/// is gone begins with them. 0 without a file. Throws Error(corrupt_data) for shapes of another model.
int64_t begin_with(std::map<std::string, at::Tensor>& tensors, const std::filesystem::path& file);

}  // namespace rushes::training
