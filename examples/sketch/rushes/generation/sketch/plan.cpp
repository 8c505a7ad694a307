#include "rushes/generation/sketch/plan.h"

#include "rushes/base/error.h"

namespace rushes::generation {

VideoFormat SketchPlan::format() const {
  VideoFormat format{.height = kSketchSide, .width = kSketchSide, .fps = 16};
  format.segments = blocks;
  format.blocks_per_segment = format.blocks_per_later_segment = 1;
  if (blocks > 0) format.video_frames = kSketchFramesPerBlock * blocks;
  return format;
}

Capabilities sketch_capabilities() {
  return {.takes = Modality::text,
          .needs = Modality::text,
          .feeds = Modality::text,  // other prompts while it runs
          .yields = Modality::text | Modality::video,
          .forks = true,
          .endless = true};
}

std::vector<OptionField> sketch_options() {
  return {{.name = "radius",
           .type = OptionType::integer,
           .doc = "radius of the circle in pixels",
           .standard = int64_t{12},
           .least = 2,
           .most = 30},
          {.name = "speed", .doc = "pixels that it moves a frame", .standard = 2.0, .least = 0, .most = 16}};
}

std::unique_ptr<SketchPlan> plan_sketch(const Request& request, std::span<const OptionField> fields) {
  check_prompts(request.prompts);
  require(!request.image && !request.video, ErrorCode::unsupported, "image: this model takes neither image nor video");
  require(!request.height && !request.width && !request.fps, ErrorCode::invalid_argument,
          "size and fps cannot be chosen: this model makes {0}x{0} at 16 fps", kSketchSide);
  require(!request.video_frames, ErrorCode::invalid_argument,
          "frames cannot be chosen: this model makes {} a segment; say segments", kSketchFramesPerBlock);
  check_numbers(request);
  check_prompts_shown(request, segments_of(request));
  const Options options = checked(request.options, fields);
  auto plan = std::make_unique<SketchPlan>();
  plan->prompts = request.prompts;
  plan->seed = request.seed;
  plan->blocks = segments_of(request);
  plan->radius = options.get<int64_t>("radius").value_or(plan->radius);
  plan->speed = options.get<double>("speed").value_or(plan->speed);
  return plan;
}

}  // namespace rushes::generation
