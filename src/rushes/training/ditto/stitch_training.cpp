#include "rushes/base/log.h"
#include "rushes/models/ditto/stitch_network.h"
#include "rushes/tensor/ops.h"
#include "rushes/tensor/safetensors.h"
#include "rushes/training/begin_with.h"
#include "rushes/training/ditto/camera.h"
#include "rushes/training/ditto/ditto_training.h"
#include "rushes/training/ditto/emotions.h"
#include "rushes/training/ditto/shipped_ditto.h"
#include "rushes/training/imtalker/shipped_talk.h"
#include "rushes/training/optimiser.h"

namespace rushes::training {
namespace {

/// Source, driving and settled keypoints [N, 21, 3].
struct Points {
  at::Tensor source, driving, settled;
};

Points draw_points(uint64_t seed, uint64_t first, int64_t count, Split split) {
  std::vector<at::Tensor> source, driving, settled;
  for (int64_t i = 0; i < count; ++i) {
    const uint64_t index = first + static_cast<uint64_t>(i);
    const Identity identity = make_identity(seed ^ 0xd1770, index, split);
    Random random(seed ^ 0x5717c, index);
    const Camera camera = random_camera(random);
    const FaceControls from = portrait_controls(random);
    FaceControls to = random_expression(random_controls(random), random);
    if (random.uniform() < 0.6) calm(to, from, 0.3f);
    source.push_back(seen_keypoints(placed_keypoints(face_labels(identity, from)), camera));
    driving.push_back(seen_keypoints(driven_keypoints(identity, from, to), camera));
    settled.push_back(seen_keypoints(settled_keypoints(identity, from, to), camera));
  }
  return {at::stack(source), at::stack(driving), at::stack(settled)};
}

}  // namespace

void train_stitching(const RunOptions& options) {
  at::manual_seed(options.seed);
  Tensors fresh = fresh_part("stitch_network");
  begin_with(fresh, options.directory / "ditto-stitch.safetensors");
  Optimiser optimiser(
      fresh, {.learning_rate = options.learning_rate, .weight_decay = 0.0, .average = 0.99, .warm_up_steps = 50});
  const auto state_file = options.directory / "ditto-stitch.state.safetensors";
  if (optimiser.load(state_file)) log::info("continuing at step {}", optimiser.steps());
  Run run(options, "ditto-stitch", {"loss", "gradient"});
  const auto save = [&] {
    optimiser.save(state_file);
    const tensor::WeightMap average = optimiser.average();
    tensor::save_safetensors(options.directory / "ditto-stitch.safetensors", average.tensors());
    const at::NoGradGuard no_grad;
    const Points points = draw_points(options.seed, 0, 128, Split::held_out);
    const at::Tensor before = (points.driving - points.settled).square().sum({2}).sqrt(),
                     after = (ditto::StitchNetwork(average).forward(points.source, points.driving) - points.settled)
                                 .square()
                                 .sum({2})
                                 .sqrt();
    const at::Tensor outside = before.mean({0}) > 1e-6;
    log::info("held-out people: body and ground off by {:.4f}, by {:.4f} without it; others by {:.4f}",
              after.mean({0}).masked_select(outside).mean().item<double>(),
              before.mean({0}).masked_select(outside).mean().item<double>(),
              after.mean({0}).masked_select(outside.logical_not()).mean().item<double>());
    run.saved();
  };
  while (run.time_left()) {
    const Points points = draw_points(options.seed, static_cast<uint64_t>(optimiser.steps() * options.batch),
                                      options.batch, Split::train);
    const ditto::StitchNetwork network(optimiser.weights());
    const at::Tensor error = network.forward(points.source, points.driving) - points.settled;
    const at::Tensor loss = 1000 * error.square().mean() + error.abs().mean();
    loss.backward();
    const double gradient = optimiser.step(run.schedule());
    run.record(optimiser.steps(), {loss.item<double>(), gradient}, 100);
    if (run.due()) save();
  }
  save();
}

}  // namespace rushes::training
