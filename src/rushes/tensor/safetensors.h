// safetensors files (https://github.com/huggingface/safetensors, "Format"): 8 bytes header length, JSON header, data.
#pragma once
#include <filesystem>
#include <map>
#include <string>

#include "rushes/tensor/weight_map.h"

namespace rushes::tensor {

/// Maps the file and returns its tensors without copying them; they keep the mapping alive and must not be written to.
/// Throws Error(not_found) if it cannot be opened, Error(corrupt_data) with the tensor's name for any header that
/// lies (offsets, shapes, overlaps, types). Any thread.
WeightMap load_safetensors(const std::filesystem::path& file);

/// Writes tensors (made contiguous, on the CPU) atomically: a temporary file beside it, then a rename.
/// `metadata` becomes the header's "__metadata__". Throws Error(unavailable) if the disk refuses.
void save_safetensors(const std::filesystem::path& file, const std::map<std::string, at::Tensor>& tensors,
                      const std::map<std::string, std::string>& metadata = {});

}  // namespace rushes::tensor
