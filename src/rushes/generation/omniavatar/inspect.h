#pragma once
#include <filesystem>

#include "rushes/generation/inspection.h"

namespace rushes::generation {

Inspection inspect_omniavatar(const std::filesystem::path& directory);

}  // namespace rushes::generation
