// The settings that a manifest has defaults of, once: it is read and written, and they are printed, from here. A
// visitor is called as visit(name, field, range) for numbers, visit(name, field) for the rest.
#pragma once
#include "rushes/base/manifest.h"
#include "rushes/generation/foresight/settings.h"

namespace rushes::generation {

// `Values` is const when fields are written out.
template <typename Values, typename Visitor>
void visit_default_fields(Values& d, Visitor&& visit) {
  visit("height", d.height, FieldRange{8, 8192});
  visit("width", d.width, FieldRange{8, 8192});
  visit("frames", d.video_frames, FieldRange{1, 1 << 20});
  visit("fps", d.fps, FieldRange{1, 240});
  visit("steps", d.steps, FieldRange{2, 200});
  visit("guidance_scale", d.guidance_scale, FieldRange{0, 100});
  visit("guidance_rescale", d.guidance_rescale, FieldRange{0, 1});
  visit("negative_prompt", d.negative_prompt);
  visit("conditioning", d.conditioning);
  visit("upstream_frame_rate", d.upstream_frame_rate);
  visit("previews", d.previews, FieldRange{0, 200});
  visit("temporal_tiles", d.temporal_tiles);
  visit("spatial_tiles", d.spatial_tiles);
  visit("decode_timestep", d.decode_timestep, FieldRange{0, 1});
  visit("temperature", d.temperature, FieldRange{0, 100});
  visit("top_p", d.top_p, FieldRange{0.001, 1});
  visit("top_k", d.top_k, FieldRange{0, 1'000'000});
  visit("repetition_penalty", d.repetition_penalty, FieldRange{0.01, 100});
  visit("max_new_tokens", d.max_new_tokens, FieldRange{1, 32'768});
  visit("picture_pixels", d.picture_pixels, FieldRange{784, 12'845'056});
  visit("pictures", d.pictures, FieldRange{1, kMostPictures});
}

}  // namespace rushes::generation
