// The language half's lessons and the numbers that training and generation make of them.
#include <gtest/gtest.h>

#include <fstream>

#include "rushes/base/scratch_folder.h"
#include "rushes/generation/foresight/model_files.h"
#include "rushes/models/qwen/generation.h"
#include "rushes/nn/measure.h"
#include "rushes/tensor/ops.h"
#include "rushes/training/foresight/language_training.h"
#include "rushes/training/foresight/shipped_language.h"

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

TEST(ForesightLanguage, a_stage_learns_and_continues_and_what_it_wrote_is_a_model_that_answers) {
  const ScratchFolder folder;
  RunOptions options{.directory = folder.path, .batch = 4, .threads = 1, .progress = "language"};
  options.time_limit = std::chrono::seconds(4);
  train_foresight_language(options);
  const auto losses = [&] {
    std::ifstream curve(folder.path / "language.csv");
    std::vector<double> all;
    std::string line;
    std::getline(curve, line);
    while (std::getline(curve, line)) {
      std::istringstream fields(line);
      std::string step, seconds, loss;
      std::getline(fields, step, ','), std::getline(fields, seconds, ','), std::getline(fields, loss, ',');
      all.push_back(std::stod(loss));
    }
    return all;
  };
  options.time_limit = std::chrono::seconds(9);
  train_foresight_language(options);
  ASSERT_FALSE(losses().empty());
  EXPECT_GT(losses().back(), 0);
  EXPECT_LT(losses().back(), 5.2) << "of 416 tokens by chance: 6";

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
