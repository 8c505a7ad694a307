// Wan 2.1 and Self-Forcing: text (and a first image) to video, block by block.
#pragma once
#include "rushes/generation/registry.h"

namespace rushes::generation {

const Family& wan_family();

}  // namespace rushes::generation
