#include "rushes/generation/working_memory.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "rushes/base/error.h"

namespace rushes::generation {

int64_t memory_of_machine() {
  int64_t most = int64_t{sysconf(_SC_PHYS_PAGES)} * sysconf(_SC_PAGESIZE);
  for (const char* limit : {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}) {
    std::ifstream file(limit);
    if (int64_t bytes = 0; file >> bytes) most = std::min(most, bytes);  // "max": no number
  }
  return most;
}

void require_memory(const Plan& plan, int64_t most, std::string_view whose) {
  constexpr double kGiB = int64_t{1} << 30;
  const auto needed = static_cast<double>(plan.working_bytes), allowed = static_cast<double>(most);
  require(
      plan.working_bytes <= most, ErrorCode::too_large,
      "frames, height, width: {}x{} need about {:.1f} GiB of memory, more than the {:.1f} GiB that {}; ask for fewer "
      "frames or a smaller size",
      plan.format().width, plan.format().height, needed / kGiB, allowed / kGiB, whose);
}

}  // namespace rushes::generation
