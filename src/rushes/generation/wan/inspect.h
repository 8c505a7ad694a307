#pragma once
#include "rushes/generation/inspection.h"

namespace rushes::generation {

/// As Family::inspect.
Inspection inspect_wan(const std::filesystem::path& directory);

}  // namespace rushes::generation
