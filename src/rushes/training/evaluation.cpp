// Prompt fidelity of a trained model, measured by rules on held-out captions.

#include "rushes/tensor/ops.h"
#include "rushes/training/fidelity.h"
#include "rushes/training/previews.h"
#include "rushes/training/transformer_training.h"

namespace rushes::training {

Fidelity measure_fidelity(const std::filesystem::path& directory, const std::string& weights, int64_t clips,
                          int64_t latent_frames, int64_t side, uint64_t seed) {
  const Generated made = generate(directory, weights, clips, latent_frames, side, seed);
  Fidelity result{.clips = clips};
  int64_t directions = 0, others = 0;
  double drawn_sharpness = 0;
  for (int64_t i = 0; i < clips; ++i) {
    const Scene& scene = made.scenes[static_cast<std::size_t>(i)];
    const Reading reading = read_clip(made.clips[i]);
    const Labels& labels = scene.labels;
    const bool pair = scene.objects.size() > 1;
    result.shape_colour += reading.colour == labels.colour || (pair && reading.colour == scene.objects[1].colour);
    result.ground += reading.ground == labels.ground;
    if (static_cast<int>(labels.motion) < kDirections) {
      ++directions;
      result.direction += reading.motion == labels.motion;
    } else if (labels.motion == Motion::grow || labels.motion == Motion::shrink) {
      ++others;
      result.motion += reading.motion == labels.motion;
    }
    result.sharpness += sharpness(made.clips[i]);
    drawn_sharpness += sharpness(draw(scene, 0, made.clips.size(1), side, side));
  }
  const auto all = static_cast<double>(clips);
  result.shape_colour /= all;
  result.ground /= all;
  result.direction /= static_cast<double>(std::max<int64_t>(1, directions));
  result.motion /= static_cast<double>(std::max<int64_t>(1, others));
  result.sharpness /= drawn_sharpness;
  return result;
}

}  // namespace rushes::training
