#include "rushes/training/wan/transformer_training.h"

#include <cmath>

#include "rushes/base/log.h"
#include "rushes/base/stop_signal.h"
#include "rushes/tensor/ops.h"
#include "rushes/tensor/safetensors.h"
#include "rushes/training/optimiser.h"
#include "rushes/training/parallel.h"
#include "rushes/training/precision.h"
#include "rushes/training/wan/caption_reading.h"
#include "rushes/training/wan/latent_pool.h"
#include "rushes/training/wan/previews.h"
#include "rushes/training/wan/shipped_model.h"
#include "rushes/training/wan/training_forward.h"

namespace rushes::training {
namespace {

constexpr double kDropText = 0.1, kContextNoise = 0.15, kProbeWeight = 0.05;

std::map<std::string, at::Tensor> fresh_weights() {
  std::map<std::string, at::Tensor> all;
  for (auto& [key, value] : fresh_text_encoder(shipped_text_encoder())) all["text." + key] = value;
  for (auto& [key, value] : fresh_transformer(shipped_transformer())) all["transformer." + key] = value;
  // Names what a caption says. Trains the text encoder, does not ship.
  all["probe.weight"] = fresh_probe(kClassCounts, shipped_text_encoder().dim);
  return all;
}

CaptionWorld captions_of_shapes(uint64_t seed) {
  return {.counts = {kClassCounts.begin(), kClassCounts.end()}, .caption = [seed](uint64_t index) {
            const Scene scene = make_scene(seed ^ 0x7e47, index, Split::train);
            return CaptionWorld::Caption{scene.caption, classes_of(scene)};
          }};
}

// Sigmas of each block [B, blocks]: uniform before the shift of the schedule.
at::Tensor draw_sigmas(int64_t batch, int64_t blocks, const at::Generator& random, at::Device device) {
  const double shift = shipped_defaults().timestep_shift;
  const at::Tensor raw = uniform({batch, blocks}, random, device);
  return shift * raw / (1 + (shift - 1) * raw);
}

// The text encoder alone, on captions only.
void read_first(Optimiser& optimiser, const text::Tokenizer& tokenizer, const TransformerOptions& options) {
  RunOptions own = options.run;
  own.time_limit = std::chrono::seconds(options.text_seconds);
  const TextToVideo model(optimiser.weights());
  learn_to_read(
      optimiser, [&](const Prompts& prompts) { return model.read(prompts); }, tokenizer,
      shipped_text_encoder().text_len, captions_of_shapes(options.run.seed), own);
}

at::Tensor flow_loss(const TextToVideo& model, const tensor::WeightMap& transformer, const wan::TextContext& text,
                     const LatentBatch& batch, const at::Generator& random) {
  const at::Tensor& x = batch.latents;
  const int64_t B = x.size(0), F = x.size(2), blocks = F / kBlock;
  const at::Tensor sigma = draw_sigmas(B, blocks, random, x.device()).repeat_interleave(kBlock, 1);  // [B, F]
  const at::Tensor s = sigma.view({B, 1, F, 1, 1});
  const at::Tensor noise = normal(x.sizes(), random, x.device());
  at::Tensor context = x;
  if (F > kBlock)
    context =
        x + normal(x.sizes(), random, x.device()) * (uniform({B, 1, 1, 1, 1}, random, x.device()) * kContextNoise);
  const at::Tensor flow =
      forward_for_training(model.transformer().core(), transformer, context, (1 - s) * x + s * noise, 1000 * sigma,
                           text, shipped_blocks(F), product_dtype(x.device()));
  const at::Tensor error = (flow - (noise - x)).square().mean({1});  // [B, F, h, w]
  const at::Tensor weight = loss_weights(batch);
  return (error * weight).sum() / weight.sum();
}

}  // namespace

void train_transformer(const TransformerOptions& options) {
  at::manual_seed(options.run.seed);
  const auto& directory = options.run.directory;
  const auto tokenizer = shipped_tokenizer(directory / "tokenizer.model", options.run.seed);
  const at::Device device = options.run.device;
  Optimiser optimiser(tensor::WeightMap(fresh_weights()).to(device).tensors(),
                      {.learning_rate = options.run.learning_rate,
                       .average = 0.9985,
                       .muon_prefix = "transformer.blocks.",
                       .threads = device.is_cpu() ? options.run.threads : 1});
  const auto state_file = directory / "t2v.state.safetensors";
  if (optimiser.load(state_file))
    log::info("continuing at step {}", optimiser.steps());
  else
    read_first(optimiser, *tokenizer, options);

  // Other clips in every call, whatever the batch sizes were before.
  const int64_t parts = parallel_parts(options.run.batch, options.run.threads, device),
                share = options.run.batch / parts;
  const tensor::WeightMap autoencoder = tensor::load_safetensors(directory / "autoencoder.safetensors");
  std::vector<std::unique_ptr<LatentPool>> pools;
  for (int64_t i = 0; i < parts; ++i)
    pools.push_back(
        std::make_unique<LatentPool>(LatentPoolOptions{.side = options.side,
                                                       .latent_frames = options.latent_frames,
                                                       .capacity = 1024 / parts,
                                                       .seed = options.run.seed + 1000 * static_cast<uint64_t>(i),
                                                       .first = static_cast<uint64_t>(optimiser.steps()) * 64,
                                                       .threads = device.is_cpu() ? 1 : options.run.threads,
                                                       .device = device},
                                     autoencoder, *tokenizer));
  in_parallel(parts, [&](int64_t part) { pools[static_cast<std::size_t>(part)]->refill(share); });
  const tensor::WeightMap weights = optimiser.weights(), transformer = weights.under("transformer.");
  const TextToVideo model(weights);
  const at::Tensor probe_weight = weights.at("probe.weight");
  Prompts nothing = tokenize(*tokenizer, std::vector<std::string>{""}, shipped_text_encoder().text_len);
  nothing = {nothing.ids.to(device), nothing.mask.to(device)};
  Run run(options.run, "transformer", {"loss", "probe", "gradient"});
  const auto save = [&] {
    optimiser.save(state_file);
    run.saved();
    tensor::save_safetensors(directory / "t2v.safetensors", optimiser.average().tensors());
    if (base::stop_signal() != 0) return;
    save_samples(directory, "t2v.safetensors", directory / "transformer.png", 6, options.side);
  };
  while (run.time_left()) {
    std::vector<double> losses(static_cast<std::size_t>(parts)), rights(static_cast<std::size_t>(parts));
    in_parallel(parts, [&](int64_t part) {
      const auto index = static_cast<std::size_t>(part);
      const at::Generator random = generator_of(options.run.seed, optimiser.steps(), part);
      pools[index]->refill(std::max<int64_t>(1, options.fresh_per_step / parts));
      const LatentBatch batch = pools[index]->batch(share);
      const at::Tensor silent = uniform({share, 1}, random, device).lt(kDropText);
      const Prompts prompts{at::where(silent, nothing.ids, batch.prompts.ids),
                            at::where(silent, nothing.mask, batch.prompts.mask)};
      const at::Tensor rows = model.read(prompts);
      const at::Tensor flow = flow_loss(model, transformer, model.context(rows), batch, random);
      const Probe read = probe(rows, prompts.mask, probe_weight, batch.classes, kClassCounts);
      ((flow + kProbeWeight * read.loss) / static_cast<double>(parts)).backward();
      losses[index] = flow.item<double>();
      rights[index] = read.right;
    });
    const double gradient = optimiser.step(run.schedule());
    run.record(optimiser.steps(), {mean_of(losses), mean_of(rights), gradient}, 25);
    if (run.due()) save();
  }
  save();
}

}  // namespace rushes::training
