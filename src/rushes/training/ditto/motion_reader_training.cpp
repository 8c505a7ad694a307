#include <fmt/format.h>

#include "rushes/base/log.h"
#include "rushes/models/ditto/motion_extractor.h"
#include "rushes/models/ditto/pose.h"
#include "rushes/tensor/ops.h"
#include "rushes/tensor/safetensors.h"
#include "rushes/training/begin_with.h"
#include "rushes/training/ditto/camera.h"
#include "rushes/training/ditto/ditto_training.h"
#include "rushes/training/ditto/emotions.h"
#include "rushes/training/ditto/shipped_ditto.h"
#include "rushes/training/drawing.h"
#include "rushes/training/imtalker/shipped_talk.h"
#include "rushes/training/optimiser.h"
#include "rushes/training/parallel.h"

namespace rushes::training {
namespace {

constexpr int64_t kSide = kFaceSide / 2, kPixels = 3 * kSide * kSide;
/// What is learned: scale, three angles in bins, t, exp, kp. Files have 66 logits for each angle.
constexpr int64_t kRead = 1 + 3 + 3 + 2 * ditto::kExpression;
constexpr int64_t kLabels = ditto::kMotion + ditto::kExpression;

FaceLabels draw_labels(Random& random, const Identity& identity, FaceControls& controls, Camera& camera) {
  controls = random.uniform() < 0.5 ? portrait_controls(random) : random_controls(random);
  if (random.uniform() < 0.5) controls = random_expression(controls, random);
  camera = random_camera(random);
  return seen(face_labels(identity, controls), camera);
}

struct Stream {
  Identity identity;
  Random random;
  Stream(uint64_t seed, uint64_t index, Split split)
      : identity(make_identity(seed ^ 0xd1770, index, split)), random(seed ^ 0xd4ead, index) {}
};

/// Picture as the network sees it, then labels.
at::Tensor draw_row(uint64_t seed, uint64_t index, Split split) {
  Stream stream(seed, index, split);
  FaceControls controls;
  Camera camera;
  const FaceLabels labels = draw_labels(stream.random, stream.identity, controls, camera);
  const at::Tensor picture = seen(draw_face(stream.identity, controls), camera);
  return at::cat({at::avg_pool2d(picture.unsqueeze(0), 2).flatten(), labels.motion, labels.kp});
}

/// labels [B, 328] to [B, kRead].
at::Tensor targets(const at::Tensor& labels) {
  const auto bins = [&](int64_t angle) {
    return ditto::degrees(labels.narrow(1, 1 + angle * ditto::kBins, ditto::kBins)) / 3;
  };
  return at::cat({labels.narrow(1, 0, 1) + 1, bins(0), bins(1), bins(2), labels.slice(1, 1 + 3 * ditto::kBins)}, 1);
}

/// Mean and spread of what is read, so that the heads learn numbers of one size.
struct Spread {
  at::Tensor mean, deviation;
  explicit Spread(uint64_t seed) {
    std::vector<at::Tensor> rows;
    for (uint64_t i = 0; i < 512; ++i) {
      Stream stream(seed, i, Split::train);
      FaceControls controls;
      Camera camera;
      const FaceLabels labels = draw_labels(stream.random, stream.identity, controls, camera);
      rows.push_back(at::cat({labels.motion, labels.kp}));
    }
    const at::Tensor all = targets(at::stack(rows));
    mean = all.mean({0});
    deviation = (all - mean).square().mean({0}).sqrt();
    deviation = at::where(deviation < 1e-4, at::zeros_like(deviation), deviation);
  }
};

/// `held` has one head for all; modules take one for each part, and logits for angles.
tensor::WeightMap presented_reader(const tensor::WeightMap& held, const Spread& spread) {
  Tensors tensors;
  for (const auto& [key, value] : held.tensors())
    if (!key.starts_with("head.")) tensors[key] = value;
  const at::Tensor weight = held.at("head.weight") * spread.deviation.unsqueeze(1),
                   bias = held.at("head.bias") * spread.deviation + spread.mean;
  int64_t from = 0;
  const auto part = [&](const std::string& name, int64_t width) {
    tensors["detector.fc_" + name + ".weight"] = weight.narrow(0, from, width);
    tensors["detector.fc_" + name + ".bias"] = bias.narrow(0, from, width);
    from += width;
  };
  part("scale", 1);
  const at::Tensor at_rest = angle_logits(0), slope = angle_logits(3) - at_rest;
  for (const char* angle : {"pitch", "yaw", "roll"}) {
    const std::string key = std::string("detector.fc_") + angle;
    tensors[key + ".weight"] = slope.unsqueeze(1) * weight.narrow(0, from, 1);
    tensors[key + ".bias"] = at_rest + slope * bias.narrow(0, from, 1);
    ++from;
  }
  part("t", 3);
  part("exp", ditto::kExpression);
  part("kp", ditto::kExpression);
  tensor::WeightMap weights(std::move(tensors));
  weights.set_trainable(held.trainable());
  return weights;
}

/// Squared errors in spreads, [B, kRead].
at::Tensor read_error(const tensor::WeightMap& weights, const at::Tensor& rows, const Spread& spread) {
  const ditto::MotionExtractor extractor(weights);
  const ditto::MotionReading read = extractor.forward(rows.narrow(1, 0, kPixels).reshape({-1, 3, kSide, kSide}));
  const auto bins = [](const at::Tensor& logits) { return ditto::degrees(logits) / 3; };
  const at::Tensor all =
      at::cat({read.scale, bins(read.pitch), bins(read.yaw), bins(read.roll), read.t, read.exp, read.kp}, 1);
  return ((all - targets(rows.narrow(1, kPixels, kLabels))) / (spread.deviation + 1e-3)).square();
}

/// Where a head is decides where everything else is looked for: scale, angles and t count most, then what lips, brows
/// and eyes do.
at::Tensor importance() {
  at::Tensor weight = at::ones({kRead});
  weight.narrow(0, 0, 7).fill_(8);
  at::Tensor exp = weight.narrow(0, 7, ditto::kExpression).view({ditto::kKeypoints, 3});
  for (const int64_t k : {6, 11, 12, 13, 14, 15, 16, 17, 19, 20}) exp[k].fill_(2);
  return weight / weight.mean();
}

/// Share of the variance that is explained: of scale, angles, t, expression of lips and brows, of eyes, resting points.
std::string explained(const at::Tensor& error) {
  const at::Tensor share = 1 - error.mean({0});
  const auto mean_of_points = [&](std::initializer_list<int64_t> points) {
    double sum = 0;
    for (const int64_t k : points)
      for (int64_t axis = 0; axis < 2; ++axis) sum += share[7 + 3 * k + axis].item<double>();
    return sum / static_cast<double>(2 * points.size());
  };
  return fmt::format(
      "scale {:.2f}, pitch {:.2f}, yaw {:.2f}, roll {:.2f}, t {:.2f} {:.2f}, lips {:.2f}, brows {:.2f}, "
      "eyes {:.2f}, resting points {:.2f}",
      share[0].item<double>(), share[1].item<double>(), share[2].item<double>(), share[3].item<double>(),
      share[4].item<double>(), share[5].item<double>(), mean_of_points({14, 17, 19, 20}), mean_of_points({6, 12}),
      mean_of_points({11, 13, 15, 16}), share.slice(0, 7 + ditto::kExpression).mean().item<double>());
}

}  // namespace

void train_motion_reader(const RunOptions& options) {
  at::manual_seed(options.seed);
  const Spread spread(options.seed);
  Tensors held = fresh_part("motion_extractor");
  held["head.weight"] = 0.02 * at::randn({kRead, held.at("detector.norm.weight").size(0)});
  held["head.bias"] = at::zeros({kRead});
  begin_with(held, options.directory / "ditto-reader.held.safetensors");
  Optimiser optimiser(held, {.learning_rate = options.learning_rate,
                             .weight_decay = 0.01,
                             .average = 0.99,
                             .warm_up_steps = 30,
                             .muon_prefix = "detector.stages."});
  const auto state_file = options.directory / "ditto-reader.state.safetensors";
  if (optimiser.load(state_file)) log::info("continuing at step {}", optimiser.steps());
  Run run(options, "ditto-reader", {"error", "gradient"});
  const auto save = [&] {
    optimiser.save(state_file);
    const at::NoGradGuard no_grad;
    const tensor::WeightMap average = optimiser.average();
    tensor::save_safetensors(options.directory / "ditto-reader.held.safetensors", average.tensors());
    Tensors shipped;
    const tensor::WeightMap presented = presented_reader(average, spread);
    for (const auto& [key, value] : presented.tensors()) shipped[key] = value.contiguous();
    tensor::save_safetensors(options.directory / "ditto-reader.safetensors", shipped);
    std::vector<at::Tensor> rows;
    for (uint64_t i = 0; i < 64; ++i) rows.push_back(draw_row(options.seed, i, Split::held_out));
    log::info("held-out people, variance explained: {}",
              explained(read_error(tensor::WeightMap(shipped), at::stack(rows), spread)));
    run.saved();
  };
  const uint64_t first = static_cast<uint64_t>(optimiser.steps()) * static_cast<uint64_t>(options.batch);
  Drawing drawing([seed = options.seed](uint64_t index) { return draw_row(seed, index, Split::train); }, first,
                  options.batch);
  const int64_t parts = parallel_parts(options.batch, options.threads);
  const at::Tensor weight = importance();
  while (run.time_left()) {
    const at::Tensor batch = drawing.next_batch();
    std::vector<double> loss(static_cast<std::size_t>(parts));
    in_parallel(parts, [&](int64_t part) {
      const auto index = static_cast<std::size_t>(part);
      const at::Tensor error =
          (read_error(presented_reader(optimiser.weights(), spread), batch.chunk(parts)[index], spread) * weight)
              .mean();
      (error / static_cast<double>(parts)).backward();
      loss[index] = error.item<double>();
    });
    const double gradient = optimiser.step(run.schedule());
    run.record(optimiser.steps(), {mean_of(loss), gradient}, 20);
    if (run.due()) save();
  }
  save();
}

}  // namespace rushes::training
