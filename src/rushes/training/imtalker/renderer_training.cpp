#include <fmt/format.h>

#include <cmath>

#include "rushes/base/log.h"
#include "rushes/models/imtalker/encoders.h"
#include "rushes/models/imtalker/frame_decoder.h"
#include "rushes/models/imtalker/motion_decoder.h"
#include "rushes/models/imtalker/motion_transfer.h"
#include "rushes/tensor/ops.h"
#include "rushes/tensor/safetensors.h"
#include "rushes/training/begin_with.h"
#include "rushes/training/drawing.h"
#include "rushes/training/face_world/face_world.h"
#include "rushes/training/imtalker/shipped_talk.h"
#include "rushes/training/imtalker/talk_evaluation.h"
#include "rushes/training/imtalker/talk_training.h"
#include "rushes/training/optimiser.h"
#include "rushes/training/parallel.h"
#include "rushes/training/png.h"
#include "rushes/training/psnr.h"

namespace rushes::training {
namespace {

constexpr int64_t kPixels = kFaceSide * kFaceSide;
constexpr double kAttention = 4.0;  // extra weight of eyes and mouth
/// Who speaks stays near the pose of the portrait: this share of the frames has that much of a random change of pose.
constexpr double kNear = 0.8;
constexpr float kNearShare = 0.2f;

/// Pictures with their attention maps and motion latents: [N, 3, S, S], [N, 1, S, S], [N, kControls].
struct Faces {
  at::Tensor pictures, maps, latents;
  explicit Faces(const at::Tensor& rows) {
    pictures = rows.narrow(1, 0, 3 * kPixels).reshape({-1, 3, kFaceSide, kFaceSide});
    maps = rows.narrow(1, 3 * kPixels, kPixels).reshape({-1, 1, kFaceSide, kFaceSide});
    latents = rows.narrow(1, 4 * kPixels, kControls).contiguous();
  }
};

/// One person: a source picture and `drivers` others, [1 + drivers, 4 S S + kControls].
at::Tensor draw_person(const RendererOptions& options, uint64_t index, Split split) {
  const uint64_t person = options.people > 0 ? index % static_cast<uint64_t>(options.people) : index;
  const Identity identity = make_identity(options.run.seed, person, split);
  Random random(options.run.seed ^ 0xd41fe, index);
  std::vector<at::Tensor> rows;
  const FaceControls source = portrait_controls(random);
  for (int64_t i = 0; i <= options.drivers; ++i) {
    FaceControls shown = i == 0 ? source : random_controls(random);
    if (i > 0 && random.uniform() < kNear) calm(shown, source, kNearShare);
    rows.push_back(at::cat(
        {draw_face(identity, shown).flatten(), attention_map(identity, shown).flatten(), motion_latent(shown)}));
  }
  return at::stack(rows);
}

at::Tensor edges(const at::Tensor& x, int64_t axis) { return x.slice(axis, 1) - x.slice(axis, 0, -1); }

at::Tensor picture_loss(const at::Tensor& made, const at::Tensor& truth, const at::Tensor& maps) {
  const at::Tensor weight = 1 + kAttention * maps, error = made - truth;
  const at::Tensor l1 = (error.abs() * weight).mean();
  const at::Tensor edge =
      (edges(error, 2).abs() * weight.slice(2, 1)).mean() + (edges(error, 3).abs() * weight.slice(3, 1)).mean();
  return l1 + 0.7 * edge + 2 * (error.square() * weight).mean();
}

/// The renderer's modules for batches of many people, which imtalker::Renderer has no use for. Where the motion
/// transfer looks is as face-places left it: no gradient goes there.
class TrainedRenderer {
 public:
  TrainedRenderer(const imtalker::RendererConfig& config, const tensor::WeightMap& weights)
      : config_(config),
        imt_(weights.under("imt.")),
        appearance_(config, weights.under("dense_feature_encoder.")),
        adapt_(config, weights.under("adapt.")),
        maps_(config, weights.under("latent_token_decoder.")),
        decoder_(config, weights.under("frame_decoder.")) {}

  /// sources [G, 3, S, S] and their motion [G, kControls]; motion [G K, kControls], person by person. Returns
  /// [G K, 3, S, S].
  at::Tensor render(const at::Tensor& sources, const at::Tensor& reference, const at::Tensor& motion) const {
    const int64_t repeats = motion.size(0) / sources.size(0);
    const auto each = [&](const at::Tensor& x) { return at::repeat_interleave(x, repeats, 0); };
    const imtalker::Appearance appearance = appearance_.forward(sources);
    const std::vector<at::Tensor> weights = looks(reference, motion, appearance.identity, repeats);
    std::vector<at::Tensor> aligned;
    for (std::size_t level = 0; level < weights.size(); ++level) {
      const at::Tensor v = each(heads("v_proj", level, appearance.maps[level])),
                       seen = at::matmul(weights[level], v).transpose(1, 2).flatten(2);
      const int64_t side = appearance.maps[level].size(2);
      aligned.push_back(
          projected("proj", level, seen).transpose(1, 2).reshape({motion.size(0), seen.size(2), side, side}));
    }
    const at::Tensor best = weights.back().mean(1).argmax(-1);
    int64_t ratio = 1;
    for (std::size_t level = aligned.size(); level < appearance.maps.size(); ++level) {
      ratio *= 2;
      aligned.push_back(
          imtalker::gather_blocks(each(imtalker::block_means(appearance.maps[level], ratio)), best, ratio));
    }
    return decoder_.forward(aligned);
  }

 private:
  at::Tensor projected(const char* name, std::size_t level, const at::Tensor& x) const {
    const tensor::WeightMap own = imt_.under(fmt::format("{}.block_efc.", level));
    return at::linear(x, own.at(std::string(name) + ".weight"), own.at(std::string(name) + ".bias"));
  }
  at::Tensor heads(const char* name, std::size_t level, const at::Tensor& map) const {
    const at::Tensor x = projected(name, level, map.flatten(2).transpose(1, 2));
    return x.reshape({x.size(0), x.size(1), config_.num_heads, -1}).transpose(1, 2);
  }
  /// Attention of each coarse level, [G K, heads, L, L].
  std::vector<at::Tensor> looks(const at::Tensor& reference, const at::Tensor& motion, const at::Tensor& identity,
                                int64_t repeats) const {
    const at::NoGradGuard no_grad;
    const auto each = [&](const at::Tensor& x) { return at::repeat_interleave(x, repeats, 0); };
    const std::vector<at::Tensor> at_rest = maps_.forward(adapt_.forward(reference, identity)),
                                  moved = maps_.forward(adapt_.forward(motion, each(identity)));
    std::vector<at::Tensor> weights;
    for (std::size_t level = 0; level < static_cast<std::size_t>(config_.coarse_levels()); ++level) {
      const at::Tensor q = heads("q_proj", level, moved[level]), k = each(heads("k_proj", level, at_rest[level]));
      weights.push_back(
          at::softmax(at::matmul(q, k.transpose(-1, -2)) / std::sqrt(static_cast<double>(q.size(3))), -1));
    }
    return weights;
  }

  imtalker::RendererConfig config_;
  tensor::WeightMap imt_;
  imtalker::AppearanceEncoder appearance_;
  imtalker::IdentityAdaptation adapt_;
  imtalker::MotionDecoder maps_;
  imtalker::FrameDecoder decoder_;
};

/// `own` with what other stages trained: all that the modules take.
tensor::WeightMap joined(const tensor::WeightMap& own, const std::vector<tensor::WeightMap>& others) {
  std::map<std::string, at::Tensor> all = own.tensors();
  for (const tensor::WeightMap& other : others)
    for (const auto& [key, value] : other.tensors()) all[key] = value;
  tensor::WeightMap weights(std::move(all));
  weights.set_trainable(own.trainable());
  return with_running_statistics(weights, shipped_renderer());
}

struct Loss {
  double total, l1;
};

/// One backward pass over `rows` [G, 1 + K, ...].
Loss accumulate(const TrainedRenderer& renderer, const at::Tensor& rows, const at::Generator& random, double share) {
  const Faces sources(rows.select(1, 0)), drivers(rows.narrow(1, 1, rows.size(1) - 1).flatten(0, 1));
  // The motion encoder's and the generator's motions are not exact either.
  const auto rough = [&](const at::Tensor& x) { return x + 0.03 * at::randn(x.sizes(), random, x.options()); };
  const at::Tensor made = renderer.render(sources.pictures, rough(sources.latents), rough(drivers.latents));
  const at::Tensor loss = picture_loss(made, drivers.pictures, drivers.maps);
  (loss * share).backward();
  return {loss.item<double>(), (made.detach() - drivers.pictures).abs().mean().item<double>()};
}

/// What was made of the rows of one person, [K, 3, S, S].
at::Tensor rendered(const TrainedRenderer& renderer, const Faces& faces) {
  return renderer.render(faces.pictures.narrow(0, 0, 1), faces.latents.narrow(0, 0, 1), faces.latents.slice(0, 1));
}

/// Rows of source, driving frame and what was made of them; six held-out people.
void save_sheet(const tensor::WeightMap& weights, const RendererOptions& options, const std::filesystem::path& file) {
  const at::NoGradGuard no_grad;
  const TrainedRenderer renderer(shipped_renderer(), weights);
  std::vector<at::Tensor> people;
  for (uint64_t i = 0; i < 6; ++i) {
    const Faces faces(draw_person(options, i, options.people > 0 ? Split::train : Split::held_out));
    const at::Tensor made = rendered(renderer, faces);
    std::vector<at::Tensor> row{faces.pictures[0]};
    for (int64_t k = 0; k < std::min<int64_t>(options.drivers, 3); ++k) {
      row.push_back(faces.pictures[k + 1]);
      row.push_back(made[k]);
    }
    people.push_back(at::stack(row));
  }
  write_png(file, contact_sheet(at::stack(people), people[0].size(0)));
}

/// Weights of another stage; those it would begin with if it has not run.
tensor::WeightMap of_stage(const std::filesystem::path& file, const std::map<std::string, at::Tensor>& fresh,
                           RendererPart part) {
  if (std::filesystem::exists(file)) return tensor::load_safetensors(file);
  log::warning("{} does not exist; run its training stage first", file.string());
  return presented(tensor::WeightMap(held_for_training(fresh, part)));
}

}  // namespace

void train_renderer(const RendererOptions& all) {
  const RunOptions& options = all.run;
  const imtalker::RendererConfig config = shipped_renderer();
  at::manual_seed(options.seed);
  std::map<std::string, at::Tensor> fresh = fresh_renderer(config);
  begin_with(fresh, options.directory / "face-renderer.safetensors");
  Optimiser optimiser(
      held_for_training(fresh, RendererPart::picture),
      {.learning_rate = options.learning_rate, .weight_decay = 0.0, .average = 0.99, .warm_up_steps = 30});
  const auto state_file = options.directory / "face-renderer.state.safetensors";
  if (optimiser.load(state_file)) log::info("continuing at step {}", optimiser.steps());
  Run run(options, "face-renderer", {"loss", "l1", "gradient"});
  const auto others = [&] {
    return std::vector{
        of_stage(options.directory / "face-places.safetensors", fresh, RendererPart::positions),
        of_stage(options.directory / "face-motion-encoder.safetensors", fresh, RendererPart::motion_encoder)};
  };
  const auto save = [&] {
    optimiser.save(state_file);
    const tensor::WeightMap average = joined(presented(optimiser.average()), others());
    tensor::save_safetensors(options.directory / "face-renderer.safetensors", average.tensors());
    save_sheet(average, all, options.directory / "face-renderer.png");
  };
  const uint64_t first = static_cast<uint64_t>(optimiser.steps()) * static_cast<uint64_t>(options.batch);
  Drawing drawing([all](uint64_t index) { return draw_person(all, index, Split::train); }, first, options.batch);
  const int64_t parts = parallel_parts(options.batch, options.threads);
  const std::vector<tensor::WeightMap> fixed = others();
  while (run.time_left()) {
    const at::Tensor batch = drawing.next_batch();
    std::vector<double> total(static_cast<std::size_t>(parts)), l1(total.size());
    in_parallel(parts, [&](int64_t part) {
      const auto index = static_cast<std::size_t>(part);
      const TrainedRenderer renderer(config, joined(presented(optimiser.weights()), fixed));
      const Loss loss =
          accumulate(renderer, batch.chunk(parts)[index], generator_of(options.seed, optimiser.steps(), part),
                     1.0 / static_cast<double>(parts));
      total[index] = loss.total;
      l1[index] = loss.l1;
    });
    const double gradient = optimiser.step(run.schedule());
    run.record(optimiser.steps(), {mean_of(total), mean_of(l1), gradient}, 10);
    if (run.due()) save();
  }
  save();
  const RendererQuality quality = renderer_quality(options.directory / "face-renderer.safetensors", 8);
  log::info("held-out PSNR {:.2f} dB, unmoved source {:.2f} dB; mouth opening, correlation {:.2f}", quality.psnr,
            quality.unmoved_psnr, quality.mouth);
}

RendererQuality renderer_quality(const std::filesystem::path& file, int64_t people) {
  const at::NoGradGuard no_grad;
  const TrainedRenderer renderer(shipped_renderer(), tensor::load_safetensors(file));
  const RendererOptions options{.run = {.seed = 78}};
  RendererQuality sum{0, 0, 0};
  std::vector<at::Tensor> seen, drawn;
  for (int64_t i = 0; i < people; ++i) {
    const auto index = static_cast<uint64_t>(i);
    const Faces faces(draw_person(options, index, Split::held_out));
    const at::Tensor drivers = faces.pictures.slice(0, 1), made = rendered(renderer, faces);
    sum.psnr += psnr(made, drivers) / static_cast<double>(people);
    sum.unmoved_psnr += psnr(faces.pictures.narrow(0, 0, 1).expand_as(drivers), drivers) / static_cast<double>(people);
    const Identity identity = make_identity(options.run.seed, index, Split::held_out);
    std::vector<MouthBox> boxes;
    for (int64_t k = 1; k < faces.latents.size(0); ++k)
      boxes.push_back(mouth_box(identity, controls_of(faces.latents[k])));
    seen.push_back(mouth_opening(made, boxes));
    drawn.push_back(mouth_opening(drivers, boxes));
  }
  sum.mouth = correlation(at::cat(seen), at::cat(drawn));
  return sum;
}

}  // namespace rushes::training
