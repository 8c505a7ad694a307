#include "rushes/models/qwen/generation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rushes/base/interruption.h"
#include "rushes/base/message_of.h"
#include "rushes/models/qwen/random_weights.h"
#include "rushes/nn/measure.h"

namespace rushes::qwen {
namespace {

using ::testing::HasSubstr;

/// What a call that refuses its arguments says.
template <typename Call>
std::string refusal(Call call) {
  return message_of(call, ErrorCode::invalid_argument);
}

std::shared_ptr<const Model> tiny() {
  static const auto model = [] {
    const c10::InferenceMode inference;
    Config config = tiny_config();
    config.eos_token_ids = {-1};  // texts are as long as they are asked to be
    return std::make_shared<const Model>(random_model(config, 11));
  }();
  return model;
}

at::Tensor picture() {
  return at::remainder(at::arange(60 * 90 * 3, at::TensorOptions(at::kLong)) * 7919, 256)
      .view({60, 90, 3})
      .to(at::kByte);
}

Prompt prompt_with_picture() {
  const c10::InferenceMode inference;
  return tiny()->prompt(question_about(1, "what is it?"), {tiny()->see(picture())});
}

std::vector<int64_t> rest(Generation& generation) {
  while (!generation.finished()) generation.step();
  return generation.tokens();
}

GenerationOptions sampled(uint64_t seed) {
  return {.sampling = {.temperature = 2}, .max_new_tokens = 20, .seed = seed};
}

TEST(Generation, the_text_told_on_the_way_is_the_text_of_its_tokens) {
  Generation generation(tiny(), prompt_with_picture(), sampled(3));
  std::string told;
  while (!generation.finished()) told += generation.step().text;
  EXPECT_EQ(told, tiny()->tokenizer->decode(generation.tokens()));
  EXPECT_LE(generation.tokens().size(), 20u);
  EXPECT_TRUE(generation.step().tokens.empty());  // nothing after the end
}

TEST(Generation, the_same_seed_writes_the_same_and_a_copy_goes_on_like_its_origin) {
  const Prompt prompt = prompt_with_picture();
  Generation one(tiny(), prompt, sampled(3)), two(tiny(), prompt, sampled(3)), other(tiny(), prompt, sampled(4));
  for (int i = 0; i < 3; ++i) one.step();
  Generation copy = one;
  EXPECT_EQ(rest(one), rest(two));
  EXPECT_EQ(copy.tokens().size(), 3u);
  EXPECT_EQ(rest(copy), one.tokens());
  EXPECT_NE(rest(other), one.tokens());
}

TEST(Generation, each_token_follows_from_the_whole_text_before_it) {
  const c10::InferenceMode inference;
  Prompt prompt = prompt_with_picture();
  Generation generation(tiny(), prompt, {.sampling = {.do_sample = false}, .max_new_tokens = 6});
  while (!generation.finished()) {
    const at::Tensor hidden = tiny()->hidden_states(prompt);  // without keys and values of before
    generation.step();
    const at::Tensor wanted = tiny()->language.logits(hidden.narrow(1, hidden.size(1) - 1, 1)).view({-1});
    EXPECT_LT(nn::relative_error(generation.logits(), wanted), 1e-5);
    EXPECT_EQ(generation.tokens().back(), wanted.argmax().item<int64_t>());
    prompt.ids.push_back(generation.tokens().back());
  }
}

TEST(Generation, ends_at_an_end_token_or_at_its_length) {
  const auto write = [](std::vector<int64_t> end_tokens) {
    Model model = *tiny();
    model.config.eos_token_ids = std::move(end_tokens);
    return Generation(std::make_shared<const Model>(std::move(model)), prompt_with_picture(),
                      {.sampling = {.do_sample = false, .repetition_penalty = 3}, .max_new_tokens = 5});
  };
  Generation endless = write({-1});
  const auto tokens = rest(endless);
  EXPECT_EQ(tokens.size(), 5u);
  ASSERT_NE(tokens[0], tokens[1]);  // the penalty sees to that
  Generation ended = write({7, tokens[1]});
  EXPECT_EQ(ended.step().end, GenerationEnd::none);
  EXPECT_EQ(ended.step().end, GenerationEnd::end_token);
  EXPECT_EQ(ended.tokens(), (std::vector<int64_t>{tokens[0], tokens[1]}));
}

TEST(Generation, an_interrupted_step_leaves_no_trace) {
  const Prompt prompt = prompt_with_picture();
  Generation whole(tiny(), prompt, sampled(5)), broken(tiny(), prompt, sampled(5));
  for (int step = 0; step < 4; ++step) {
    int points = 3 + 2 * step;  // a different place in each
    {
      const base::Interruptible interruptible([&] {
        if (--points == 0) throw base::Interrupted();
      });
      EXPECT_THROW(broken.step(), base::Interrupted);
    }
    whole.step();
    broken.step();
  }
  EXPECT_EQ(rest(broken), rest(whole));
}

TEST(Generation, refuses_what_it_cannot_write) {
  EXPECT_THAT(refusal([] { Generation(tiny(), {}, {}); }), HasSubstr("empty"));
  EXPECT_THAT(refusal([] { Generation(tiny(), {{1, 2}, {}}, {.max_new_tokens = 0}); }), HasSubstr("max_new_tokens"));
  EXPECT_THAT(message_of(
                  [] {
                    Generation(tiny(), {std::vector<int64_t>(4096, 1), {}}, {});
                  },
                  ErrorCode::too_large),
              HasSubstr("at most"));
  struct Damage {
    SamplingConfig sampling;
    const char* field;
  };
  for (const Damage& damage :
       {Damage{{.temperature = 0}, "temperature"}, Damage{{.top_k = -1}, "top_k"}, Damage{{.top_p = 0}, "top_p"},
        Damage{{.top_p = 1.1}, "top_p"}, Damage{{.repetition_penalty = 0}, "repetition_penalty"}})
    EXPECT_THAT(refusal([&] {
                  Generation(tiny(), {{1, 2}, {}}, {.sampling = damage.sampling});
                }),
                HasSubstr(damage.field));
}

TEST(Generation, pictures_that_the_prompt_does_not_have_are_an_error) {
  Prompt prompt = prompt_with_picture();
  prompt.pictures.clear();
  Generation generation(tiny(), prompt, {});
  EXPECT_THAT(refusal([&] { generation.step(); }), HasSubstr("image tokens"));
}

at::Tensor floats(const std::vector<float>& values) { return at::tensor(values, at::TensorOptions(at::kFloat)); }

std::vector<float> chances(const std::vector<float>& logits, const SamplingConfig& config,
                           const std::vector<int64_t>& previous = {}) {
  const at::Tensor p = probabilities(floats(logits), previous, config);
  return {p.const_data_ptr<float>(), p.const_data_ptr<float>() + p.numel()};
}

TEST(Probabilities, filters_leave_what_they_should) {
  using ::testing::ElementsAre;
  using ::testing::FloatNear;
  const auto half = FloatNear(0.5f, 1e-6f), none = FloatNear(0, 0), all = FloatNear(1, 0);
  EXPECT_THAT(chances({1, 3, 3, 0}, {.top_k = 2}), ElementsAre(none, half, half, none));
  EXPECT_THAT(chances({1, 3, 3, 0}, {.top_k = 1}), ElementsAre(none, half, half, none));  // equals stay
  EXPECT_THAT(chances({1, 9, 3, 0}, {.top_k = 0, .top_p = 1e-6}), ElementsAre(none, all, none, none));
  EXPECT_THAT(chances({1, 9, 3, 0}, {.top_k = 1}), ElementsAre(none, all, none, none));
  // Quarters: the two least together are exactly one half, which top-p 0.5 leaves out.
  EXPECT_THAT(chances({0, 0, 0, 0}, {.top_k = 0, .top_p = 0.5}), ElementsAre(none, none, half, half));
  // The penalty divides what is positive and multiplies what is negative, once however often the token was there.
  const auto plain = chances({1, -2, 0.5f, 3}, {.top_k = 0});
  EXPECT_EQ(chances({2, -1, 0.5f, 3}, {.top_k = 0, .repetition_penalty = 2}, {0, 1, 0, 1, 99}), plain);
}

TEST(Sampler, draws_as_often_as_is_probable) {
  Sampler sampler({.temperature = 1, .top_k = 0}, 1);
  const at::Tensor logits = at::log(floats({0.1f, 0.2f, 0.7f}));
  std::vector<int> counts(3);
  for (int i = 0; i < 4000; ++i) ++counts[static_cast<size_t>(sampler.next(logits, {}))];
  EXPECT_NEAR(counts[0], 400, 80);
  EXPECT_NEAR(counts[1], 800, 110);
}

TEST(Sampler, tells_logits_that_are_not_numbers) {
  Sampler sampler({}, 1);
  EXPECT_THAT(message_of([&] { sampler.next(floats({1, NAN}), {}); }, ErrorCode::internal), HasSubstr("not numbers"));
}

}  // namespace
}  // namespace rushes::qwen
