// The list of families. Nothing else is defined here, so that a program that links a list of its own gets that one.
#include "rushes/generation/ditto/family.h"
#include "rushes/generation/foresight/family.h"
#include "rushes/generation/imtalker/family.h"
#include "rushes/generation/omniavatar/family.h"
#include "rushes/generation/registry.h"
#include "rushes/generation/sketch/family.h"
#include "rushes/generation/wan/family.h"

namespace rushes::generation {

std::span<const Family> families() {
  static const Family all[] = {
      wan_family(),         // text to video, block by block
      imtalker_family(),    // a portrait talks
      ditto_family(),       // a source talks, frame by frame
      omniavatar_family(),  // a prompt, a portrait and speech: a speaker, block by block or segment by segment
      foresight_family(),   // a picture and a question: words and a video of what will happen, side by side
      sketch_family(),      // says and draws circles
  };
  return all;
}

}  // namespace rushes::generation
