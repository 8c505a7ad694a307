#pragma once
#include "rushes/generation/inspection.h"

namespace rushes::generation {

/// As Family::inspect.
Inspection inspect_talk(const std::filesystem::path& directory);

}  // namespace rushes::generation
