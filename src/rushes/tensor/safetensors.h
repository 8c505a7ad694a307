// safetensors files (https://github.com/huggingface/safetensors, "Format"): 8 bytes header length, JSON header, data.
#pragma once
#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "rushes/tensor/file_bytes.h"
#include "rushes/tensor/weight_map.h"

namespace rushes::tensor {

struct SafetensorsContents {
  WeightMap tensors;
  std::map<std::string, std::string> metadata;  // the header's "__metadata__"
};

/// Tensors of the mapped file, not copied; they keep the mapping alive and must not be written to.
/// Throws Error(corrupt_data) with the tensor's name for any header that lies (offsets, shapes, overlaps, holes,
/// duplicates, types). A tensor whose dtype no list names is there as its bytes, of kUnknownDtype: whether that matters
/// is for those to say who need it. Any thread.
SafetensorsContents read_safetensors(const std::shared_ptr<const FileBytes>& file);

/// The tensors of read_safetensors(FileBytes::map(file)). Also throws Error(not_found) if it cannot be opened.
WeightMap load_safetensors(const std::filesystem::path& file);

/// Writes tensors (made contiguous, on the CPU) atomically: a temporary file beside it, then a rename.
/// `metadata` becomes the header's "__metadata__". Throws Error(unavailable) if the disk refuses.
void save_safetensors(const std::filesystem::path& file, const std::map<std::string, at::Tensor>& tensors,
                      const std::map<std::string, std::string>& metadata = {});

}  // namespace rushes::tensor
