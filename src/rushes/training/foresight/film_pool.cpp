#include "rushes/training/foresight/film_pool.h"

#include "rushes/generation/foresight/parts.h"
#include "rushes/tensor/ops.h"
#include "rushes/training/foresight/shipped_video.h"
#include "rushes/training/parallel.h"

namespace rushes::training {
namespace {

// What moves is a cell or two of sixteen, and all that is to be learnt.
constexpr double kMovingWeight = 4, kMovingStep = 0.1;

/// [F, h, w] of a film [T, 3, H, W].
at::Tensor weights_of(const at::Tensor& film, const ltx::VaeConfig& vae) {
  const int64_t side = vae.spatial_compression(), stride = vae.temporal_compression();
  const int64_t later = film.size(0) - 1, h = film.size(2) / side, w = film.size(3) / side;
  const at::Tensor change = (film.narrow(0, 1, later) - film.narrow(0, 0, 1)).abs().amax({1});
  const at::Tensor most = change.view({later / stride, stride, h, side, w, side}).amax({1, 3, 5});
  return at::cat({at::zeros({1, h, w}, at::kFloat), most.gt(kMovingStep).to(at::kFloat) * kMovingWeight + 1});
}

}  // namespace

FilmBatch encoded_film(const ltx::Vae& vae, const text::Tokenizer& tokenizer, const ForesightScene& scene,
                       uint64_t index) {
  const at::Tensor film = draw(scene, 0, kForesightVideoFrames);
  const ltx::Posterior posterior = vae.encode(to_video(film));
  at::Tensor latents = posterior.mean.clone();
  // Of a picture, as the product does it; what is to be made is the mean.
  const at::Tensor noise = normal(latents.sizes(), generator_of(0x9a, 0, static_cast<int64_t>(index)), at::kCPU);
  latents.narrow(2, 0, 1).copy_(posterior.sample(noise).narrow(2, 0, 1));
  return {vae.normalise(latents), weights_of(film, vae.config()).unsqueeze(0),
          tokenize(tokenizer, std::vector{scene.question}, generation::kPromptTokens)};
}

FilmPool::FilmPool(const FilmPoolOptions& options, const ltx::Vae& vae, const text::Tokenizer& tokenizer)
    : options_(options), vae_(vae), tokenizer_(tokenizer), next_(options.first), random_(options.seed, options.first) {}

void FilmPool::refill(int64_t count) {
  const at::NoGradGuard no_grad;
  for (int64_t i = 0; i < count; ++i, ++next_) {
    FilmBatch film = encoded_film(vae_, tokenizer_, make_foresight_scene(options_.seed, next_, Split::train), next_);
    if (size() < options_.capacity)
      films_.push_back(std::move(film));
    else
      films_[static_cast<std::size_t>(next_ % static_cast<uint64_t>(options_.capacity))] = std::move(film);
  }
}

FilmBatch FilmPool::batch(int64_t size) {
  std::vector<at::Tensor> latents, weights, ids, masks;
  for (int64_t i = 0; i < size; ++i) {
    const FilmBatch& film = films_[static_cast<std::size_t>(random_.below(this->size()))];
    latents.push_back(film.latents);
    weights.push_back(film.weights);
    ids.push_back(film.prompts.ids);
    masks.push_back(film.prompts.mask);
  }
  return {at::cat(latents), at::cat(weights), {at::cat(ids), at::cat(masks)}};
}

}  // namespace rushes::training
