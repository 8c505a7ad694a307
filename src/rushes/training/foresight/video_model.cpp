#include "rushes/training/foresight/video_model.h"

#include <cmath>

#include "rushes/models/ltx/scheduler.h"
#include "rushes/models/ltx/video_sampler.h"
#include "rushes/tensor/ops.h"
#include "rushes/tensor/random.h"
#include "rushes/training/foresight/shipped_video.h"
#include "rushes/training/parallel.h"

namespace rushes::training {
namespace {

ltx::LatentGrid film_grid() {
  const ltx::VaeConfig vae = foresight_autoencoder();
  return ltx::latent_grid(vae, ltx::latent_frames(kForesightVideoFrames, vae.temporal_compression()), kForesightSide,
                          kForesightSide);
}

}  // namespace

ForesightVideo::ForesightVideo(const tensor::WeightMap& weights)
    : text_(foresight_text_encoder(), weights.under("text.")),
      transformer_(std::make_shared<const ltx::Transformer>(foresight_transformer(), weights.under("transformer."))) {}

// Without a mask, as the product reads.
at::Tensor ForesightVideo::read(const Prompts& prompts) const {
  return text_.forward(prompts.ids).to(at::kFloat) * prompts.mask.unsqueeze(-1);
}

ltx::TextContext ForesightVideo::context(const Prompts& prompts) const {
  return transformer_->context(text_.forward(prompts.ids), prompts.mask);
}

ltx::RopeTable film_rope() {
  return ltx::rope_table(foresight_transformer(), film_grid(), ltx::rope_scale(foresight_autoencoder(), kForesightFps));
}

at::Tensor flow_loss(const ltx::Transformer& transformer, const ltx::TextContext& text, const FilmBatch& batch,
                     const ltx::RopeTable& rope, const at::Generator& random) {
  const at::Tensor& x = batch.latents;
  const int64_t B = x.size(0), F = x.size(2);
  const double shift = std::exp(ltx::shift_exponent(foresight_scheduler(), F * x.size(3) * x.size(4)));
  const at::Tensor raw = uniform({B, 1}, random, at::kCPU);
  const at::Tensor sigma = (shift * raw / (1 + (shift - 1) * raw)).repeat({1, F});
  sigma.select(1, 0).zero_();
  const at::Tensor s = sigma.view({B, 1, F, 1, 1}), noise = normal(x.sizes(), random, at::kCPU);
  const at::Tensor velocity =
      ltx::unpack(transformer.forward(ltx::pack((1 - s) * x + s * noise), 1000 * sigma, text, rope).to(at::kFloat),
                  {F, x.size(3), x.size(4)});
  return ((velocity - (noise - x)).square().mean({1}) * batch.weights).sum() / batch.weights.sum();
}

at::Tensor sampled_film(const std::shared_ptr<const ltx::Transformer>& transformer, const ltx::Vae& vae,
                        const ltx::TextContext& text, const FilmBatch& film, uint64_t seed) {
  const generation::ForesightSettings settings = foresight_defaults();
  ltx::VideoSampler sampler(transformer, foresight_scheduler(), vae.config(),
                            {.grid = film_grid(),
                             .frame_rate = kForesightFps,
                             .steps = settings.steps,
                             .guidance = {.scale = settings.guidance_scale}},
                            text, tensor::RandomStream(seed).normal(film.latents.sizes()),
                            film.latents.narrow(2, 0, 1));
  while (!sampler.is_finished()) sampler.step();
  return to_frames(vae.decode(vae.denormalise(sampler.latents()))).clamp(0, 1);
}

}  // namespace rushes::training
