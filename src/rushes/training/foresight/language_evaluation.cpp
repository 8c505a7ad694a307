// Greedy answers to held-out pictures, step by step as a session makes them.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "rushes/models/qwen/generation.h"
#include "rushes/tensor/ops.h"
#include "rushes/training/foresight/language_training.h"

namespace rushes::training {
namespace {

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::ranges::nth_element(values, values.begin() + std::ssize(values) / 2);
  return values[values.size() / 2];
}

}  // namespace

LanguageQuality measure_foresight_language(const std::shared_ptr<const qwen::Model>& model, int64_t pictures,
                                           uint64_t seed) {
  using Clock = std::chrono::steady_clock;
  const c10::InferenceMode inference;
  LanguageQuality quality{.pictures = pictures};
  std::vector<double> first, whole;
  for (int64_t i = 0; i < pictures; ++i) {
    const ForesightScene scene = make_foresight_scene(seed, static_cast<uint64_t>(i), Split::held_out);
    const at::Tensor picture = foresight_picture(scene);
    const auto begin = Clock::now();
    const auto since = [&] { return std::chrono::duration<double, std::milli>(Clock::now() - begin).count(); };
    const auto turns = qwen::question_about(1, scene.question);
    qwen::Generation generation(model, model->prompt(turns, {model->see(picture)}),
                                {.sampling = {.do_sample = false}, .max_new_tokens = 64});
    std::string text;
    while (!generation.finished()) {
      text += generation.step().text;
      if (generation.tokens().size() == 1) first.push_back(since());
    }
    whole.push_back(since());
    const AnswerReading reading = read_answer(text);
    const ForesightLabels& labels = scene.labels;
    const bool things = reading.things == labels.things, outcome = reading.outcome == labels.outcome,
               grounds = labels.floor ? reading.floor == labels.floor : reading.ground == labels.ground;
    quality.things += things ? 1 : 0;
    quality.outcome += outcome ? 1 : 0;
    quality.grounds += grounds ? 1 : 0;
    quality.ended += generation.tokens().back() == model->config.eos_token_ids.front() ? 1 : 0;
    if (!things || !outcome || !grounds)
      quality.mistakes.push_back(fmt::format("{}: '{}' {} | right: {}", i, scene.question, text, scene.answer));
  }
  quality.first_word_ms = median(first);
  quality.answer_ms = median(whole);
  return quality;
}

std::string describe(const LanguageQuality& q) {
  const auto share = [&](int64_t count) {
    return 100.0 * static_cast<double>(count) / static_cast<double>(q.pictures);
  };
  return fmt::format(
      "{} held-out pictures: shapes and colours {:.1f} %, outcome {:.1f} %, ground or floor {:.1f} %, ended {:.1f} %; "
      "first word {:.1f} ms, answer {:.1f} ms (medians)",
      q.pictures, share(q.things), share(q.outcome), share(q.grounds), share(q.ended), q.first_word_ms, q.answer_ms);
}

}  // namespace rushes::training
