// Checkpoint files for tests: full-size ones that are holes on disk (a 60 GB model takes some kilobytes), and hostile
// ones, byte by byte. Compiled into tests and fuzzers only.
#pragma once
#include <c10/core/ScalarType.h>

#include <cstdint>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace rushes::tensor::forge {

struct TensorSpec {
  std::string key;
  std::vector<int64_t> shape;
  c10::ScalarType dtype = c10::ScalarType::Float;
};

/// The tensors of a published file, from its manifest: {"tensors": {"key": [extents..., type]}}, or [[extents...],
/// type]. Of its types, unless `dtype` is that of all.
std::vector<TensorSpec> published(const nlohmann::json& manifest, std::optional<c10::ScalarType> dtype = {});
std::vector<TensorSpec> published(const std::filesystem::path& manifest, std::optional<c10::ScalarType> dtype = {});

/// A safetensors file with these tensors, all zero; its data is a hole.
void write_sparse_safetensors(const std::filesystem::path& file, const std::vector<TensorSpec>& tensors);

/// A safetensors file of any header, with `data_bytes` zeros after it.
std::string safetensors_bytes(std::string_view header, uint64_t data_bytes);

/// A file of torch.save with dictionaries of tensors under `branches`; a branch without a name is the file's only one.
using Branches = std::vector<std::pair<std::string, std::vector<TensorSpec>>>;
void write_sparse_torch_zip(const std::filesystem::path& file, const Branches& branches);

/// A zip archive of stored entries, in this order; torch aligns their data to 64 bytes.
struct ZipFile {
  std::string name, bytes;
};
std::string zip_bytes(const std::vector<ZipFile>& entries, uint64_t alignment = 64);

/// Pickle of one torch tensor over the storage `key`: the opcodes that leave it on the stack.
std::string pickle_tensor(std::string_view storage_class, std::string_view key, int64_t elements, int64_t offset,
                          const std::vector<int64_t>& sizes, const std::vector<int64_t>& strides);
std::string pickle_text(std::string_view text);
std::string pickle_integer(int64_t number);

}  // namespace rushes::tensor::forge
