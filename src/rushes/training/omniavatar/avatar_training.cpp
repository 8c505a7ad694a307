#include "rushes/training/omniavatar/avatar_training.h"

#include "rushes/base/log.h"
#include "rushes/base/stop_signal.h"
#include "rushes/tensor/ops.h"
#include "rushes/tensor/safetensors.h"
#include "rushes/training/omniavatar/avatar_lessons.h"
#include "rushes/training/omniavatar/shipped_avatar.h"
#include "rushes/training/optimiser.h"
#include "rushes/training/parallel.h"
#include "rushes/training/update.h"

namespace rushes::training {
namespace {

// Noise levels of the blocks [B, F]: uniform before the shift of the schedule.
at::Tensor draw_sigmas(int64_t batch, int64_t latent_frames, const at::Generator& random) {
  const double shift = avatar_defaults().timestep_shift;
  const at::Tensor raw = uniform({batch, latent_frames / kAvatarBlock}, random, at::kCPU);
  return (shift * raw / (1 + (shift - 1) * raw)).repeat_interleave(kAvatarBlock, 1);
}

at::Tensor flow_loss(const AvatarModel& model, const AvatarBatch& batch, const at::Generator& random) {
  const at::Tensor& x = batch.latents;
  const at::Tensor sigma = draw_sigmas(x.size(0), x.size(2), random), s = sigma.view({x.size(0), 1, x.size(2), 1, 1});
  const at::Tensor noise = normal(x.sizes(), random, x.device());
  const at::Tensor clean =
      x.size(2) > kAvatarBlock ? as_generated(model, batch, draw_sigmas(x.size(0), x.size(2), random), random) : x;
  const at::Tensor flow = model.flow(batch, clean, with_portrait(batch, (1 - s) * x + s * noise), 1000 * sigma);
  return weighted(flow - (noise - x), batch);
}

}  // namespace

void train_avatar(const AvatarTrainingOptions& options) {
  at::manual_seed(options.run.seed);
  const auto& directory = options.run.directory;
  Optimiser optimiser(fresh_avatar(), {.learning_rate = options.run.learning_rate,
                                       .average = 0.9985,
                                       .muon_prefix = "transformer.blocks.",
                                       .threads = options.run.threads});
  const auto state_file = directory / "avatar.state.safetensors";
  const AvatarModel model(optimiser.weights());
  const bool continues = optimiser.load(state_file);
  AvatarLessons lessons(options, static_cast<uint64_t>(optimiser.steps()) * 64);
  if (continues) {
    log::info("continuing at step {}", optimiser.steps());
  } else {
    RunOptions reading = options.run;
    reading.time_limit = std::chrono::seconds(options.text_seconds);
    learn_to_read(
        optimiser, [&](const Prompts& prompts) { return model.read(prompts); }, lessons.tokenizer(),
        avatar_text_encoder().text_len, captions_of_speakers(options.run.seed), reading);
  }
  const int64_t parts = lessons.parts(), share = options.run.batch / parts;
  Run run(options.run, "transformer", {"loss", "gradient"});
  const auto save = [&] {
    optimiser.save(state_file);
    run.saved();
    tensor::save_safetensors(directory / "avatar.safetensors", optimiser.average().tensors());
    if (base::stop_signal() == 0) save_avatar_sheet(options, "avatar.safetensors", directory / "transformer.png");
  };
  while (run.time_left()) {
    const Update made = update(optimiser, parts, run, [&](int64_t part) {
      const at::Generator random = generator_of(options.run.seed, optimiser.steps(), part);
      lessons.pool(part).refill(std::max<int64_t>(1, options.fresh_per_step / parts));
      const AvatarBatch batch = lessons.with_things_left_out(lessons.pool(part).batch(share), random);
      return flow_loss(model, batch, random);
    });
    run.record(optimiser.steps(), {made.loss, made.gradient}, 25);
    if (run.due()) save();
  }
  save();
}

}  // namespace rushes::training
