#include <gtest/gtest.h>

#include <filesystem>

#include "rushes/tensor/ops.h"
#include "rushes/training/optimiser.h"
#include "rushes/training/run.h"
#include "rushes/training/wan/shipped_model.h"
#include "rushes/training/wan/text_to_video.h"
#include "rushes/training/wan/world.h"

namespace rushes::training {
namespace {

std::filesystem::path scratch(const std::string& name) {
  const auto directory = std::filesystem::path(::testing::TempDir()) / "rushes_training_test";
  std::filesystem::create_directories(directory);
  std::filesystem::remove(directory / name);
  return directory / name;
}

// Distance to a fixed target: an update from it needs nothing but the weights.
void update(Optimiser& optimiser) {
  (optimiser.weights().at("w") - 3).square().mean().backward();
  optimiser.step();
}

TEST(Optimiser, a_run_that_was_saved_and_continued_equals_one_that_was_not) {
  const std::map<std::string, at::Tensor> start{{"w", at::zeros({4}, at::kFloat)}};
  Optimiser whole(start, {}), first(start, {}), second(start, {});
  for (int i = 0; i < 6; ++i) update(whole);
  for (int i = 0; i < 3; ++i) update(first);
  const auto file = scratch("state.safetensors");
  first.save(file);
  ASSERT_TRUE(second.load(file));
  EXPECT_EQ(second.steps(), 3);
  for (int i = 0; i < 3; ++i) update(second);
  EXPECT_TRUE(second.weights().at("w").equal(whole.weights().at("w")));
  EXPECT_TRUE(second.average().at("w").equal(whole.average().at("w")));
}

TEST(Optimiser, an_update_with_a_non_finite_gradient_changes_nothing) {
  Optimiser optimiser({{"w", at::zeros({4}, at::kFloat)}}, {});
  (optimiser.weights().at("w") / 0.0).sum().backward();
  optimiser.step();
  EXPECT_TRUE(optimiser.weights().at("w").equal(at::zeros({4}, at::kFloat)));
  EXPECT_EQ(optimiser.steps(), 0);
}

TEST(Optimiser, muon_turns_a_matrix_to_its_target_whatever_the_size_of_the_gradient) {
  at::manual_seed(5);
  const at::Tensor target = at::randn({12, 8}, at::kFloat);
  for (const double size : {1e-3, 1e3}) {
    Optimiser optimiser({{"inner.w", at::zeros({12, 8}, at::kFloat)}},
                        {.learning_rate = 0.3, .warm_up_steps = 1, .muon_prefix = "inner."});
    for (int i = 0; i < 120; ++i) {
      ((optimiser.weights().at("inner.w") - target).square().sum() * size).backward();
      optimiser.step(1 - i / 120.0);
    }
    EXPECT_LT((optimiser.weights().at("inner.w") - target).norm().item<double>(), 0.1 * target.norm().item<double>())
        << size;
  }
}

TEST(Optimiser, muon_moves_a_kernel_as_the_matrix_of_its_outputs) {
  at::manual_seed(3);
  const at::Tensor matrix = at::randn({4, 12}, at::kFloat), towards = at::randn({4, 12}, at::kFloat);
  Optimiser optimiser({{"inner.kernel", matrix.view({4, 3, 1, 2, 2})}, {"inner.matrix", matrix}},
                      {.learning_rate = 0.1, .warm_up_steps = 1, .muon_prefix = "inner."});
  const tensor::WeightMap weights = optimiser.weights();
  for (int i = 0; i < 3; ++i) {
    ((weights.at("inner.kernel").flatten(1) * towards).sum() + (weights.at("inner.matrix") * towards).sum()).backward();
    optimiser.step();
  }
  EXPECT_TRUE(weights.at("inner.kernel").detach().flatten(1).equal(weights.at("inner.matrix").detach()));
  EXPECT_FALSE(weights.at("inner.matrix").detach().equal(matrix));
}

TEST(Run, a_named_stage_counts_processor_time_over_all_its_calls) {
  const std::filesystem::path file = scratch("stage.progress");
  const RunOptions options{
      .directory = file.parent_path(), .time_limit = std::chrono::seconds(1), .threads = 1, .progress = "stage"};
  double before = 0;
  for (int call = 0; call < 2; ++call) {
    training::Run run(options, "stage", {"loss"});
    EXPECT_NEAR(run.seconds(), before, 0.05);
    while (run.seconds() < before + 0.1) at::ones({1000}, at::kFloat).sum();
    run.saved();
    before = run.seconds();
  }
  EXPECT_GE(before, 0.2);
  EXPECT_TRUE(training::Run(options, "stage", {"loss"}).time_left());
}

TEST(CaptionWords, are_those_of_all_captions_and_no_others) {
  const KnownWords words = caption_words();
  std::vector<std::string> captions;
  for (uint64_t i = 0; i < 20'000; ++i) captions.push_back(make_scene(3, i, Split::train).caption);
  EXPECT_EQ(words.unknown_in(captions), std::vector<std::string>{});
  EXPECT_EQ(KnownWords{captions}.unknown_in(words.phrases), std::vector<std::string>{});
}

TEST(ShippedTokenizer, captions_fit_the_text_length_and_have_no_unknown_piece) {
  const auto tokenizer = shipped_tokenizer(scratch("tokenizer.model"), 1);
  EXPECT_LE(tokenizer->vocabulary_size(), kShippedVocabulary);
  for (uint64_t i = 0; i < 500; ++i) {
    const std::string caption = make_scene(2, i, Split::held_out).caption;
    const auto tokens = tokenizer->tokenize(caption);
    EXPECT_LE(static_cast<int64_t>(tokens.size()), shipped_text_encoder().text_len) << caption;
    for (const auto& token : tokens) EXPECT_NE(token.id, 3) << caption << ": " << token.piece;
  }
}

TEST(TextToVideo, an_untrained_model_samples_latents_of_the_right_shape) {
  std::map<std::string, at::Tensor> all;
  for (auto& [key, value] : fresh_text_encoder(shipped_text_encoder())) all["text." + key] = value;
  for (auto& [key, value] : fresh_transformer(shipped_transformer())) all["transformer." + key] = value;
  const TextToVideo model{tensor::WeightMap(all)};
  const int64_t L = shipped_text_encoder().text_len;
  const Prompts prompts{at::ones({2, L}, at::kLong), at::ones({2, L}, at::kLong)};
  const at::NoGradGuard no_grad;
  const std::array<int64_t, 5> shape{2, shipped_autoencoder().latent_channels, 6, 4, 4};
  const auto latents = sample_few_steps(model, model.context(model.read(prompts)), at::randn(shape, at::kFloat),
                                        shipped_schedule().warp({1000, 500}));
  EXPECT_EQ(latents.sizes(), at::IntArrayRef(shape));
  EXPECT_TRUE(latents.isfinite().all().item<bool>());
}

}  // namespace
}  // namespace rushes::training
