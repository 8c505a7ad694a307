// The family sketch: text in, text and video out. It draws by rules where others have networks.
#pragma once
#include "rushes/generation/registry.h"

namespace rushes::generation {

const Family& sketch_family();

}  // namespace rushes::generation
