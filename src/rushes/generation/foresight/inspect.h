// What a Foresight model directory, or a checkpoint of one of its parts, is.
#pragma once
#include "rushes/generation/inspection.h"

namespace rushes::generation {

Inspection inspect_foresight(const std::filesystem::path& directory);

}  // namespace rushes::generation
