// What requests charge for their pictures and sound before there is a session.
#pragma once
#include "rushes/base/error.h"
#include "rushes/base/memory_budget.h"

namespace rushes::server {

/// `memory` holds so many bytes from now on. Throws Error(exhausted) where there is no room, and nothing has changed.
inline void charge_inputs(base::MemoryBudget::Charge& memory, int64_t bytes) {
  require(memory.resize(bytes), ErrorCode::exhausted,
          "pictures and sound of all requests would take more memory than is allowed; try again later "
          "(--max-input-mib)");
}

}  // namespace rushes::server
