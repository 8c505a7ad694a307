#include <fmt/format.h>

#include <cmath>

#include "rushes/base/log.h"
#include "rushes/models/imtalker/encoders.h"
#include "rushes/models/imtalker/frame_decoder.h"
#include "rushes/models/imtalker/motion_decoder.h"
#include "rushes/models/imtalker/motion_transfer.h"
#include "rushes/tensor/ops.h"
#include "rushes/tensor/safetensors.h"
#include "rushes/training/drawing.h"
#include "rushes/training/face_world.h"
#include "rushes/training/optimiser.h"
#include "rushes/training/parallel.h"
#include "rushes/training/png.h"
#include "rushes/training/shipped_talk.h"
#include "rushes/training/talk_training.h"

namespace rushes::training {
namespace {

constexpr int64_t kPixels = kFaceSide * kFaceSide;
constexpr int64_t kCells = 32;  // of the grid on which places are told apart
constexpr int64_t kRow = 4 * kPixels + 2 * kControls + 2 * kCells * kCells;
constexpr double kAttention = 4.0;     // extra weight of eyes and mouth
constexpr double kMotionWeight = 0.3;  // of the motion encoder's error
constexpr double kPlaceWeight = 0.05;  // of the error of where the motion transfer looks

/// Pictures with their attention maps and motion latents: [N, 3, S, S], [N, 1, S, S], [N, kControls]. `wanted` may go
/// beyond what can be drawn, `latents` may not.
struct Faces {
  at::Tensor pictures, maps, latents, wanted, places;
  explicit Faces(const at::Tensor& rows) {
    pictures = rows.narrow(1, 0, 3 * kPixels).reshape({-1, 3, kFaceSide, kFaceSide});
    maps = rows.narrow(1, 3 * kPixels, kPixels).reshape({-1, 1, kFaceSide, kFaceSide});
    latents = rows.narrow(1, 4 * kPixels, kControls).contiguous();
    wanted = rows.narrow(1, 4 * kPixels + kControls, kControls).contiguous();
    places = rows.narrow(1, 4 * kPixels + 2 * kControls, 2 * kCells * kCells).reshape({-1, kCells * kCells, 2});
  }
};

at::Tensor clamped_latent(const at::Tensor& wanted) {
  const at::Tensor one = motion_latent({1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}),
                   low = motion_latent({-1, -1, -1, -1, -1, -1, -1, -1, 0, -1, 0, -1, 0});
  return at::minimum(at::maximum(wanted, low), one);
}

/// One person: a source picture and `drivers` others, [1 + drivers, kRow].
at::Tensor draw_person(const RendererOptions& options, uint64_t index, Split split) {
  const uint64_t person = options.people > 0 ? index % static_cast<uint64_t>(options.people) : index;
  const Identity identity = make_identity(options.run.seed, person, split);
  Random random(options.run.seed ^ 0xd41fe, index);
  std::vector<at::Tensor> rows;
  FaceControls source;
  for (int64_t i = 0; i <= options.drivers; ++i) {
    FaceControls controls = random_controls(random);
    if (i == 0) {  // portraits mostly have their eyes open and their mouth shut
      if (random.uniform() < 0.8) controls.blink = 0;
      if (random.uniform() < 0.6) controls.jaw *= 0.15f;
    }
    at::Tensor wanted = motion_latent(controls);
    // Guided sampling overshoots: what lies beyond the range should look like its bound.
    if (i > 0 && random.uniform() < 0.2)
      wanted = 1.6 * wanted - 0.15 * motion_latent({0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 1});
    const FaceControls shown = controls_of(wanted);
    if (i == 0) source = shown;
    rows.push_back(
        at::cat({draw_face(identity, shown).flatten(), attention_map(identity, shown).flatten(), clamped_latent(wanted),
                 wanted, correspondence(identity, source, shown, kCells).flatten()}));
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

/// What the modules take: equalised weights times their gain.
tensor::WeightMap presented(const tensor::WeightMap& held) {
  std::map<std::string, at::Tensor> tensors;
  for (const auto& [key, value] : held.tensors()) tensors[key] = is_equalised(key) ? value * kEqualisedGain : value;
  tensor::WeightMap weights(std::move(tensors));
  weights.set_trainable(held.trainable());
  return with_running_statistics(weights, shipped_renderer());
}

/// The renderer's modules for batches of many people, which imtalker::Renderer has no use for, with a motion transfer
/// that also tells where it looks.
class TrainedRenderer {
 public:
  TrainedRenderer(const imtalker::RendererConfig& config, const tensor::WeightMap& weights)
      : config_(config),
        imt_(weights.under("imt.")),
        appearance_(config, weights.under("dense_feature_encoder.")),
        motion_(config, weights.under("latent_token_encoder.")),
        adapt_(config, weights.under("adapt.")),
        maps_(config, weights.under("latent_token_decoder.")),
        decoder_(config, weights.under("frame_decoder.")) {}

  struct Rendered {
    at::Tensor pictures;  // [G K, 3, S, S]
    at::Tensor looks;     // [G K heads, L, L] log-probabilities: where each of the finest cells looks
  };

  at::Tensor motion(const at::Tensor& pictures) const { return motion_.forward(pictures); }

  /// sources [G, 3, S, S] and their motion [G, kControls]; motion [G K, kControls], person by person.
  Rendered render(const at::Tensor& sources, const at::Tensor& reference, const at::Tensor& motion) const {
    const int64_t repeats = motion.size(0) / sources.size(0);
    const auto each = [&](const at::Tensor& x) { return at::repeat_interleave(x, repeats, 0); };
    const imtalker::Appearance appearance = appearance_.forward(sources);
    const std::vector<at::Tensor> at_rest = maps_.forward(adapt_.forward(reference, appearance.identity)),
                                  moved = maps_.forward(adapt_.forward(motion, each(appearance.identity)));
    Rendered rendered;
    std::vector<at::Tensor> aligned;
    at::Tensor best;
    const int64_t N = config_.num_heads;
    const auto tokens = [](const at::Tensor& map) { return map.flatten(2).transpose(1, 2); };
    for (std::size_t level = 0; level < static_cast<std::size_t>(config_.coarse_levels()); ++level) {
      const tensor::WeightMap own = imt_.under(fmt::format("{}.block_efc.", level));
      const auto projected = [&](const char* name, const at::Tensor& x) {
        return at::linear(x, own.at(std::string(name) + ".weight"), own.at(std::string(name) + ".bias"));
      };
      const auto heads = [&](const at::Tensor& x) { return x.reshape({x.size(0), x.size(1), N, -1}).transpose(1, 2); };
      const at::Tensor& map = moved[level];
      const at::Tensor q = heads(projected("q_proj", tokens(map))),
                       k = heads(each(projected("k_proj", tokens(at_rest[level])))),
                       v = heads(each(projected("v_proj", tokens(appearance.maps[level]))));
      const at::Tensor logits = at::matmul(q, k.transpose(-1, -2)) / std::sqrt(static_cast<double>(q.size(3)));
      const at::Tensor p = at::softmax(logits, -1), seen = at::matmul(p, v).transpose(1, 2).flatten(2);
      aligned.push_back(
          projected("proj", seen).transpose(1, 2).reshape({map.size(0), seen.size(2), map.size(2), map.size(3)}));
      if (level + 1 == static_cast<std::size_t>(config_.coarse_levels())) {
        rendered.looks = at::log_softmax(logits, -1).flatten(0, 1);
        best = p.detach().mean(1).argmax(-1);
      }
    }
    int64_t ratio = 1;
    for (std::size_t level = aligned.size(); level < appearance.maps.size(); ++level) {
      ratio *= 2;
      aligned.push_back(
          imtalker::gather_blocks(each(imtalker::block_means(appearance.maps[level], ratio)), best, ratio));
    }
    rendered.pictures = decoder_.forward(aligned);
    return rendered;
  }

 private:
  imtalker::RendererConfig config_;
  tensor::WeightMap imt_;
  imtalker::AppearanceEncoder appearance_;
  imtalker::MotionEncoder motion_;
  imtalker::IdentityAdaptation adapt_;
  imtalker::MotionDecoder maps_;
  imtalker::FrameDecoder decoder_;
};

/// Cross entropy of `looks` [B, L, L] against the four cells around `places` [B, L, 2], outside eyes and mouth, where
/// things come to light that the source does not show.
at::Tensor place_loss(const at::Tensor& looks, const at::Tensor& places, const at::Tensor& maps) {
  const at::Tensor inside = places.clamp(0, kCells - 1.001), low = inside.floor(), share = inside - low;
  const at::Tensor weight = 1 - at::avg_pool2d(maps, kFaceSide / kCells).flatten(1);
  at::Tensor sum = at::zeros_like(weight);
  for (const int64_t dx : {0, 1})
    for (const int64_t dy : {0, 1}) {
      const at::Tensor index = ((low.select(2, 1) + dy) * kCells + low.select(2, 0) + dx).to(at::kLong);
      const at::Tensor part = (dx == 1 ? share.select(2, 0) : 1 - share.select(2, 0)) *
                              (dy == 1 ? share.select(2, 1) : 1 - share.select(2, 1));
      sum = sum - part * at::gather(looks, 2, index.unsqueeze(2)).squeeze(2);
    }
  return (sum * weight).mean();
}

struct Loss {
  double total, l1, motion, place;
};

/// One backward pass over `rows` [G, 1 + K, kRow]. Motion comes half from the drawing and half from the encoder, so
/// that the two agree on what a latent means.
Loss accumulate(const TrainedRenderer& renderer, const at::Tensor& rows, const at::Generator& random, double share) {
  const int64_t G = rows.size(0), K = rows.size(1) - 1;
  const Faces all(rows.flatten(0, 1)), sources(rows.select(1, 0)), drivers(rows.narrow(1, 1, K).flatten(0, 1));
  const at::Tensor read = renderer.motion(all.pictures);
  const at::Tensor motion_loss = (read - all.latents).square().mean();
  const at::Tensor read_by_person = read.detach().view({G, 1 + K, kControls});
  const auto mixed = [&](const at::Tensor& known, const at::Tensor& own, double noise) {
    // The encoder's reading counts as soon as it is near the truth.
    const at::Tensor close = ((own - known.clamp(-3, 3)).square().mean({1}, true) < 0.15).to(at::kFloat);
    const at::Tensor pick = (at::rand({known.size(0), 1}, random, known.options()) < 0.5).to(at::kFloat) * close;
    return pick * own + (1 - pick) * (known + noise * at::randn(known.sizes(), random, known.options()));
  };
  const at::Tensor reference = mixed(sources.latents, read_by_person.select(1, 0), 0.03);
  const at::Tensor motion = mixed(drivers.wanted, read_by_person.narrow(1, 1, K).reshape({G * K, kControls}), 0.03);
  const TrainedRenderer::Rendered made = renderer.render(sources.pictures, reference, motion);
  const at::Tensor picture = picture_loss(made.pictures, drivers.pictures, drivers.maps);
  const int64_t heads = made.looks.size(0) / drivers.places.size(0);
  const auto of_heads = [&](const at::Tensor& x) { return at::repeat_interleave(x, heads, 0); };
  const at::Tensor place = place_loss(made.looks, of_heads(drivers.places), of_heads(drivers.maps));
  ((picture + kMotionWeight * motion_loss + kPlaceWeight * place) * share).backward();
  return {picture.item<double>(), (made.pictures.detach() - drivers.pictures).abs().mean().item<double>(),
          motion_loss.item<double>(), place.item<double>()};
}

/// Rows of source, driving frame and what was made of them; twelve held-out people.
void save_sheet(const tensor::WeightMap& weights, const RendererOptions& options, const std::filesystem::path& file) {
  const at::NoGradGuard no_grad;
  const TrainedRenderer renderer(shipped_renderer(), weights);
  std::vector<at::Tensor> people;
  for (uint64_t i = 0; i < 6; ++i) {
    const at::Tensor rows = draw_person(options, i, options.people > 0 ? Split::train : Split::held_out);
    const Faces faces(rows);
    const at::Tensor read = renderer.motion(faces.pictures);
    const at::Tensor made =
        renderer.render(faces.pictures.narrow(0, 0, 1), read.narrow(0, 0, 1), read.slice(0, 1)).pictures;
    std::vector<at::Tensor> row{faces.pictures[0]};
    for (int64_t k = 0; k < std::min<int64_t>(options.drivers, 3); ++k) {
      row.push_back(faces.pictures[k + 1]);
      row.push_back(made[k]);
    }
    people.push_back(at::stack(row));
  }
  write_png(file, contact_sheet(at::stack(people), people[0].size(0)));
}

/// What another state knows of where things are: motion encoder, adaptation, motion maps, queries and keys.
void take_over(Optimiser& optimiser, const std::filesystem::path& state) {
  std::map<std::string, at::Tensor> places;
  const tensor::WeightMap other = tensor::load_safetensors(state).under("weight.");
  for (const std::string& key : other.keys())
    if (key.starts_with("latent_token_") || key.starts_with("adapt.") ||
        (key.starts_with("imt.") &&
         (key.find("q_proj") != std::string::npos || key.find("k_proj") != std::string::npos)))
      places[key] = other.at(key).clone();
  log::info("took over {} tensors of {}", optimiser.adopt(tensor::WeightMap(places)), state.string());
}

}  // namespace

void train_renderer(const RendererOptions& all) {
  const RunOptions& options = all.run;
  const imtalker::RendererConfig config = shipped_renderer();
  at::manual_seed(options.seed);
  std::map<std::string, at::Tensor> fresh = fresh_renderer(config);
  for (auto& [key, value] : fresh)
    if (is_equalised(key)) value = value / kEqualisedGain;
  Optimiser optimiser(
      fresh, {.learning_rate = options.learning_rate, .weight_decay = 0.0, .average = 0.995, .warm_up_steps = 50});
  const auto state_file = options.directory / "face-renderer.state.safetensors";
  if (!all.start.empty()) take_over(optimiser, all.start);
  const bool continued = optimiser.load(state_file);
  if (continued) log::info("continuing at step {}", optimiser.steps());
  Run run(options, "face-renderer", {"loss", "l1", "motion", "place", "gradient"});
  const auto save = [&] {
    optimiser.save(state_file);
    const tensor::WeightMap average = presented(optimiser.average());
    tensor::save_safetensors(options.directory / "face-renderer.safetensors", average.tensors());
    save_sheet(average, all, options.directory / "face-renderer.png");
  };
  const uint64_t first = static_cast<uint64_t>(optimiser.steps()) * static_cast<uint64_t>(options.batch);
  Drawing drawing([all](uint64_t index) { return draw_person(all, index, Split::train); }, first, options.batch);
  const int64_t parts = parallel_parts(options.batch, options.threads);
  while (run.time_left()) {
    const at::Tensor batch = drawing.next_batch();
    std::vector<double> total(static_cast<std::size_t>(parts)), l1(total.size()), motion(total.size()),
        place(total.size());
    in_parallel(parts, [&](int64_t part) {
      const auto index = static_cast<std::size_t>(part);
      const TrainedRenderer renderer(config, presented(optimiser.weights()));  // the gain is part of the graph
      const Loss loss =
          accumulate(renderer, batch.chunk(parts)[index], generator_of(options.seed, optimiser.steps(), part),
                     1.0 / static_cast<double>(parts));
      total[index] = loss.total;
      l1[index] = loss.l1;
      motion[index] = loss.motion;
      place[index] = loss.place;
    });
    const double gradient = optimiser.step(run.schedule());
    run.record(optimiser.steps(), {mean_of(total), mean_of(l1), mean_of(motion), mean_of(place), gradient}, 10);
    if (run.due()) save();
  }
  save();
  const RendererQuality quality = renderer_quality(options.directory / "face-renderer.safetensors", 16);
  log::info("held-out PSNR {:.2f} dB, unmoved source {:.2f} dB", quality.psnr, quality.unmoved_psnr);
}

RendererQuality renderer_quality(const std::filesystem::path& file, int64_t people) {
  const at::NoGradGuard no_grad;
  const TrainedRenderer renderer(shipped_renderer(), tensor::load_safetensors(file));
  const RendererOptions options{.run = {.seed = 78}};
  const auto psnr = [](const at::Tensor& a, const at::Tensor& b) {
    return -10 * std::log10((a - b).square().mean().item<double>());
  };
  RendererQuality sum{0, 0};
  for (int64_t i = 0; i < people; ++i) {
    const Faces faces(draw_person(options, static_cast<uint64_t>(i), Split::held_out));
    const at::Tensor read = renderer.motion(faces.pictures), drivers = faces.pictures.slice(0, 1);
    const at::Tensor made =
        renderer.render(faces.pictures.narrow(0, 0, 1), read.narrow(0, 0, 1), read.slice(0, 1)).pictures;
    sum.psnr += psnr(made, drivers) / static_cast<double>(people);
    sum.unmoved_psnr += psnr(faces.pictures.narrow(0, 0, 1).expand_as(drivers), drivers) / static_cast<double>(people);
  }
  return sum;
}

}  // namespace rushes::training
