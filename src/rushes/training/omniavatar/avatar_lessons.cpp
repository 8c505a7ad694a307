#include "rushes/training/omniavatar/avatar_lessons.h"

#include "rushes/models/wav2vec/checkpoint.h"
#include "rushes/tensor/ops.h"
#include "rushes/tensor/safetensors.h"
#include "rushes/training/omniavatar/shipped_avatar.h"
#include "rushes/training/parallel.h"

namespace rushes::training {

constexpr double kDropped = 0.1;
// Of a context: share of clips with own answers, most noise and tint (standard deviations; those of latents are 1).
constexpr double kOwn = 0.5, kContextNoise = 0.15, kContextTint = 0.3;

AvatarLessons::AvatarLessons(const AvatarTrainingOptions& options, uint64_t first)
    : tokenizer_(avatar_tokenizer(options.run.directory / "tokenizer.model", options.run.seed)),
      encoder_(std::make_unique<wav2vec::Encoder>(avatar_speech_encoder(),
                                                  tensor::load_safetensors(options.speech_encoder).to(at::kFloat))),
      nothing_(tokenize(*tokenizer_, std::vector<std::string>{""}, avatar_text_encoder().text_len)) {
  const int64_t parts = parallel_parts(options.run.batch, options.run.threads);
  const tensor::WeightMap autoencoder = tensor::load_safetensors(options.run.directory / "autoencoder.safetensors");
  for (int64_t i = 0; i < parts; ++i)
    pools_.push_back(
        std::make_unique<AvatarPool>(AvatarPoolOptions{.latent_frames = options.latent_frames,
                                                       .capacity = 512 / parts,
                                                       .seed = options.run.seed + 1000 * static_cast<uint64_t>(i),
                                                       .first = first},
                                     autoencoder, *encoder_, *tokenizer_));
  in_parallel(parts, [&](int64_t part) { pool(part).refill(options.run.batch / parts); });
}

AvatarBatch AvatarLessons::with_things_left_out(AvatarBatch batch, const at::Generator& random) const {
  const int64_t B = batch.latents.size(0);
  const auto chosen = [&] { return uniform({B, 1}, random, at::kCPU).lt(kDropped); };
  const at::Tensor wordless = chosen(), speechless = chosen().unsqueeze(2);
  batch.prompts = {at::where(wordless, nothing_.ids, batch.prompts.ids),
                   at::where(wordless, nothing_.mask, batch.prompts.mask)};
  batch.features = at::where(speechless, at::zeros_like(batch.features), batch.features);
  return batch;
}

AvatarBatch AvatarLessons::of_nothing(AvatarBatch batch) const {
  const int64_t B = batch.latents.size(0);
  batch.prompts = {nothing_.ids.expand({B, -1}).contiguous(), nothing_.mask.expand({B, -1}).contiguous()};
  batch.features = at::zeros_like(batch.features);
  return batch;
}

at::Tensor as_generated(const AvatarModel& model, const AvatarBatch& batch, const at::Tensor& sigma,
                        const at::Generator& random) {
  const at::NoGradGuard no_grad;
  const at::Tensor& x = batch.latents;
  const int64_t B = x.size(0), C = x.size(1), F = x.size(2);
  const at::Tensor s = sigma.view({B, 1, F, 1, 1});
  const at::Tensor noisy = with_portrait(batch, (1 - s) * x + s * normal(x.sizes(), random, x.device()));
  const at::Tensor own = noisy - s * model.flow(batch, x, noisy, 1000 * sigma);
  const auto depth = [&](double most) { return uniform({B, 1, 1, 1, 1}, random, x.device()) * most; };
  const at::Tensor chosen = at::where(depth(1).lt(kOwn), own, x);
  return with_portrait(batch, chosen + normal(x.sizes(), random, x.device()) * depth(kContextNoise) +
                                  normal({B, C, 1, 1, 1}, random, x.device()) * depth(kContextTint));
}

at::Tensor weighted(const at::Tensor& error, const AvatarBatch& batch) {
  return (error.square().mean({1}) * batch.loss_weights).sum() / batch.loss_weights.sum();
}

}  // namespace rushes::training
