// For tests: an empty folder, removed with all that is in it.
#pragma once
#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>

#include "rushes/base/error.h"

namespace rushes {

struct ScratchFolder {
  /// Throws Error(unavailable) where none can be made.
  ScratchFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "rushes_test_XXXXXX").string();
    require(::mkdtemp(name.data()) != nullptr, ErrorCode::unavailable, "cannot create a temporary folder");
    path = name;
  }
  ~ScratchFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  std::filesystem::path path;
};

}  // namespace rushes
