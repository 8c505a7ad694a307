#include <cmath>

#include "rushes/base/error.h"
#include "rushes/base/log.h"
#include "rushes/base/stop_signal.h"
#include "rushes/tensor/ops.h"
#include "rushes/tensor/safetensors.h"
#include "rushes/training/omniavatar/avatar_lessons.h"
#include "rushes/training/omniavatar/avatar_training.h"
#include "rushes/training/omniavatar/shipped_avatar.h"
#include "rushes/training/optimiser.h"
#include "rushes/training/parallel.h"
#include "rushes/training/update.h"

namespace rushes::training {
namespace {

constexpr std::size_t kKept = 128;  // trajectories of a thread: each costs as much as many updates on it

// What the teacher makes of clips: at each sigma of the sampler, then the end; [B, points, C, F, h, w].
struct Trajectories {
  AvatarBatch clips;
  at::Tensor points;
};

at::Tensor one_time(const at::Tensor& x, double sigma) {
  return at::full({x.size(0), x.size(2)}, 1000 * sigma, x.options());
}

at::Tensor guided(const AvatarModel& teacher, const AvatarBatch& batch, const AvatarBatch& nothing,
                  const AvatarTrainingOptions& options, const std::vector<double>& keep, const at::Generator& random) {
  const double shift = avatar_defaults().timestep_shift;
  const auto sigma_of = [&](int64_t i) {
    const double raw = 1 - static_cast<double>(i) / static_cast<double>(options.teacher_steps);
    return shift * raw / (1 + (shift - 1) * raw);
  };
  std::vector<at::Tensor> kept;
  at::Tensor x = normal(batch.latents.sizes(), random, batch.latents.device());
  for (int64_t i = 0; i < options.teacher_steps; ++i) {
    const double sigma = sigma_of(i);
    x = with_portrait(batch, x);
    if (kept.size() < keep.size() && std::abs(sigma - keep[kept.size()]) < 1e-3) kept.push_back(x);
    at::Tensor flow = teacher.flow(batch, batch.latents, x, one_time(x, sigma));
    if (options.guidance != 1) {
      const at::Tensor unguided = teacher.flow(nothing, batch.latents, x, one_time(x, sigma));
      flow = unguided + options.guidance * (flow - unguided);
    }
    x = x + flow * (sigma_of(i + 1) - sigma);
  }
  require(kept.size() == keep.size(), ErrorCode::invalid_argument,
          "teacher_steps must be a multiple of {}, to stop at the timesteps of the sampler (got {})", keep.size(),
          options.teacher_steps);
  kept.push_back(with_portrait(batch, x));
  return at::stack(kept, 1);
}

// One thread's trajectories, the newest kKept.
class Kept {
 public:
  explicit Kept(uint64_t seed) : random_(seed, 3) {}
  void add(const Trajectories& made) {
    for (int64_t i = 0; i < made.points.size(0); ++i, ++next_) {
      Trajectories one{rows(made.clips, i), made.points.narrow(0, i, 1).clone()};
      if (kept_.size() < kKept)
        kept_.push_back(std::move(one));
      else
        kept_[next_ % kKept] = std::move(one);
    }
  }
  Trajectories batch(int64_t size) {
    std::vector<const Trajectories*> chosen;
    for (int64_t i = 0; i < size; ++i)
      chosen.push_back(&kept_[static_cast<std::size_t>(random_.below(std::ssize(kept_)))]);
    const auto joined = [&](auto part) {
      std::vector<at::Tensor> all;
      for (const Trajectories* one : chosen) all.push_back(part(*one));
      return at::cat(all);
    };
    return {{joined([](const Trajectories& t) { return t.clips.latents; }),
             joined([](const Trajectories& t) { return t.clips.condition; }),
             joined([](const Trajectories& t) { return t.clips.features; }),
             {joined([](const Trajectories& t) { return t.clips.prompts.ids; }),
              joined([](const Trajectories& t) { return t.clips.prompts.mask; })},
             joined([](const Trajectories& t) { return t.clips.loss_weights; })},
            joined([](const Trajectories& t) { return t.points; })};
  }

 private:
  static AvatarBatch rows(const AvatarBatch& batch, int64_t i) {
    const auto row = [i](const at::Tensor& x) { return x.narrow(0, i, 1).clone(); };
    return {row(batch.latents),
            row(batch.condition),
            row(batch.features),
            {row(batch.prompts.ids), row(batch.prompts.mask)},
            row(batch.loss_weights)};
  }

  std::vector<Trajectories> kept_;
  std::size_t next_ = 0;
  Random random_;
};

// The student names the end from the point where the sampler stands at `sigma`. Its own earlier answers are noised anew
// in generation; the teacher's end noised to the same level stands in for them in half the batch.
at::Tensor regression(const AvatarModel& student, const Trajectories& lesson, std::size_t step,
                      const std::vector<double>& sigmas, const at::Generator& random) {
  const double sigma = sigmas[step];
  const AvatarBatch& clips = lesson.clips;
  const at::Tensor end = lesson.points.select(1, lesson.points.size(1) - 1);
  at::Tensor x = lesson.points.select(1, static_cast<int64_t>(step));
  if (step > 0) {
    const at::Tensor again = (1 - sigma) * end + sigma * normal(end.sizes(), random, end.device());
    x = at::where(uniform({x.size(0), 1, 1, 1, 1}, random, x.device()).lt(0.5), x, again);
  }
  x = with_portrait(clips, x);
  // Most of what generation gets wrong comes from its first step.
  const at::Tensor from_noise = at::ones({x.size(0), x.size(2)});
  const at::Tensor clean = as_generated(student, clips, from_noise, random);
  // In units of the flow: errors at every noise level weigh alike.
  return weighted(student.flow(clips, clean, x, one_time(x, sigma)) - (x - end) / sigma, clips);
}

}  // namespace

void distill_avatar(const AvatarTrainingOptions& options) {
  at::manual_seed(options.run.seed + 1);
  const auto& directory = options.run.directory;
  const tensor::WeightMap taught = tensor::load_safetensors(directory / "avatar.safetensors");
  const AvatarModel teacher(taught);
  std::map<std::string, at::Tensor> initial = taught.tensors();
  initial.erase("probe.weight");
  Optimiser optimiser(initial, {.learning_rate = options.run.learning_rate,
                                .average = 0.995,
                                .muon_prefix = "transformer.blocks.",
                                .threads = options.run.threads});
  const auto state_file = directory / "student.state.safetensors";
  if (optimiser.load(state_file)) log::info("continuing at step {}", optimiser.steps());
  const AvatarModel student(optimiser.weights());
  AvatarLessons lessons(options, 5'000'000 + static_cast<uint64_t>(optimiser.steps()) * 64);
  const int64_t parts = lessons.parts(), share = options.run.batch / parts;
  std::vector<Kept> kept;
  for (int64_t i = 0; i < parts; ++i) kept.emplace_back(static_cast<uint64_t>(i));
  std::vector<double> sigmas;
  const nn::FlowMatchSchedule schedule = avatar_schedule();
  for (const double t : schedule.timesteps()) sigmas.push_back(t / 1000);
  Run run(options.run, "distill", {"loss_1", "loss_2", "loss_3", "loss_4", "gradient"});
  const auto save = [&] {
    optimiser.save(state_file);
    run.saved();
    tensor::save_safetensors(directory / "student.safetensors", optimiser.average().tensors());
    if (base::stop_signal() == 0) save_avatar_sheet(options, "student.safetensors", directory / "distill.png");
  };
  std::vector<double> recent(sigmas.size(), 0);
  for (std::size_t turn = 0; run.time_left(); ++turn) {
    const std::size_t step = turn % sigmas.size();
    const Update made = update(optimiser, parts, run, [&](int64_t part) {
      const at::Generator random = generator_of(options.run.seed + 1, optimiser.steps(), part);
      Kept& own = kept[static_cast<std::size_t>(part)];
      const int64_t fresh = std::max<int64_t>(1, options.fresh_per_step / parts);
      {
        const at::NoGradGuard no_grad;
        lessons.pool(part).refill(fresh);
        const AvatarBatch batch = lessons.pool(part).batch(fresh);
        own.add({batch, guided(teacher, batch, lessons.of_nothing(batch), options, sigmas, random)});
      }
      return regression(student, own.batch(share), step, sigmas, random);
    });
    recent[step] = made.loss;
    std::vector<double> line = recent;
    line.push_back(made.gradient);
    run.record(optimiser.steps(), line, 20);
    if (run.due()) save();
  }
  save();
}

}  // namespace rushes::training
