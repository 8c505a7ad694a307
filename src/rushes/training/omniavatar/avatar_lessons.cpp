#include "rushes/training/omniavatar/avatar_lessons.h"

#include "rushes/models/wav2vec/checkpoint.h"
#include "rushes/tensor/ops.h"
#include "rushes/tensor/safetensors.h"
#include "rushes/training/omniavatar/shipped_avatar.h"
#include "rushes/training/parallel.h"

namespace rushes::training {

constexpr double kDropped = 0.1;

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

at::Tensor corrupted(const at::Tensor& latents, const at::Generator& random, double noise) {
  const at::Tensor depth = uniform({latents.size(0), 1, 1, 1, 1}, random, latents.device()) * noise;
  return latents + normal(latents.sizes(), random, latents.device()) * depth;
}

at::Tensor weighted(const at::Tensor& error, const AvatarBatch& batch) {
  return (error.square().mean({1}) * batch.loss_weights).sum() / batch.loss_weights.sum();
}

}  // namespace rushes::training
