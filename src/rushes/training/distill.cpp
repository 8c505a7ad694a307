#include <cmath>

#include "rushes/base/log.h"
#include "rushes/tensor/ops.h"
#include "rushes/tensor/safetensors.h"
#include "rushes/training/latent_pool.h"
#include "rushes/training/optimiser.h"
#include "rushes/training/parallel.h"
#include "rushes/training/previews.h"
#include "rushes/training/shipped_model.h"
#include "rushes/training/transformer_training.h"

namespace rushes::training {
namespace {

constexpr int64_t kBlock = 3;

nn::KvCache cache_for(const TextToVideo& model, const at::Tensor& latents) {
  return model.transformer().make_cache({.height = latents.size(3),
                                         .width = latents.size(4),
                                         .capacity_latent_frames = latents.size(2),
                                         .batch = latents.size(0)});
}

// Passes finished blocks through the model, as generation does before the next block.
void remember(const TextToVideo& model, const wan::TextContext& text, const at::Tensor& block, nn::KvCache& past) {
  const at::NoGradGuard no_grad;
  model.transformer().forward(block, at::zeros({block.size(0), block.size(2)}, at::kFloat), text, past);
  past.commit();
}

wan::TextContext repeat(const wan::TextContext& one, int64_t batch) {
  wan::TextContext many;
  for (const nn::KeyValue& layer : one.text)
    many.text.push_back({layer.k.expand({batch, -1, -1, -1}), layer.v.expand({batch, -1, -1, -1})});
  return many;
}

// The student names the end point from every point of the trajectory where the sampler can stand. Its own earlier
// answers are noised anew in generation; the drawn clip noised to the same level stands in for them in half the batch.
at::Tensor regression(const TextToVideo& student, const wan::TextContext& text,
                      const std::vector<at::Tensor>& trajectory, const std::vector<double>& sigmas,
                      const nn::KvCache& past, const at::Generator& random) {
  at::Tensor loss = at::zeros({}, at::kFloat);
  const at::Tensor& end = trajectory.back();
  for (std::size_t i = 0; i < sigmas.size(); ++i) {
    at::Tensor x = trajectory[i];
    if (i > 0) {
      const at::Tensor again = (1 - sigmas[i]) * end + sigmas[i] * at::randn(end.sizes(), random, end.options());
      x = at::where(at::rand({x.size(0), 1, 1, 1, 1}, random, at::kFloat).lt(0.5), x, again);
    }
    nn::KvCache own = past.fork();
    const at::Tensor flow =
        student.transformer().forward(x, at::full({x.size(0), kBlock}, 1000 * sigmas[i], at::kFloat), text, own);
    // In units of the flow: errors at every noise level weigh alike.
    loss = loss + (flow - (x - end) / sigmas[i]).square().mean() / static_cast<double>(sigmas.size());
  }
  return loss;
}

}  // namespace

void distill(const DistillOptions& options) {
  at::manual_seed(options.run.seed + 1);
  const auto& directory = options.run.directory;
  const auto tokenizer = shipped_tokenizer(directory / "tokenizer.model", options.run.seed);
  const tensor::WeightMap taught = tensor::load_safetensors(directory / "t2v.safetensors");
  const TextToVideo teacher(taught);
  std::map<std::string, at::Tensor> initial = taught.tensors();
  initial.erase("probe.weight");
  Optimiser optimiser(
      initial, {.learning_rate = options.run.learning_rate, .average = 0.995, .muon_prefix = "transformer.blocks."});
  const auto state_file = directory / "student.state.safetensors";
  if (optimiser.load(state_file)) log::info("continuing at step {}", optimiser.steps());
  const TextToVideo student(optimiser.weights());
  // Two blocks: the first from nothing, the second after a drawn first one.
  const int64_t parts = parallel_parts(options.run.batch, options.run.threads), share = options.run.batch / parts;
  const tensor::WeightMap autoencoder = tensor::load_safetensors(directory / "autoencoder.safetensors");
  std::vector<std::unique_ptr<LatentPool>> pools;
  for (int64_t i = 0; i < parts; ++i)
    pools.push_back(
        std::make_unique<LatentPool>(LatentPoolOptions{.side = options.side,
                                                       .latent_frames = 2 * kBlock,
                                                       .seed = options.run.seed + 11 + 1000 * static_cast<uint64_t>(i),
                                                       .first = static_cast<uint64_t>(optimiser.steps()) * 64},
                                     autoencoder, *tokenizer));
  std::vector<double> sigmas;
  for (const double t : shipped_schedule().warp(shipped_defaults().denoising_step_list)) sigmas.push_back(t / 1000);
  const Prompts nothing = tokenize(*tokenizer, std::vector<std::string>{""}, shipped_text_encoder().text_len);
  Run run(options.run, "distill", {"first", "later", "gradient"});
  const auto save = [&] {
    optimiser.save(state_file);
    tensor::save_safetensors(directory / "student.safetensors", optimiser.average().tensors());
    save_samples(directory, "student.safetensors", directory / "distill.png", 6, options.side);
  };

  const auto part_loss = [&](int64_t part, bool later) {
    LatentPool& pool = *pools[static_cast<std::size_t>(part)];
    const at::Generator random = generator_of(options.run.seed + 1, optimiser.steps(), part);
    pool.refill(share);
    const LatentBatch batch = pool.batch(share);
    wan::TextContext text, without;
    {
      const at::NoGradGuard no_grad;
      text = teacher.context(teacher.read(batch.prompts));
      without = repeat(teacher.context(teacher.read(nothing)), share);
    }
    const at::Tensor context = batch.latents.narrow(2, 0, kBlock);
    nn::KvCache past = cache_for(teacher, batch.latents), past_without = cache_for(teacher, batch.latents),
                own = cache_for(student, batch.latents);
    const wan::TextContext own_text = student.context(student.read(batch.prompts));
    if (later) {
      remember(teacher, text, context, past);
      remember(teacher, without, context, past_without);
      remember(student, own_text, context, own);
    }
    const auto trajectory =
        guided_trajectory({teacher, text, without, options.guidance, options.teacher_steps},
                          at::randn(context.sizes(), random, context.options()), past, past_without, sigmas);
    return regression(student, own_text, trajectory, sigmas, own, random);
  };

  double later_loss = 0, first_loss = 0;
  for (int64_t turn = 0; run.time_left(); ++turn) {
    const bool later = turn % 3 == 2;  // the first block is the hard one
    std::vector<double> losses(static_cast<std::size_t>(parts));
    in_parallel(parts, [&](int64_t part) {
      const at::Tensor loss = part_loss(part, later);
      (loss / static_cast<double>(parts)).backward();
      losses[static_cast<std::size_t>(part)] = loss.item<double>();
    });
    const double gradient = optimiser.step(run.schedule());
    (later ? later_loss : first_loss) = mean_of(losses);
    run.record(optimiser.steps(), {first_loss, later_loss, gradient}, 10);
    if (run.due()) save();
  }
  save();
}

}  // namespace rushes::training
