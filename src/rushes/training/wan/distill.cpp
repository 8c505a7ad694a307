#include <cmath>

#include "rushes/base/error.h"
#include "rushes/base/log.h"
#include "rushes/base/stop_signal.h"
#include "rushes/tensor/ops.h"
#include "rushes/tensor/safetensors.h"
#include "rushes/training/optimiser.h"
#include "rushes/training/parallel.h"
#include "rushes/training/precision.h"
#include "rushes/training/wan/latent_pool.h"
#include "rushes/training/wan/previews.h"
#include "rushes/training/wan/shipped_model.h"
#include "rushes/training/wan/training_forward.h"
#include "rushes/training/wan/transformer_training.h"

namespace rushes::training {
namespace {

constexpr double kContextNoise = 0.1;  // of what the sampler leaves over in the blocks before
constexpr std::size_t kKept = 256;     // trajectories of a thread: each costs as much as eight updates on it

// Weights with the module that borrows from them.
struct Model {
  explicit Model(const tensor::WeightMap& all) : weights(all.under("transformer.")), modules(all) {}
  at::Tensor flow(const at::Tensor& clean, const at::Tensor& noisy, double sigma, const wan::TextContext& text) const {
    const at::Tensor t = at::full({noisy.size(0), noisy.size(2)}, 1000 * sigma, noisy.options());
    return forward_for_training(modules.transformer().core(), weights, clean, noisy, t, text,
                                shipped_blocks(noisy.size(2)), product_dtype(noisy.device()));
  }
  wan::TextContext read(const Prompts& prompts) const { return modules.context(modules.read(prompts)); }

  tensor::WeightMap weights;
  TextToVideo modules;
};

// What the teacher makes of a clip's blocks: x [points, C, F, h, w] at every sigma of the sampler, then the end.
struct Trajectory {
  at::Tensor latents, points, ids, mask, from_start;
};

// x of all samples [B, C, F, h, w] at the places of `keep` (sigmas on the Euler grid, descending), then at the end.
std::vector<at::Tensor> guided(const Model& teacher, const LatentBatch& batch, const Prompts& nothing,
                               const DistillOptions& options, const std::vector<double>& keep,
                               const at::Generator& random) {
  const double shift = shipped_defaults().timestep_shift;
  const auto sigma_of = [&](int64_t i) {
    const double raw = 1 - static_cast<double>(i) / static_cast<double>(options.teacher_steps);
    return shift * raw / (1 + (shift - 1) * raw);
  };
  const wan::TextContext text = teacher.read(batch.prompts), without = teacher.read(nothing);
  std::vector<at::Tensor> kept;
  at::Tensor x = normal(batch.latents.sizes(), random, batch.latents.device());
  for (int64_t i = 0; i < options.teacher_steps; ++i) {
    const double sigma = sigma_of(i);
    if (kept.size() < keep.size() && std::abs(sigma - keep[kept.size()]) < 1e-3) kept.push_back(x);
    at::Tensor flow = teacher.flow(batch.latents, x, sigma, text);
    if (options.guidance != 1) {
      const at::Tensor unguided = teacher.flow(batch.latents, x, sigma, without);
      flow = unguided + options.guidance * (flow - unguided);
    }
    x = x + flow * (sigma_of(i + 1) - sigma);
  }
  require(kept.size() == keep.size(), ErrorCode::invalid_argument,
          "teacher_steps must be a multiple of 4, to stop at the timesteps of the sampler (got {})",
          options.teacher_steps);
  kept.push_back(x);
  return kept;
}

// One thread's clips and trajectories.
class Lessons {
 public:
  Lessons(const LatentPoolOptions& options, const tensor::WeightMap& autoencoder, const text::Tokenizer& tokenizer)
      : pool_(options, autoencoder, tokenizer), random_(options.seed, options.first) {}

  void add(int64_t count, const Model& teacher, const Prompts& nothing, const DistillOptions& options,
           const std::vector<double>& sigmas, const at::Generator& random) {
    const at::NoGradGuard no_grad;
    pool_.refill(count);
    const LatentBatch batch = pool_.batch(count);
    const at::Tensor points = at::stack(guided(teacher, batch, nothing, options, sigmas, random), 1);
    for (int64_t i = 0; i < count; ++i, ++next_) {
      Trajectory one{batch.latents[i], points[i].to(product_dtype(points.device())), batch.prompts.ids[i],
                     batch.prompts.mask[i], batch.from_start[i]};
      if (kept_.size() < kKept)
        kept_.push_back(std::move(one));
      else
        kept_[next_ % kKept] = std::move(one);
    }
  }

  struct Batch {
    LatentBatch clips;
    at::Tensor points;  // [B, points, C, F, h, w]
  };
  Batch batch(int64_t size) {
    std::vector<at::Tensor> latents, points, ids, masks, starts;
    for (int64_t i = 0; i < size; ++i) {
      const Trajectory& one = kept_[static_cast<std::size_t>(random_.below(std::ssize(kept_)))];
      latents.push_back(one.latents);
      points.push_back(one.points.to(at::kFloat));
      ids.push_back(one.ids);
      masks.push_back(one.mask);
      starts.push_back(one.from_start);
    }
    return {{at::stack(latents), {at::stack(ids), at::stack(masks)}, at::stack(starts), {}}, at::stack(points)};
  }

 private:
  LatentPool pool_;
  std::vector<Trajectory> kept_;
  std::size_t next_ = 0;
  Random random_;
};

// The student names the end point from the point where the sampler stands at `sigma`. Its own earlier answers are
// noised anew in generation; the teacher's end noised to the same level stands in for them in half the batch.
at::Tensor regression(const Model& student, const Lessons::Batch& lesson, std::size_t step,
                      const std::vector<double>& sigmas, const at::Generator& random) {
  const double sigma = sigmas[step];
  const at::Tensor end = lesson.points.select(1, lesson.points.size(1) - 1);
  at::Tensor x = lesson.points.select(1, static_cast<int64_t>(step));
  if (step > 0) {
    const at::Tensor again = (1 - sigma) * end + sigma * normal(end.sizes(), random, end.device());
    x = at::where(uniform({x.size(0), 1, 1, 1, 1}, random, x.device()).lt(0.5), x, again);
  }
  const at::Tensor& drawn = lesson.clips.latents;
  const at::Tensor context = drawn + normal(drawn.sizes(), random, drawn.device()) *
                                         (uniform({drawn.size(0), 1, 1, 1, 1}, random, drawn.device()) * kContextNoise);
  const at::Tensor flow = student.flow(context, x, sigma, student.read(lesson.clips.prompts));
  // In units of the flow: errors at every noise level weigh alike.
  const at::Tensor error = (flow - (x - end) / sigma).square().mean({1}), weight = loss_weights(lesson.clips);
  return (error * weight).sum() / weight.sum();
}

}  // namespace

void distill(const DistillOptions& options) {
  at::manual_seed(options.run.seed + 1);
  const auto& directory = options.run.directory;
  const auto tokenizer = shipped_tokenizer(directory / "tokenizer.model", options.run.seed);
  const tensor::WeightMap taught = tensor::load_safetensors(directory / "t2v.safetensors");
  const at::Device device = options.run.device;
  const Model teacher(taught.to(device));
  std::map<std::string, at::Tensor> initial = taught.to(device).tensors();
  initial.erase("probe.weight");
  Optimiser optimiser(initial, {.learning_rate = options.run.learning_rate,
                                .average = 0.995,
                                .muon_prefix = "transformer.blocks.",
                                .threads = device.is_cpu() ? options.run.threads : 1});
  const auto state_file = directory / "student.state.safetensors";
  if (optimiser.load(state_file)) log::info("continuing at step {}", optimiser.steps());
  const Model student(optimiser.weights());
  const int64_t parts = parallel_parts(options.run.batch, options.run.threads, device),
                share = options.run.batch / parts;
  const tensor::WeightMap autoencoder = tensor::load_safetensors(directory / "autoencoder.safetensors");
  std::vector<std::unique_ptr<Lessons>> lessons;
  for (int64_t i = 0; i < parts; ++i)
    lessons.push_back(
        std::make_unique<Lessons>(LatentPoolOptions{.side = options.side,
                                                    .latent_frames = options.latent_frames,
                                                    .capacity = 64,
                                                    .seed = options.run.seed + 11 + 1000 * static_cast<uint64_t>(i),
                                                    .first = static_cast<uint64_t>(optimiser.steps()) * 64,
                                                    .threads = device.is_cpu() ? 1 : options.run.threads,
                                                    .device = device},
                                  autoencoder, *tokenizer));
  std::vector<double> sigmas;
  for (const double t : shipped_schedule().warp(shipped_defaults().denoising_step_list)) sigmas.push_back(t / 1000);
  Prompts nothing = tokenize(*tokenizer, std::vector<std::string>{""}, shipped_text_encoder().text_len);
  nothing = {nothing.ids.to(device), nothing.mask.to(device)};
  Run run(options.run, "distill", {"loss_1", "loss_2", "loss_3", "loss_4", "gradient"});
  const auto save = [&] {
    optimiser.save(state_file);
    run.saved();
    tensor::save_safetensors(directory / "student.safetensors", optimiser.average().tensors());
    if (base::stop_signal() != 0) return;
    save_samples(directory, "student.safetensors", directory / "distill.png", 6, options.side);
  };

  std::vector<double> recent(sigmas.size(), 0);
  for (std::size_t turn = 0; run.time_left(); ++turn) {
    const std::size_t step = turn % sigmas.size();
    std::vector<double> losses(static_cast<std::size_t>(parts));
    in_parallel(parts, [&](int64_t part) {
      Lessons& own = *lessons[static_cast<std::size_t>(part)];
      const at::Generator random = generator_of(options.run.seed + 1, optimiser.steps(), part);
      own.add(std::max<int64_t>(1, options.fresh_per_step / parts), teacher, nothing, options, sigmas, random);
      const at::Tensor loss = regression(student, own.batch(share), step, sigmas, random);
      (loss / static_cast<double>(parts)).backward();
      losses[static_cast<std::size_t>(part)] = loss.item<double>();
    });
    const double gradient = optimiser.step(run.schedule());
    recent[step] = mean_of(losses);
    std::vector<double> line = recent;
    line.push_back(gradient);
    run.record(optimiser.steps(), line, 20);
    if (run.due()) save();
  }
  save();
}

}  // namespace rushes::training
