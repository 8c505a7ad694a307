#include "rushes/base/log.h"
#include "rushes/generation/foresight/parts.h"
#include "rushes/models/dinov2/encoder.h"
#include "rushes/models/dinov2/preprocess.h"
#include "rushes/tensor/ops.h"
#include "rushes/tensor/safetensors.h"
#include "rushes/training/begin_with.h"
#include "rushes/training/foresight/shipped_adapter.h"
#include "rushes/training/foresight/shipped_language.h"
#include "rushes/training/foresight/shipped_video.h"
#include "rushes/training/foresight/video_model.h"
#include "rushes/training/foresight/video_training.h"
#include "rushes/training/optimiser.h"
#include "rushes/training/parallel.h"
#include "rushes/training/update.h"

namespace rushes::training {
namespace {

struct Lesson {
  FilmBatch film;     // of one
  at::Tensor hidden;  // [1, kVlmTokens, hidden_size]: what the language model makes of the picture
  at::Tensor pixels;  // [1, 3, kForesightSquare, kForesightSquare]
};

/// A scene whose film follows from the picture alone, as sessions prepare it.
Lesson lesson_of(const qwen::Model& language, const ltx::Vae& vae, const text::Tokenizer& tokenizer, uint64_t seed,
                 uint64_t index) {
  for (uint64_t i = 0;; ++i) {
    const ForesightScene scene = make_foresight_scene(seed, 64 * index + i, Split::train);
    if (scene.labels.instructed) continue;
    const at::Tensor picture = foresight_picture(scene);
    const auto turns = qwen::question_about(1, generation::AdapterParts{}.question);
    const qwen::PictureFeatures seen = language.see(picture, foresight_defaults().picture_pixels);
    return {encoded_film(vae, tokenizer, scene, index),
            foresight::cut_or_padded(language.hidden_states(language.prompt(turns, {seen}))).to(at::kFloat),
            dinov2::squeezed(picture, kForesightSquare)};
  }
}

FilmBatch films_of(const std::vector<const Lesson*>& lessons) {
  std::vector<at::Tensor> latents, weights;
  for (const Lesson* lesson : lessons) {
    latents.push_back(lesson->film.latents);
    weights.push_back(lesson->film.weights);
  }
  return {at::cat(latents), at::cat(weights), {}};
}

}  // namespace

void train_foresight_adapter(const ForesightAdapterOptions& options) {
  const RunOptions& own = options.run;
  at::manual_seed(own.seed);
  const generation::LanguageFiles files = trained_language(own.directory);
  const std::shared_ptr<const qwen::Model> language = model_of(files);
  const auto tokenizer = foresight_spiece(own.directory, own.seed);
  const ltx::Vae vae = trained_autoencoder(own.directory);
  // Frozen, but what comes through it has gradients.
  tensor::WeightMap frozen = tensor::load_safetensors(own.directory / "video.safetensors").under("transformer.");
  frozen.set_trainable(true);
  const ltx::Transformer transformer(foresight_transformer(), frozen);
  std::map<std::string, at::Tensor> initial = fresh_foresight_adapter(files.config);
  begin_with(initial, own.directory / "adapter.safetensors");
  Optimiser optimiser(initial, {.learning_rate = own.learning_rate, .average = 0.995, .warm_up_steps = 20});
  const auto state_file = own.directory / "adapter.state.safetensors";
  if (optimiser.load(state_file)) log::info("continuing at step {}", optimiser.steps());
  const tensor::WeightMap weights = optimiser.weights();
  const dinov2::Encoder spatial(foresight_spatial(), weights.under("spatial."));
  const foresight::Adapter adapter(foresight_adapter(files.config), weights.under("adapter."));
  const ltx::RopeTable rope = film_rope();
  std::vector<Lesson> lessons;
  Random random(own.seed, 0xada);
  Run run(own, "adapter", {"loss", "gradient"});
  const auto save = [&] {
    optimiser.save(state_file);
    run.saved();
    tensor::save_safetensors(own.directory / "adapter.safetensors", optimiser.average().tensors());
  };
  auto next = static_cast<uint64_t>(optimiser.steps());
  const int64_t parts = parallel_parts(own.batch, own.threads);
  while (run.time_left()) {
    {
      const at::NoGradGuard no_grad;
      Lesson lesson = lesson_of(*language, vae, *tokenizer, own.seed, next);
      if (std::ssize(lessons) < options.capacity)
        lessons.push_back(std::move(lesson));
      else
        lessons[next % lessons.size()] = std::move(lesson);
      ++next;
      if (std::ssize(lessons) < own.batch) continue;
    }
    std::vector<const Lesson*> chosen;
    for (int64_t i = 0; i < own.batch; ++i)
      chosen.push_back(&lessons[static_cast<std::size_t>(random.below(std::ssize(lessons)))]);
    const Update made = update(optimiser, parts, run, [&](int64_t part) {
      const int64_t share = own.batch / parts;
      const std::vector<const Lesson*> mine(chosen.begin() + part * share, chosen.begin() + (part + 1) * share);
      std::vector<at::Tensor> hidden, pixels;
      for (const Lesson* lesson : mine) hidden.push_back(lesson->hidden), pixels.push_back(lesson->pixels);
      const at::Tensor tokens = adapter.forward(at::cat(hidden), spatial.patch_tokens(at::cat(pixels)));
      return flow_loss(transformer, transformer.context(tokens), films_of(mine), rope,
                       generator_of(own.seed, optimiser.steps(), part));
    });
    run.record(optimiser.steps(), {made.loss, made.gradient}, 25);
    if (run.due()) save();
  }
  save();
}

}  // namespace rushes::training
