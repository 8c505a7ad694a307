// The language half's lessons and the numbers that training and generation make of them.
#include <gtest/gtest.h>

#include "rushes/base/scratch_folder.h"
#include "rushes/generation/foresight/model_files.h"
#include "rushes/models/qwen/checkpoint.h"
#include "rushes/nn/measure.h"
#include "rushes/tensor/ops.h"
#include "rushes/tensor/safetensors.h"
#include "rushes/training/foresight/language_training.h"
#include "rushes/training/foresight/shipped_language.h"
#include "rushes/training/optimiser.h"

namespace rushes::training {
namespace {

const text::BpeMerges& merges() {
  static const text::BpeMerges one = [] {
    std::vector<std::string> texts;
    for (uint64_t i = 0; i < 60; ++i) texts.push_back(make_foresight_scene(1, i, Split::train).answer);
    return text::train_bpe(texts, 150);
  }();
  return one;
}

std::shared_ptr<const qwen::Model> fresh_model() {
  at::manual_seed(3);
  const qwen::Config config = foresight_language(merges());
  return model_of({config, tensor::WeightMap(fresh_foresight_language(config)), foresight_tokenizer(merges())});
}

std::vector<LanguageLesson> lessons(const qwen::Model& model, uint64_t count) {
  std::vector<LanguageLesson> all;
  for (uint64_t i = 0; i < count; ++i) {
    const ForesightScene scene = make_foresight_scene(1, i, Split::train);
    all.push_back(lesson_of(scene, patches_of(scene, model.config), model.config, *model.tokenizer));
  }
  return all;
}

TEST(ForesightLanguage, lessons_read_together_give_the_logits_of_generation_one_by_one) {
  const c10::InferenceMode inference;
  const auto model = fresh_model();
  const std::vector<LanguageLesson> all = lessons(*model, 5);
  const Answers answers = read_lessons(model->language, see_lessons(*model->vision, all), all, model->config);
  int64_t row = 0;
  for (uint64_t i = 0; i < all.size(); ++i) {
    const ForesightScene scene = make_foresight_scene(1, i, Split::train);
    const auto turns = qwen::question_about(1, scene.question);
    // All tokens but the last are read as a prompt: the way of a session whose words were the answer's.
    qwen::Prompt prompt = model->prompt(turns, {model->see(foresight_picture(scene))});
    EXPECT_EQ(std::ssize(prompt.ids), all[i].prompt_tokens);
    prompt.ids.assign(all[i].ids.begin(), all[i].ids.end() - 1);
    const at::Tensor hidden = model->hidden_states(prompt);
    const int64_t said = std::ssize(all[i].ids) - all[i].prompt_tokens;
    const at::Tensor alone = model->language.logits(hidden[0].narrow(0, all[i].prompt_tokens - 1, said));
    EXPECT_LT(nn::relative_error(answers.logits.narrow(0, row, said), alone), 1e-5) << i;
    row += said;
  }
  EXPECT_EQ(row, answers.logits.size(0));
}

TEST(ForesightLanguage, an_answer_is_its_text_and_the_end_of_the_turn) {
  const auto model = fresh_model();
  const ForesightScene scene = make_foresight_scene(1, 3, Split::train);
  const LanguageLesson lesson = lessons(*model, 4).back();
  const std::span<const int64_t> answer = std::span(lesson.ids).subspan(static_cast<std::size_t>(lesson.prompt_tokens));
  EXPECT_EQ(model->tokenizer->decode(answer), scene.answer);
  EXPECT_EQ(model->tokenizer->decode(answer, text::SpecialTokensInOutput::keep), scene.answer + "<|im_end|>");
  EXPECT_EQ(lesson.patches.values.size(0), 64);
}

TEST(ForesightLanguage, a_few_lessons_are_learnt_by_heart) {
  at::manual_seed(4);
  const qwen::Config config = foresight_language(merges());
  Optimiser optimiser(fresh_foresight_language(config), {.learning_rate = 1e-3, .warm_up_steps = 1});
  tensor::WeightMap language = qwen::language_weights(optimiser.weights()),
                    vision = qwen::vision_weights(optimiser.weights());
  language.set_trainable(true), vision.set_trainable(true);
  const qwen::LanguageModel reads(config.text, language);
  const qwen::VisionTower sees(config.vision, vision);
  const std::vector<LanguageLesson> few = lessons(*fresh_model(), 3);
  std::vector<double> losses;
  for (int step = 0; step < 25; ++step) {
    const Answers answers = read_lessons(reads, see_lessons(sees, few), few, config);
    const at::Tensor loss = at::cross_entropy_loss(answers.logits, answers.targets);
    loss.backward();
    optimiser.step();
    losses.push_back(loss.item<double>());
  }
  EXPECT_GT(losses.front(), 4) << "of 416 tokens by chance: 6";
  EXPECT_LT(losses.back(), 0.3 * losses.front());
}

TEST(ForesightLanguage, a_stage_continues_and_what_it_wrote_is_a_model_that_answers) {
  const ScratchFolder folder;
  RunOptions options{.directory = folder.path, .batch = 4, .threads = 1, .progress = "language"};
  const auto steps_after = [&](int64_t seconds) {
    options.time_limit = std::chrono::seconds(seconds);
    train_foresight_language(options);
    return tensor::load_safetensors(folder.path / "language.state.safetensors").at("count.probe.weight").item<float>();
  };
  const float before = steps_after(2);
  EXPECT_GE(before, 1);
  EXPECT_GT(steps_after(4), before);

  const generation::LanguageFiles files = trained_language(folder.path);
  generation::write_foresight_model(folder.path / "model",
                                    {.name = "test", .language = files, .video = {}, .adapter = {}, .defaults = {}});
  const auto model = std::make_shared<const qwen::Model>(qwen::load_model(folder.path / "model" / "language", {}));
  EXPECT_EQ(model->config, files.config);
  const LanguageQuality quality = measure_foresight_language(model, 2, 1);
  EXPECT_EQ(quality.pictures, 2);
  EXPECT_GT(quality.first_word_ms, 0);
}

}  // namespace
}  // namespace rushes::training
