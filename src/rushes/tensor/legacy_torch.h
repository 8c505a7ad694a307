// Files that torch.save wrote before torch 1.6 (and does with _use_new_zipfile_serialization=False): pickles one behind
// the other, then the bytes of the storages. Published weights of that time are in it. Source: torch/serialization.py,
// _legacy_save.
#pragma once
#include <map>
#include <string_view>

#include "rushes/tensor/file_bytes.h"
#include "rushes/tensor/pickle.h"

namespace rushes::tensor {

struct LegacyTorch {
  PickleTree tree;                                    // the object that was saved
  std::map<std::string_view, std::string_view> data;  // of the storages, by key: in the file, on any address
};

/// Whether these are the first bytes of such a file.
bool is_legacy_torch(std::string_view bytes) noexcept;

/// Throws what read_pickle() throws, Error(corrupt_data) for data that the object does not name or that lies outside of
/// the file, Error(unsupported) for another version. Any thread.
LegacyTorch read_legacy_torch(const FileBytes& file);

}  // namespace rushes::tensor
