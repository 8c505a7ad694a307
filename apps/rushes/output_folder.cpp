#include "output_folder.h"

#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "rushes/base/error.h"

namespace rushes::app {

namespace fs = std::filesystem;

void check_writable(const fs::path& folder, const std::string& target) {
  std::string name = (folder / ".rushes-XXXXXX").string();
  const int file = ::mkstemp(name.data());
  require(file >= 0, ErrorCode::invalid_argument, "cannot write {}: {}", target, std::strerror(errno));
  ::close(file);
  ::unlink(name.c_str());
}

void check_can_be_made(const fs::path& folder, const std::string& target) {
  std::error_code status;
  fs::path above = fs::absolute(folder, status);
  while (!fs::exists(above, status) && above.has_relative_path()) above = above.parent_path();
  check_writable(above, target);
}

}  // namespace rushes::app
