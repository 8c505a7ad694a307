#include "rushes/training/transformer_training.h"

#include <cmath>

#include "rushes/base/log.h"
#include "rushes/models/wan/teacher_forcing.h"
#include "rushes/tensor/ops.h"
#include "rushes/tensor/safetensors.h"
#include "rushes/training/latent_pool.h"
#include "rushes/training/optimiser.h"
#include "rushes/training/parallel.h"
#include "rushes/training/previews.h"
#include "rushes/training/shipped_model.h"

namespace rushes::training {
namespace {

constexpr int64_t kBlock = 3;
constexpr double kDropText = 0.1, kContextNoise = 0.15, kProbeWeight = 0.05;
constexpr std::array<int64_t, 6> kClassCounts{kShapes, kColours, kGrounds, kMotions, kPaces, kExtents};

std::map<std::string, at::Tensor> fresh_weights() {
  std::map<std::string, at::Tensor> all;
  for (auto& [key, value] : fresh_text_encoder(shipped_text_encoder())) all["text." + key] = value;
  for (auto& [key, value] : fresh_transformer(shipped_transformer())) all["transformer." + key] = value;
  // Names what a caption says, from the mean of its rows. Trains the text encoder, does not ship.
  int64_t classes = 0;
  for (const int64_t count : kClassCounts) classes += count;
  all["probe.weight"] = at::randn({classes, shipped_text_encoder().dim}, at::kFloat) * 0.1;
  return all;
}

struct Probe {
  at::Tensor loss;
  double right;  // share of attributes named right
};

Probe probe(const at::Tensor& rows, const at::Tensor& mask, const at::Tensor& weight, const at::Tensor& classes) {
  const at::Tensor pooled = rows.sum({1}) / mask.to(at::kFloat).sum({1}, true);
  const at::Tensor logits = at::linear(pooled, weight);
  Probe result{at::zeros({}, at::kFloat), 0};
  int64_t begin = 0;
  for (std::size_t i = 0; i < kClassCounts.size(); ++i) {
    const at::Tensor part = logits.narrow(1, begin, kClassCounts[i]);
    const at::Tensor wanted = classes.select(1, static_cast<int64_t>(i));
    result.loss = result.loss + at::cross_entropy_loss(part, wanted);
    result.right += part.argmax(1).eq(wanted).to(at::kFloat).mean().item<double>() / kClassCounts.size();
    begin += kClassCounts[i];
  }
  return result;
}

// The text encoder alone, on captions only: a minute here saves the transformer many, which otherwise learns to read
// through its own blurred pictures.
void learn_to_read(Optimiser& optimiser, const text::Tokenizer& tokenizer, const TransformerOptions& options) {
  RunOptions own = options.run;
  own.time_limit = std::chrono::seconds(options.text_seconds);
  Run run(own, "text", {"loss", "right"});
  const TextToVideo model(optimiser.weights());
  const at::Tensor weight = optimiser.weights().at("probe.weight");
  for (uint64_t index = 0; run.time_left();) {
    std::vector<std::string> captions;
    std::vector<int64_t> classes;
    for (int64_t i = 0; i < 128; ++i) {
      const Scene scene = make_scene(options.run.seed ^ 0x7e47, index++, Split::train);
      captions.push_back(scene.caption);
      for (const int64_t c : classes_of(scene.labels)) classes.push_back(c);
    }
    const Prompts prompts = tokenize(tokenizer, captions, shipped_text_encoder().text_len);
    const Probe read =
        probe(model.read(prompts), prompts.mask, weight,
              at::tensor(at::ArrayRef<int64_t>(classes)).view({128, static_cast<int64_t>(kClassCounts.size())}));
    read.loss.backward();
    optimiser.step(run.schedule());
    run.record(optimiser.steps(), {read.loss.item<double>(), read.right}, 25);
  }
}

// Sigmas of each block [B, blocks]: uniform before the shift of the schedule.
at::Tensor draw_sigmas(int64_t batch, int64_t blocks, const at::Generator& random) {
  const double shift = shipped_defaults().timestep_shift;
  const at::Tensor raw = at::rand({batch, blocks}, random, at::kFloat);
  return shift * raw / (1 + (shift - 1) * raw);
}

at::Tensor flow_loss(const TextToVideo& model, const wan::TextContext& text, const LatentBatch& batch,
                     const at::Generator& random) {
  const at::Tensor& x = batch.latents;
  const int64_t B = x.size(0), F = x.size(2), blocks = F / kBlock;
  const at::Tensor sigma = draw_sigmas(B, blocks, random).repeat_interleave(kBlock, 1);  // [B, F]
  const at::Tensor s = sigma.view({B, 1, F, 1, 1});
  const at::Tensor noise = at::randn(x.sizes(), random, x.options());
  at::Tensor context = x;
  if (F > kBlock)
    context =
        x + at::randn(x.sizes(), random, x.options()) * (at::rand({B, 1, 1, 1, 1}, random, at::kFloat) * kContextNoise);
  wan::TeacherForcing forcing;
  forcing.block_latent_frames = wan::uniform_blocks(F, kBlock);
  forcing.window_latent_frames = std::max<int64_t>(0, shipped_transformer().local_attn_size);
  const at::Tensor flow = wan::forward_teacher_forcing(model.transformer().core(), context, (1 - s) * x + s * noise,
                                                       1000 * sigma, text, forcing);
  const at::Tensor error = (flow - (noise - x)).square().mean({1, 3, 4});  // [B, F]
  // A clip cut from mid-motion has no beginning that could be asked for by its caption.
  at::Tensor weight = at::ones({B, F}, at::kFloat);
  if (F > kBlock) weight.narrow(1, 0, kBlock).mul_(batch.from_start.unsqueeze(1));
  return (error * weight).sum() / weight.sum();
}

}  // namespace

void train_transformer(const TransformerOptions& options) {
  at::manual_seed(options.run.seed);
  const auto& directory = options.run.directory;
  const auto tokenizer = shipped_tokenizer(directory / "tokenizer.model", options.run.seed);
  Optimiser optimiser(
      fresh_weights(),
      {.learning_rate = options.run.learning_rate, .average = 0.998, .muon_prefix = "transformer.blocks."});
  const auto state_file = directory / "t2v.state.safetensors";
  if (optimiser.load(state_file))
    log::info("continuing at step {}", optimiser.steps());
  else
    learn_to_read(optimiser, *tokenizer, options);

  // Other clips in every call, whatever the batch sizes were before.
  const int64_t parts = parallel_parts(options.run.batch, options.run.threads), share = options.run.batch / parts;
  const tensor::WeightMap autoencoder = tensor::load_safetensors(directory / "autoencoder.safetensors");
  std::vector<std::unique_ptr<LatentPool>> pools;
  for (int64_t i = 0; i < parts; ++i)
    pools.push_back(
        std::make_unique<LatentPool>(LatentPoolOptions{.side = options.side,
                                                       .latent_frames = options.latent_frames,
                                                       .capacity = 1024 / parts,
                                                       .seed = options.run.seed + 1000 * static_cast<uint64_t>(i),
                                                       .first = static_cast<uint64_t>(optimiser.steps()) * 64},
                                     autoencoder, *tokenizer));
  in_parallel(parts, [&](int64_t part) { pools[static_cast<std::size_t>(part)]->refill(share); });
  const TextToVideo model(optimiser.weights());
  const at::Tensor probe_weight = optimiser.weights().at("probe.weight");
  const Prompts nothing = tokenize(*tokenizer, std::vector<std::string>{""}, shipped_text_encoder().text_len);
  Run run(options.run, "transformer", {"loss", "probe", "gradient"});
  const auto save = [&] {
    optimiser.save(state_file);
    tensor::save_safetensors(directory / "t2v.safetensors", optimiser.average().tensors());
    save_samples(directory, "t2v.safetensors", directory / "transformer.png", 6, options.side);
  };
  while (run.time_left()) {
    std::vector<double> losses(static_cast<std::size_t>(parts)), rights(static_cast<std::size_t>(parts));
    in_parallel(parts, [&](int64_t part) {
      const auto index = static_cast<std::size_t>(part);
      const at::Generator random = generator_of(options.run.seed, optimiser.steps(), part);
      pools[index]->refill(std::max<int64_t>(1, options.fresh_per_step / parts));
      const LatentBatch batch = pools[index]->batch(share);
      const at::Tensor silent = at::rand({share, 1}, random, at::kFloat).lt(kDropText);
      const Prompts prompts{at::where(silent, nothing.ids, batch.prompts.ids),
                            at::where(silent, nothing.mask, batch.prompts.mask)};
      const at::Tensor rows = model.read(prompts);
      const at::Tensor flow = flow_loss(model, model.context(rows), batch, random);
      const Probe read = probe(rows, prompts.mask, probe_weight, batch.classes);
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
