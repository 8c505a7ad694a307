// OmniAvatar: a prompt, a portrait and speech to a video of the person speaking, block by block while the speech
// arrives or segment by segment. No libtorch here.
#pragma once
#include "rushes/generation/registry.h"

namespace rushes::generation {

const Family& omniavatar_family();

}  // namespace rushes::generation
