// The fields of Defaults, once: the manifest is read and written, and they are printed, from here. A visitor is called
// as those of wan's config_fields.h.
#pragma once
#include "rushes/base/manifest.h"
#include "rushes/models/omniavatar/model_directory.h"

namespace rushes::omniavatar {

// `Values` is const when fields are written out.
template <typename Values, typename Visitor>
void visit_default_fields(Values& defaults, Visitor&& visit) {
  constexpr FieldRange kFrames{0, 1 << 20};
  visit("sampler", defaults.sampler);
  visit("steps", defaults.steps, FieldRange{1, 1000});
  visit("timestep_shift", defaults.timestep_shift, FieldRange{1e-3, 1000});
  visit("fps", defaults.fps, FieldRange{1, 240});
  visit("height", defaults.height, FieldRange{8, 8192});
  visit("width", defaults.width, FieldRange{8, 8192});
  visit("max_hw", defaults.max_hw, FieldRange{0, 1280});
  visit("num_frame_per_block", defaults.num_frame_per_block, FieldRange{1, 1024});
  visit("window", defaults.window, kFrames);
  visit("sink", defaults.sink, kFrames);
  visit("cache_tokens", defaults.cache_tokens, FieldRange{1, 1 << 24});
  visit("own_reference", defaults.own_reference);
  visit("guidance_scale", defaults.guidance_scale, FieldRange{0, 1000});
  visit("audio_scale", defaults.audio_scale, FieldRange{0, 1000});
  visit("negative_prompt", defaults.negative_prompt);
  visit("overlap_frame", defaults.overlap_frame, FieldRange{1, 1 << 16});
  visit("max_tokens", defaults.max_tokens, FieldRange{1, 1 << 24});
}

}  // namespace rushes::omniavatar
