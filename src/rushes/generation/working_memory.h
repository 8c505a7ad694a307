// What the memory of this computer allows of a plan.
#pragma once
#include <cstdint>
#include <string_view>

#include "rushes/generation/model.h"

namespace rushes::generation {

/// Bytes that this process may have: the computer's memory, or the limit of its control group (cgroup v1 and v2) where
/// that is less.
int64_t memory_of_machine();

/// Throws Error(too_large) if a plan needs more than `most` bytes; `whose` completes "more than the 4.0 GiB that ...".
void require_memory(const Plan& plan, int64_t most = memory_of_machine(), std::string_view whose = "this computer has");

}  // namespace rushes::generation
