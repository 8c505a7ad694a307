#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include "rushes/base/scratch_folder.h"
#include "rushes/generation/foresight/parts.h"
#include "rushes/generation/model.h"
#include "rushes/generation/registry.h"
#include "rushes/tensor/ops.h"
#include "rushes/tensor/safetensors.h"
#include "rushes/training/foresight/film_rule.h"
#include "rushes/training/foresight/foresight_evaluation.h"
#include "rushes/training/foresight/foresight_export.h"
#include "rushes/training/foresight/language_training.h"
#include "rushes/training/foresight/shipped_video.h"
#include "rushes/training/foresight/video_model.h"
#include "rushes/training/foresight/video_training.h"

namespace rushes::training {
namespace {

double difference(const at::Tensor& a, const at::Tensor& b) { return (a - b).abs().max().item<double>(); }

TEST(FilmRule, reads_what_happens_in_drawn_films) {
  int64_t right = 0;
  constexpr int64_t kFilms = 40;
  for (uint64_t i = 0; i < kFilms; ++i) {
    const ForesightScene scene = make_foresight_scene(3, i, Split::held_out);
    right += read_outcome(draw(scene, 0, kForesightVideoFrames), scene) == scene.labels.outcome;
  }
  EXPECT_GE(right, kFilms * 95 / 100);
}

TEST(FilmRule, a_film_that_shows_something_else_is_not_taken_for_what_the_picture_tells) {
  ForesightScene scene;
  for (uint64_t i = 0; scene.bodies.empty() || scene.labels.cue != Cue::arrow || scene.bodies.size() > 1; ++i)
    scene = make_foresight_scene(3, i, Split::train);
  const at::Tensor drawn = draw(scene, 0, kForesightVideoFrames);
  EXPECT_EQ(read_outcome(drawn, scene), scene.labels.outcome);
  EXPECT_EQ(read_outcome(drawn[8].expand({kForesightVideoFrames, -1, -1, -1}), scene), Outcome::stay);
  EXPECT_NE(read_outcome(drawn.flip({3}).flip({2}), scene), scene.labels.outcome);
  // Gone after a while.
  const at::Tensor empty = draw(make_foresight_scene(3, 0, Split::train), 0, 1) * 0 + drawn[20][0][0][0];
  EXPECT_EQ(read_outcome(at::cat({drawn.narrow(0, 0, 20), empty.expand({13, -1, -1, -1})}), scene), std::nullopt);
}

// What is shown first is what the film begins with, and the picture is encoded as the film's first frame was.
TEST(ShippedVideo, the_autoencoder_does_not_look_ahead) {
  at::manual_seed(1);
  const at::NoGradGuard no_grad;
  const ltx::Vae vae(foresight_autoencoder(), tensor::WeightMap(fresh_foresight_autoencoder()));
  const at::Tensor film = at::rand({1, 3, 17, 64, 64}, at::kFloat) * 2 - 1, latents = vae.encode(film).mean;
  EXPECT_EQ(latents.sizes(), at::IntArrayRef({1, 64, 3, 2, 2}));
  EXPECT_LT(difference(vae.encode(film.narrow(2, 0, 1)).mean, latents.narrow(2, 0, 1)), 1e-4);
  EXPECT_LT(difference(vae.decode(latents.narrow(2, 0, 1)), vae.decode(latents).narrow(2, 0, 1)), 1e-4);
}

TEST(ShippedVideo, the_untrained_autoencoder_gives_back_flat_colours) {
  at::manual_seed(1);
  const at::NoGradGuard no_grad;
  const ltx::Vae vae(foresight_autoencoder(), tensor::WeightMap(fresh_foresight_autoencoder()));
  for (const Colour colour : {Colour::red, Colour::yellow, Colour::blue, Colour::white}) {
    const Rgb ink = rgb(colour);
    const at::Tensor film = at::tensor({ink[0], ink[1], ink[2]}).view({1, 3, 1, 1}).expand({17, 3, 64, 64});
    const at::Tensor made = to_frames(vae.decode(vae.encode(to_video(film)).mean));
    EXPECT_LT((made - film).abs().mean().item<double>(), 0.2) << name(colour);
  }
}

TEST(ShippedVideo, training_reads_questions_as_sessions_do) {
  at::manual_seed(2);
  const ScratchFolder folder;
  const at::NoGradGuard no_grad;
  const tensor::WeightMap weights(fresh_foresight_video());
  const std::shared_ptr<const text::Tokenizer> tokenizer = foresight_spiece(folder.path, 1);
  const t5::TextEncoder text(tokenizer,
                             std::make_shared<const t5::Encoder>(foresight_text_encoder(), weights.under("text.")));
  const ForesightVideo model(weights);
  const std::vector<std::string> questions{"What happens if I push it to the left?"};
  const ltx::TextContext trained = model.context(tokenize(*tokenizer, questions, generation::kPromptTokens));
  const t5::EncodedText encoded = text.encode(questions[0], generation::kPromptTokens);
  const ltx::TextContext served = model.transformer()->context(encoded.embeddings, encoded.mask);
  ASSERT_EQ(trained.prompts[0].size(), 5u);
  for (std::size_t i = 0; i < trained.prompts[0].size(); ++i) {
    EXPECT_LT(difference(trained.prompts[0][i].k, served.prompts[0][i].k), 1e-5);
    EXPECT_LT(difference(trained.prompts[0][i].v, served.prompts[0][i].v), 1e-5);
  }
}

TEST(ForesightTraining, every_stage_leaves_weights_that_the_product_opens_and_continues_from_its_state) {
  at::set_num_threads(1);  // work this small is lost in waiting for other threads
  const ScratchFolder folder;
  const auto run = [&](int64_t batch) {
    return RunOptions{.directory = folder.path / "run",
                      .time_limit = std::chrono::seconds(1),
                      .learning_rate = 1e-4,
                      .batch = batch,
                      .threads = 1};
  };
  const ForesightVideoOptions video{
      .run = run(2), .fresh_per_step = 1, .capacity = 8, .sheet_rows = 1, .text_seconds = 1};
  train_foresight_autoencoder(run(1), {.side = 32, .films = 1});
  for (int call = 0; call < 2; ++call) train_foresight_video(video);
  train_foresight_language(run(2));
  for (int call = 0; call < 2; ++call) train_foresight_adapter({.run = run(2), .capacity = 4});
  export_foresight(folder.path / "run", folder.path / "model");
  const auto model = generation::load_model({.path = (folder.path / "model").string()});
  const ForesightScene scene = make_foresight_scene(1, 0, Split::held_out);
  const Foreseen answer = foresee(*model, scene, 1);
  EXPECT_EQ(answer.film.sizes(), at::IntArrayRef({kForesightVideoFrames, 3, kForesightSide, kForesightSide}));
  ASSERT_TRUE(answer.first_frame.defined());
  EXPECT_LT(difference(answer.first_frame, answer.film[0]), 0.02);  // bfloat16
  EXPECT_GT(answer.first_word_ms, 0);
  Options adapted;
  adapted.set("conditioning", std::string("adapter"));
  adapted.set("tracks", std::string("video"));
  const Foreseen by_adapter = foresee(*model, scene, 1, adapted);
  EXPECT_EQ(by_adapter.film.sizes(), answer.film.sizes());
  EXPECT_GT(difference(by_adapter.film, answer.film), 0);

  // Training goes on from the model directory alone, and what it begins with is what ships.
  import_foresight(folder.path / "model", folder.path / "imported");
  export_foresight(folder.path / "imported", folder.path / "again");
  const Foreseen again = foresee(*generation::load_model({.path = (folder.path / "again").string()}), scene, 1);
  EXPECT_EQ(again.text, answer.text);
  EXPECT_EQ(difference(again.film, answer.film), 0);
  RunOptions further = run(2);
  further.directory = folder.path / "imported";
  further.learning_rate = 0;
  train_foresight_video({.run = further, .fresh_per_step = 1, .capacity = 8, .sheet_rows = 1});
  const auto one = tensor::load_safetensors(folder.path / "run" / "video.safetensors"),
             other = tensor::load_safetensors(further.directory / "video.safetensors");
  ASSERT_EQ(one.keys(), other.keys());
  for (const std::string& key : one.keys())
    EXPECT_LT(difference(one.at(key), other.at(key)), 0.02 * (1 + one.at(key).abs().max().item<double>())) << key;
}

// The bounds stand below what the weights reach; docs/models/shipped-foresight.md has the figures of more pictures.
TEST(ShippedForesight, says_what_is_there_and_what_will_happen_and_shows_it) {
  const auto model = generation::load_model({.path = RUSHES_SOURCE_DIR "/models/shipped-foresight"});
  const ForesightQuality quality = measure_foresight(*model, 16, {});
  SCOPED_TRACE(describe(quality));
  EXPECT_GE(quality.things.percent(), 90);
  EXPECT_GE(quality.outcome.percent(), 85);
  EXPECT_GE(quality.film.percent(), 75);
  EXPECT_GE(quality.agreement.percent(), 75);
  EXPECT_GE(quality.first_frame_psnr, 28);
}

}  // namespace
}  // namespace rushes::training
