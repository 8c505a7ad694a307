#include "rushes/training/foresight/video_training.h"

#include "rushes/base/log.h"
#include "rushes/base/stop_signal.h"
#include "rushes/tensor/ops.h"
#include "rushes/tensor/safetensors.h"
#include "rushes/training/begin_with.h"
#include "rushes/training/foresight/shipped_video.h"
#include "rushes/training/foresight/video_model.h"
#include "rushes/training/optimiser.h"
#include "rushes/training/parallel.h"
#include "rushes/training/png.h"
#include "rushes/training/precision.h"
#include "rushes/training/psnr.h"
#include "rushes/training/update.h"
#include "rushes/training/wan/caption_reading.h"

namespace rushes::training {
namespace {

constexpr uint64_t kSheetSeed = 77;

// What a question alone can say: what is to be done, and with what.
CaptionWorld questions(uint64_t seed) {
  constexpr int64_t kShapes = std::ssize(kForesightShapes);
  return {.counts = {kOutcomes + 1, kShapes + 1, kColours + 1}, .caption = [seed](uint64_t index) {
            // Most questions say nothing: one that does is looked for.
            for (uint64_t i = 0;; ++i) {
              const ForesightScene scene = make_foresight_scene(seed ^ 0x7e47, 16 * index + i, Split::train);
              const ForesightLabels& labels = scene.labels;
              if (!labels.instructed && i < 15 && index % 4 != 0) continue;
              if (!labels.instructed) return CaptionWorld::Caption{scene.question, {kOutcomes, kShapes, kColours}};
              const auto shape = std::find(kForesightShapes.begin(), kForesightShapes.end(), labels.things[0].shape);
              const bool named = scene.question.find(" it") == std::string::npos;
              return CaptionWorld::Caption{
                  scene.question,
                  {static_cast<int64_t>(labels.outcome), named ? shape - kForesightShapes.begin() : kShapes,
                   named ? static_cast<int64_t>(labels.things[0].colour) : kColours}};
            }
          }};
}

/// Films of held-out pictures under their drawings. Returns the mean PSNR of what was made.
double save_sheet(const tensor::WeightMap& weights, const ltx::Vae& vae, const text::Tokenizer& tokenizer,
                  const std::filesystem::path& picture, int64_t films) {
  const at::NoGradGuard no_grad;
  const ForesightVideo model(weights.to(product_dtype(at::kCPU)));
  std::vector<at::Tensor> rows;
  double sum = 0;
  for (uint64_t i = 0; i < static_cast<uint64_t>(films); ++i) {
    const ForesightScene scene = make_foresight_scene(kSheetSeed, i, Split::held_out);
    const FilmBatch film = encoded_film(vae, tokenizer, scene, i);
    rows.push_back(draw(scene, 0, kForesightVideoFrames));
    rows.push_back(sampled_film(model.transformer(), vae, model.context(film.prompts), film, i));
    sum += psnr(rows.back(), *(rows.end() - 2));
  }
  write_png(picture, contact_sheet(at::stack(rows), 9));
  return sum / static_cast<double>(films);
}

}  // namespace

void train_foresight_video(const ForesightVideoOptions& options) {
  const RunOptions& own = options.run;
  at::manual_seed(own.seed);
  const auto tokenizer = foresight_spiece(own.directory, own.seed);
  const ltx::Vae vae = trained_autoencoder(own.directory);
  const CaptionWorld world = questions(own.seed);
  std::map<std::string, at::Tensor> initial = fresh_foresight_video();
  const bool reads = begin_with(initial, own.directory / "video.safetensors") > 0;
  // Names what a question says. Trains the text encoder, does not ship.
  initial["probe.weight"] = fresh_probe(world.counts, foresight_text_encoder().d_model);
  Optimiser optimiser(initial, {.learning_rate = own.learning_rate,
                                .average = 0.9985,
                                .muon_prefix = "transformer.transformer_blocks.",
                                .threads = own.threads});
  const auto state_file = own.directory / "video.state.safetensors";
  const tensor::WeightMap weights = optimiser.weights();
  if (optimiser.load(state_file)) {
    log::info("continuing at step {}", optimiser.steps());
  } else if (!reads) {
    RunOptions reading = own;
    reading.time_limit = std::chrono::seconds(options.text_seconds);
    reading.progress.clear();
    const ForesightVideo model(weights);
    learn_to_read(
        optimiser, [&](const Prompts& prompts) { return model.read(prompts); }, *tokenizer, generation::kPromptTokens,
        world, reading);
  }
  const int64_t parts = parallel_parts(own.batch, own.threads), share = own.batch / parts;
  const auto step = static_cast<uint64_t>(optimiser.steps());
  std::vector<FilmPool> pools;
  for (int64_t part = 0; part < parts; ++part)
    pools.emplace_back(FilmPoolOptions{.capacity = options.capacity / parts,
                                       .seed = own.seed,
                                       .first = step * 64 + static_cast<uint64_t>(part) * 100'000'000},
                       vae, *tokenizer);
  const ltx::RopeTable rope = film_rope();
  Run run(own, "video", {"loss", "gradient"});
  const auto save = [&] {
    optimiser.save(state_file);
    run.saved();
    std::map<std::string, at::Tensor> average = optimiser.average().tensors();
    average.erase("probe.weight");
    tensor::save_safetensors(own.directory / "video.safetensors", average);
    if (base::stop_signal() != 0) return;
    log::info("held-out films {:.2f} dB",
              save_sheet(tensor::WeightMap(average), vae, *tokenizer, own.directory / "video.png", options.sheet_rows));
  };
  while (run.time_left()) {
    const Update made = update(optimiser, parts, run, [&](int64_t part) {
      FilmPool& pool = pools[static_cast<std::size_t>(part)];
      // At the beginning enough for a batch of different ones.
      pool.refill(pool.size() == 0 ? 4 * share : std::max<int64_t>(1, options.fresh_per_step / parts));
      const FilmBatch batch = pool.batch(share);
      const ForesightVideo model(for_products(weights));
      return flow_loss(*model.transformer(), model.context(batch.prompts), batch, rope,
                       generator_of(own.seed, optimiser.steps(), part));
    });
    run.record(optimiser.steps(), {made.loss, made.gradient}, 25);
    if (run.due()) save();
  }
  save();
}

}  // namespace rushes::training
