// Foresight: a picture and a question to a text and a video of what will happen, side by side. No libtorch here.
#pragma once
#include "rushes/generation/registry.h"

namespace rushes::generation {

const Family& foresight_family();

}  // namespace rushes::generation
