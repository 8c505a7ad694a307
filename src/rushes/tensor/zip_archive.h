// Directory of a zip file (with zip64) whose entries are stored as they are: what torch.save writes. Nothing is ever
// decompressed, so an archive cannot be larger than it looks.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "rushes/tensor/file_bytes.h"

namespace rushes::tensor {

struct ZipEntry {
  uint64_t offset = 0;    // of the data in the file
  uint64_t bytes = 0;     // as stored
  bool is_stored = true;  // neither compressed nor encrypted; else the bytes mean nothing to us
};

/// Entries by name. Throws Error(corrupt_data) for a file without a directory (cut short), for entries outside the
/// file, that overlap, that have the same name, or whose own header contradicts the directory; Error(too_large) for
/// more than 400,000 entries. Names are views into the file.
std::map<std::string_view, ZipEntry> read_zip_directory(const FileBytes& file);

}  // namespace rushes::tensor
