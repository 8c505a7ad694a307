#include "rushes/training/wan/evaluation.h"

#include <fmt/format.h>

#include <algorithm>

#include "rushes/generation/model.h"
#include "rushes/tensor/ops.h"

namespace rushes::training {

namespace {

// Of two that rest: the first one named is on the left, or on top.
bool in_order(const Scene& scene, const Reading& reading) {
  if (reading.objects.size() < 2 || scene.labels.motion == Motion::crossing) return true;
  const bool swapped = reading.objects[0].colour != scene.labels.colour;
  const SeenObject &first = reading.objects[swapped ? 1 : 0], &second = reading.objects[swapped ? 0 : 1];
  return scene.labels.motion == Motion::beside ? first.x[0] < second.x[0] : first.y[0] < second.y[0];
}

}  // namespace

Verdict judge(const Scene& scene, const Reading& reading) {
  const auto shows = [&](const Object& object, bool shape_too) {
    return std::any_of(reading.objects.begin(), reading.objects.end(), [&](const SeenObject& seen) {
      return seen.colour == object.colour && (!shape_too || seen.shape == object.shape);
    });
  };
  Verdict verdict{.ground = reading.ground == scene.labels.ground, .motion = reading.motion == scene.labels.motion};
  if (scene.objects.size() > 1) {
    verdict.motion = verdict.motion && in_order(scene, reading);
    verdict.colour = std::all_of(scene.objects.begin(), scene.objects.end(),
                                 [&](const Object& object) { return shows(object, false); });
    verdict.pair = std::all_of(scene.objects.begin(), scene.objects.end(),
                               [&](const Object& object) { return shows(object, true); });
  } else {
    const bool any = !reading.objects.empty();
    verdict.colour = any && reading.objects.front().colour == scene.labels.colour;
    verdict.shape = any && reading.objects.front().shape == scene.labels.shape;
  }
  return verdict;
}

std::string describe(const Fidelity& f) {
  return fmt::format(
      "{} held-out captions: shape {:.1f} % (of {} with one object), colour {:.1f} %, ground {:.1f} %, motion {:.1f} "
      "%, both of two {:.1f} % (of {}), sharpness {:.2f} of drawings",
      f.ground.of, f.shape.percent(), f.shape.of, f.colour.percent(), f.ground.percent(), f.motion.percent(),
      f.pair.percent(), f.pair.of, f.sharpness);
}

Fidelity measure_fidelity(const std::function<at::Tensor(const Scene&, int64_t index)>& make,
                          const FidelityOptions& options) {
  Fidelity result;
  double made_sharpness = 0, drawn_sharpness = 0;
  for (int64_t index = 0; result.ground.of < options.clips; ++index) {
    const Scene scene = make_scene(options.seed, static_cast<uint64_t>(index), Split::held_out);
    if (options.wanted && !options.wanted(scene)) continue;
    const at::Tensor clip = make(scene, index);
    const Verdict verdict = judge(scene, read_clip(clip));
    result.colour.add(verdict.colour);
    result.ground.add(verdict.ground);
    result.motion.add(verdict.motion);
    if (verdict.shape) result.shape.add(*verdict.shape);
    if (verdict.pair) result.pair.add(*verdict.pair);
    made_sharpness += sharpness(clip);
    drawn_sharpness += sharpness(draw(scene, 0, clip.size(0), clip.size(2), clip.size(3)));
  }
  result.sharpness = made_sharpness / drawn_sharpness;
  return result;
}

Fidelity measure_fidelity(const generation::Model& model, const FidelityOptions& options) {
  return measure_fidelity(
      [&](const Scene& scene, int64_t index) { return film(model, scene.caption, index, 1, options.latent_frames); },
      options);
}

at::Tensor film(const generation::Model& model, const std::string& prompt, int64_t seed, int64_t segments,
                int64_t segment_latent_frames) {
  generation::Request request;
  request.prompts = {prompt};
  request.seed = seed;
  request.segments = segments;
  request.options.set("segment_length", segment_latent_frames);
  const auto generator = generation::start(model, request);
  std::vector<at::Tensor> blocks;
  for (;;) {
    const generation::StepResult result = generator->step({});
    for (const generation::Event& event : result.events)
      if (const auto* block = std::get_if<generation::FrameBlock>(&event))
        blocks.push_back(at::from_blob(const_cast<uint8_t*>(block->rgb.get()),
                                       {block->video_frames, block->height, block->width, 3}, at::kByte)
                             .clone());
    if (result.outcome == generation::StepOutcome::finished) break;
  }
  return at::cat(blocks).permute({0, 3, 1, 2}).to(at::kFloat) / 255;
}

}  // namespace rushes::training
