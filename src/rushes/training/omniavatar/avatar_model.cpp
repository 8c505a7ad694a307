#include "rushes/training/omniavatar/avatar_model.h"

#include "rushes/tensor/ops.h"
#include "rushes/training/omniavatar/shipped_avatar.h"
#include "rushes/training/precision.h"
#include "rushes/training/wan/training_forward.h"

namespace rushes::training {

AvatarModel::AvatarModel(const tensor::WeightMap& weights)
    : weights_(weights.under("transformer.")),
      text_(avatar_text_encoder(), weights.under("text.")),
      transformer_(avatar_transformer(), weights_) {}

at::Tensor AvatarModel::flow(const AvatarBatch& batch, const at::Tensor& clean, const at::Tensor& noisy,
                             const at::Tensor& t) const {
  const int64_t F = noisy.size(2);
  const wan::TeacherForcing blocks{.block_latent_frames = wan::uniform_blocks(F, kAvatarBlock),
                                   .window_latent_frames = kAvatarWindow};
  return forward_for_training(transformer_.transformer().core(), weights_, at::cat({clean, batch.condition}, 1),
                              at::cat({noisy, batch.condition}, 1), t, context(batch.prompts), blocks,
                              product_dtype(noisy.device()), transformer_.speech(batch.features));
}

nn::FlowMatchSchedule avatar_schedule() {
  const omniavatar::Defaults defaults = avatar_defaults();
  return nn::FlowMatchSchedule({.shift = defaults.timestep_shift, .steps = defaults.steps});
}

at::Tensor with_portrait(const AvatarBatch& batch, const at::Tensor& latents) {
  const int64_t mask = batch.condition.size(1) - 1;
  return at::where(batch.condition.narrow(1, mask, 1).eq(0), batch.latents, latents);
}

at::Tensor sample_few_steps(const AvatarModel& model, const AvatarBatch& batch, const at::Tensor& noise) {
  const at::NoGradGuard no_grad;
  const nn::FlowMatchSchedule schedule = avatar_schedule();
  const std::vector<double>& steps = schedule.timesteps();
  const omniavatar::CausalAvatarTransformer& transformer = model.transformer();
  const int64_t B = noise.size(0), F = noise.size(2), h = noise.size(3), w = noise.size(4);
  nn::KvCache past =
      transformer.make_cache({.height = h,
                              .width = w,
                              .capacity_tokens = kAvatarWindow * transformer.config().wan.tokens_per_frame(h, w),
                              .batch = B});
  const wan::TextContext text = model.context(batch.prompts);
  const wan::FrameAdditions speech = transformer.speech(batch.features);
  std::vector<at::Tensor> blocks;
  for (int64_t begin = 0; begin < F; begin += kAvatarBlock) {
    const auto part = [&](const at::Tensor& x) { return x.narrow(2, begin, kAvatarBlock); };
    const AvatarBatch block{part(batch.latents), part(batch.condition), {}, {}, {}};
    const wan::FrameAdditions said = omniavatar::frames_of(speech, begin, kAvatarBlock);
    const auto flow = [&](const at::Tensor& x, double time) {
      return transformer.forward(x, at::full({B, kAvatarBlock}, time, at::kFloat), text, block.condition, said, past);
    };
    at::Tensor x = part(noise), clean;
    for (std::size_t i = 0; i < steps.size(); ++i) {
      x = with_portrait(block, x);
      clean = x - schedule.sigma_at(steps[i]) * flow(x, steps[i]);
      if (i + 1 < steps.size()) x = schedule.add_noise(clean, at::randn_like(clean), steps[i + 1]);
    }
    clean = with_portrait(block, clean);
    flow(clean, 0);
    past.commit();
    blocks.push_back(clean);
  }
  return at::cat(blocks, 2);
}

}  // namespace rushes::training
