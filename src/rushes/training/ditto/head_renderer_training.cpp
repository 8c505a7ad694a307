#include <cmath>

#include "rushes/base/log.h"
#include "rushes/models/ditto/appearance_extractor.h"
#include "rushes/models/ditto/conditions.h"
#include "rushes/models/ditto/dense_motion.h"
#include "rushes/models/ditto/spade_decoder.h"
#include "rushes/models/ditto/warp_network.h"
#include "rushes/nn/normed_conv.h"
#include "rushes/tensor/ops.h"
#include "rushes/tensor/safetensors.h"
#include "rushes/training/begin_with.h"
#include "rushes/training/ditto/camera.h"
#include "rushes/training/ditto/ditto_training.h"
#include "rushes/training/ditto/emotions.h"
#include "rushes/training/ditto/face_labels.h"
#include "rushes/training/ditto/shipped_ditto.h"
#include "rushes/training/drawing.h"
#include "rushes/training/imtalker/shipped_talk.h"
#include "rushes/training/optimiser.h"
#include "rushes/training/parallel.h"
#include "rushes/training/png.h"
#include "rushes/training/precision.h"
#include "rushes/training/psnr.h"

namespace rushes::training {
namespace {

constexpr int64_t kPixels = kFaceSide * kFaceSide, kCells = kFaceSide / 8, kPoints = 63;
constexpr int64_t kRow = 4 * kPixels + kPoints + 2 * kCells * kCells;
constexpr double kAttention = 8.0;   // extra weight of brows, eyes and mouth
constexpr double kSeam = 4.0;        // of the lines where the square is put back
constexpr double kExpression = 1.0;  // of what an expression changes
constexpr double kFlow = 0.3;        // of the deformation's error, in the grid's units
/// Who speaks stays near the pose of the portrait: this share of the frames has that much of a random change of pose.
constexpr double kNear = 0.7;
constexpr float kNearShare = 0.3f;

/// Where a picture is put back into a larger one, it must not end: [S, S], the weight of its border.
at::Tensor border_map() {
  constexpr int64_t kWidth = 12;
  at::Tensor map = at::full({kFaceSide, kFaceSide}, 0.4, at::TensorOptions(at::kFloat));
  map.narrow(0, kWidth, kFaceSide - 2 * kWidth).narrow(1, kWidth, kFaceSide - 2 * kWidth).zero_();
  return map;
}

/// One person: `drivers` moved pictures, in pairs that differ by their expression alone, after the source picture,
/// [1 + drivers, kRow]. A row is picture, map, its keypoints (of the source: where they are; of others: as they drive),
/// and where the picture's cells come from.
at::Tensor draw_person(const HeadRendererOptions& options, uint64_t index, Split split) {
  const Identity identity = make_identity(options.run.seed ^ 0xd1770, index, split);
  Random random(options.run.seed ^ 0xd1771, index);
  const Camera camera = random_camera(random);
  FaceControls source = portrait_controls(random);
  if (random.uniform() < 0.3) source = random_expression(source, random);
  const at::Tensor border = border_map();
  std::vector<at::Tensor> rows;
  FaceControls base = source;
  for (int64_t i = 0; i <= options.drivers; ++i) {
    FaceControls shown = source;
    if (i % 2 == 1) {
      base = random_controls(random);
      if (random.uniform() < kNear) calm(base, source, kNearShare);
      if (random.uniform() < 0.5) base.blink = 0, base.jaw *= 0.15f;
      shown = random.uniform() < 0.5 ? base : random_expression(base, random);
    } else if (i > 0) {
      shown =
          random.uniform() < 0.6 ? expressed(base, random.below(ditto::kEmotions)) : random_expression(base, random);
    }
    const at::Tensor keypoints =
        i == 0 ? placed_keypoints(face_labels(identity, shown)) : settled_keypoints(identity, source, shown);
    const at::Tensor drawn = at::cat({draw_face(identity, shown), expressive_map(identity, shown)});
    at::Tensor photograph = seen(drawn, camera);
    photograph.select(0, 3).copy_(at::maximum(photograph.select(0, 3), border));
    const at::Tensor origins = seen_origins(correspondence(identity, source, shown, kCells), kCells, camera);
    rows.push_back(at::cat({photograph.flatten(), seen_keypoints(keypoints, camera).flatten(), origins.flatten()}));
  }
  return at::stack(rows);
}

struct Faces {
  at::Tensor pictures, maps, keypoints, origins;  // [N, 3, S, S], [N, 1, S, S], [N, 21, 3], [N, cells, cells, 2]
  explicit Faces(const at::Tensor& rows) {
    pictures = rows.narrow(1, 0, 3 * kPixels).reshape({-1, 3, kFaceSide, kFaceSide});
    maps = rows.narrow(1, 3 * kPixels, kPixels).reshape({-1, 1, kFaceSide, kFaceSide});
    keypoints = rows.narrow(1, 4 * kPixels, kPoints).reshape({-1, 21, 3});
    origins = rows.narrow(1, 4 * kPixels + kPoints, 2 * kCells * kCells).reshape({-1, kCells, kCells, 2});
  }
};

/// The modules as they are for one update. WarpNetwork's parts are taken apart: the deformation is looked at.
class TrainedHead {
 public:
  explicit TrainedHead(const tensor::WeightMap& weights)
      : appearance_(weights.under("appearance_extractor."), shipped_ditto_sizes().depth),
        motion_(weights.under("warp_network.")),
        warp_(weights.under("warp_network.")),
        third_(warp_.under("third.conv."), warp_.under("third.norm.")),
        decoder_(weights.under("decoder.")),
        dtype_(warp_.at("fourth.weight").scalar_type()) {}

  struct Made {
    at::Tensor pictures, deformation;
  };
  /// Sources [G, 3, S, S] with keypoints [G, 21, 3]; driving keypoints [G K, 21, 3], person by person.
  Made render(const at::Tensor& sources, const at::Tensor& kp_source, const at::Tensor& kp_driving) const {
    const int64_t repeats = kp_driving.size(0) / sources.size(0);
    const auto each = [&](const at::Tensor& x) { return at::repeat_interleave(x, repeats, 0); };
    const at::Tensor feature = each(appearance_.forward(at::avg_pool2d(sources, 2).to(dtype_)));
    const ditto::DenseMotion motion = motion_.forward(feature, each(kp_source), kp_driving);
    const at::Tensor bent = ditto::sample_volume(feature, motion.deformation).flatten(1, 2);
    const at::Tensor flat =
        at::conv2d(at::leaky_relu(third_(bent), 0.01), warp_.at("fourth.weight"), warp_.at("fourth.bias"));
    return {decoder_.forward(flat * motion.occlusion).to(at::kFloat), motion.deformation};
  }

 private:
  ditto::AppearanceExtractor appearance_;
  ditto::DenseMotionNetwork motion_;
  tensor::WeightMap warp_;
  nn::NormedConv third_;
  ditto::SpadeDecoder decoder_;
  at::ScalarType dtype_;
};

at::Tensor edges(const at::Tensor& x, int64_t axis) { return x.slice(axis, 1) - x.slice(axis, 0, -1); }

/// Means of the outermost lines, and the steps from line to line, which eyes compare with the picture around the
/// square. Shoulders, at the bottom, move. What a camera sees beyond the drawing is black, and no place to put
/// anything.
at::Tensor seam_loss(const at::Tensor& error, const at::Tensor& truth) {
  constexpr int64_t kWidth = 14, kBeside = 2;
  const at::Tensor black = truth.amax({1}, true).lt(0.02).to(at::kFloat);
  const at::Tensor inside = 1 - at::max_pool2d(black, {2 * kBeside + 1, 2 * kBeside + 1}, {1, 1}, {kBeside, kBeside});
  const at::Tensor there = error * inside, upper = there.narrow(2, 0, kFaceSide / 2);
  const auto of_lines = [](const at::Tensor& lines) {  // [N, 3, kWidth]
    return lines.abs().mean() + 2 * (lines.slice(2, 1) - lines.slice(2, 0, -1)).abs().mean();
  };
  return of_lines(there.narrow(2, 0, kWidth).mean({3})) + of_lines(upper.narrow(3, 0, kWidth).mean({2})) +
         of_lines(upper.narrow(3, kFaceSide - kWidth, kWidth).mean({2}));
}

at::Tensor picture_loss(const at::Tensor& made, const at::Tensor& truth, const at::Tensor& maps) {
  const at::Tensor weight = 1 + kAttention * maps, error = made - truth;
  const at::Tensor l1 = (error.abs() * weight).mean();
  const at::Tensor edge =
      (edges(error, 2).abs() * weight.slice(2, 1)).mean() + (edges(error, 3).abs() * weight.slice(3, 1)).mean();
  const at::Tensor coarse = at::avg_pool2d(error, 4).abs().mean();
  return l1 + 0.7 * edge + coarse + 2 * (error.square() * weight).mean() + kSeam * seam_loss(error, truth);
}

/// How far the change between the pictures of a pair [N, 2, 3, S, S] is from that of the drawings, in the size of that:
/// 0 to about 1. An expression changes few pixels by little. In the error of a picture, and above all in its absolute
/// value, they are lost among outlines that lie a pixel off; the change itself has none of these.
at::Tensor expression_loss(const at::Tensor& made, const at::Tensor& truth, const at::Tensor& maps) {
  constexpr double kLeast = 3;  // squares, below which a change is none
  const at::Tensor map = maps.amax({1});
  const auto change = [&](const at::Tensor& pairs) { return (pairs.select(1, 0) - pairs.select(1, 1)) * map; };
  const at::Tensor own = change(made), wanted = change(truth);
  const auto energy = [](const at::Tensor& x) { return x.square().sum({1, 2, 3}); };
  const auto relative = [&](const at::Tensor& a, const at::Tensor& b) {
    return (energy(a - b) / (energy(b) + kLeast)).mean();
  };
  const auto soft = [](const at::Tensor& x) { return 3 * at::avg_pool2d(x, 3, 1, 1); };
  return relative(own, wanted) + relative(soft(own), soft(wanted));
}

struct Loss {
  double total, l1, flow, expression;
};

/// One backward pass over `rows` [G, 1 + K, kRow].
Loss accumulate(const TrainedHead& head, const at::Tensor& rows, const at::Generator& random, double share) {
  const Faces sources(rows.select(1, 0)), drivers(rows.narrow(1, 1, rows.size(1) - 1).flatten(0, 1));
  // What reads and moves faces is not exact either: an error of the face is in both, others are in one.
  const int64_t repeats = drivers.keypoints.size(0) / sources.keypoints.size(0);
  const auto rough = [&](at::IntArrayRef sizes, double size) {
    return size * at::randn(sizes, random, sources.keypoints.options());
  };
  const at::Tensor common = rough(sources.keypoints.sizes(), 0.006);
  const TrainedHead::Made made = head.render(
      sources.pictures, sources.keypoints + common,
      drivers.keypoints + at::repeat_interleave(common, repeats, 0) + rough(drivers.keypoints.sizes(), 0.003));
  const at::Tensor flow = (made.deformation.narrow(4, 0, 2) - drivers.origins.unsqueeze(1)).abs().clamp_max(0.5).mean();
  at::Tensor loss = picture_loss(made.pictures, drivers.pictures, drivers.maps) + kFlow * flow;
  double expression = 0;
  if (const int64_t pairs = repeats / 2; pairs > 0) {
    const auto paired = [&](const at::Tensor& x) {
      return x.unflatten(0, {-1, repeats}).narrow(1, 0, 2 * pairs).flatten(0, 1).unflatten(0, {-1, 2});
    };
    const at::Tensor lost = expression_loss(paired(made.pictures), paired(drivers.pictures), paired(drivers.maps));
    loss = loss + kExpression * lost;
    expression = lost.item<double>();
  }
  (loss * share).backward();
  return {loss.item<double>(), (made.pictures.detach() - drivers.pictures).abs().mean().item<double>(),
          flow.item<double>(), expression};
}

/// Rows of source, then pairs of driving picture and what was made; six held-out people.
double save_sheet(const tensor::WeightMap& weights, HeadRendererOptions options, const std::filesystem::path& file) {
  const at::NoGradGuard no_grad;
  const TrainedHead head(weights);
  options.drivers = 5;
  std::vector<at::Tensor> people;
  double quality = 0;
  for (uint64_t i = 0; i < 6; ++i) {
    const Faces faces(draw_person(options, i, Split::held_out));
    const at::Tensor made =
        head.render(faces.pictures.narrow(0, 0, 1), faces.keypoints.narrow(0, 0, 1), faces.keypoints.slice(0, 1))
            .pictures;
    quality += psnr(made, faces.pictures.slice(0, 1)) / 6;
    std::vector<at::Tensor> row{faces.pictures[0]};
    for (int64_t k = 0; k < options.drivers; ++k) {
      row.push_back(faces.pictures[k + 1]);
      row.push_back(made[k]);
    }
    people.push_back(at::stack(row));
  }
  write_png(file, contact_sheet(at::stack(people), people[0].size(0)));
  return quality;
}

}  // namespace

void train_head_renderer(const HeadRendererOptions& all) {
  const RunOptions& options = all.run;
  at::manual_seed(options.seed);
  Tensors fresh;
  for (const std::string part : {"appearance_extractor", "warp_network", "decoder"})
    for (const auto& [key, value] : fresh_part(part)) fresh[part + "." + key] = value;
  begin_with(fresh, options.directory / "ditto-renderer.safetensors");
  Optimiser optimiser(
      fresh, {.learning_rate = options.learning_rate, .weight_decay = 0.0, .average = 0.995, .warm_up_steps = 50});
  const auto state_file = options.directory / "ditto-renderer.state.safetensors";
  if (optimiser.load(state_file)) log::info("continuing at step {}", optimiser.steps());
  Run run(options, "ditto-renderer", {"loss", "l1", "flow", "expression", "gradient"});
  const auto save = [&] {
    optimiser.save(state_file);
    const tensor::WeightMap average = optimiser.average();
    tensor::save_safetensors(options.directory / "ditto-renderer.safetensors", average.tensors());
    const double quality = save_sheet(with_identity_statistics(average), all, options.directory / "ditto-renderer.png");
    log::info("held-out people: {:.2f} dB", quality);
    run.saved();
  };
  const uint64_t first = static_cast<uint64_t>(optimiser.steps()) * static_cast<uint64_t>(options.batch);
  Drawing drawing([all](uint64_t index) { return draw_person(all, index, Split::train); }, first, options.batch);
  const int64_t parts = parallel_parts(options.batch, options.threads);
  while (run.time_left()) {
    const at::Tensor batch = drawing.next_batch();
    std::vector<double> total(static_cast<std::size_t>(parts)), l1(total.size()), flow(total.size()),
        expression(total.size());
    in_parallel(parts, [&](int64_t part) {
      const auto index = static_cast<std::size_t>(part);
      const TrainedHead head(for_products(with_identity_statistics(optimiser.weights())));
      const Loss loss = accumulate(head, batch.chunk(parts)[index], generator_of(options.seed, optimiser.steps(), part),
                                   1.0 / static_cast<double>(parts));
      total[index] = loss.total;
      l1[index] = loss.l1;
      flow[index] = loss.flow;
      expression[index] = loss.expression;
    });
    const double gradient = optimiser.step(run.schedule());
    run.record(optimiser.steps(), {mean_of(total), mean_of(l1), mean_of(flow), mean_of(expression), gradient}, 20);
    if (run.due()) save();
  }
  save();
}

}  // namespace rushes::training
