// Any file of named tensors that rushes reads, told apart by content, never by name.
#pragma once
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "rushes/tensor/weight_map.h"

namespace rushes::tensor {

enum class CheckpointFormat { safetensors, sharded, torch_zip, torch_legacy };
std::string_view name(CheckpointFormat format) noexcept;

struct Checkpoint {
  CheckpointFormat format = CheckpointFormat::safetensors;
  std::vector<std::filesystem::path> files;     // those with tensors in them; several for shards
  WeightMap tensors;                            // in the mapped files: not copied, must not be written to
  std::map<std::string, std::string> metadata;  // what the file says besides
};

/// Reads a safetensors file, a file of torch.save (a zip file, or as before torch 1.6), or an index of shards
/// (`*.safetensors.index.json`, `*.bin. index.json`); for a folder checkpoint_in(). Throws what that throws,
/// Error(not_found), Error(corrupt_data), and Error(unsupported) with advice for what can be recognised but not read:
/// bare pickles, Git LFS pointers, web pages, GGUF, HDF5. Any thread.
Checkpoint load_checkpoint(const std::filesystem::path& path);

}  // namespace rushes::tensor
