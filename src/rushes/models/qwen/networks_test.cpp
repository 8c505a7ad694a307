#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rushes/base/message_of.h"
#include "rushes/models/qwen/positions.h"
#include "rushes/models/qwen/random_weights.h"
#include "rushes/nn/measure.h"
#include "rushes/nn/stock_operators.h"

namespace rushes::qwen {
namespace {

using nn::relative_error;
using nn::repeatable_randn;

/// What a call that refuses its arguments says.
template <typename Call>
std::string refusal(Call call) {
  return message_of(call, ErrorCode::invalid_argument);
}

at::Tensor line(int64_t from, int64_t tokens) {
  return at::arange(from, from + tokens, at::TensorOptions(at::kLong)).expand({3, 1, tokens}).contiguous();
}

TEST(LanguageModel, pieces_read_one_after_the_other_are_the_whole) {
  const c10::InferenceMode inference;
  const Model model = random_model(tiny_config(), 5);
  const at::Tensor x = repeatable_randn({1, 13, 48}), whole = model.language.forward(x, line(0, 13));
  for (const std::vector<int64_t>& pieces : {std::vector<int64_t>{13}, {5, 8}, {1, 1, 1, 10}, {10, 1, 1, 1}}) {
    KeyValues past = model.language.past(2);  // grows
    std::vector<at::Tensor> parts;
    for (const int64_t L : pieces) {
      const int64_t begin = past.tokens();
      parts.push_back(model.language.forward(x.narrow(1, begin, L), line(begin, L), &past));
    }
    EXPECT_LT(relative_error(at::cat(parts, 1), whole), 2e-6);
    EXPECT_EQ(past.tokens(), 13);
  }
}

TEST(LanguageModel, texts_of_a_batch_are_what_each_is_alone) {
  const c10::InferenceMode inference;
  const Model model = random_model(tiny_config(), 5);
  const at::Tensor x = repeatable_randn({2, 6, 48});
  const at::Tensor both = model.language.forward(x, line(0, 6).expand({3, 2, 6}));
  for (int64_t b = 0; b < 2; ++b)
    EXPECT_LT(relative_error(both.narrow(0, b, 1), model.language.forward(x.narrow(0, b, 1), line(0, 6))), 2e-6);
}

TEST(LanguageModel, computes_what_libtorchs_operators_compute) {
  const c10::InferenceMode inference;
  const Model model = random_model(tiny_config(), 6);
  const at::Tensor x = repeatable_randn({1, 9, 48});
  const auto run = [&] {
    KeyValues past = model.language.past(4);
    const at::Tensor read = model.language.forward(x.narrow(1, 0, 8), line(0, 8), &past);
    return model.language.logits(at::cat({read, model.language.forward(x.narrow(1, 8, 1), line(8, 1), &past)}, 1));
  };
  const at::Tensor ours = run();
  const nn::StockOperators stock;
  EXPECT_LT(relative_error(ours, run()), 2e-6);
}

TEST(LanguageModel, learns_where_its_weights_are_trained) {
  const Config config = tiny_config();
  const tensor::WeightMap published = random_weights(config, 7);
  tensor::WeightMap weights = language_weights(published);
  for (const auto& [key, tensor] : weights.tensors()) tensor.set_requires_grad(true);
  weights.set_trainable(true);
  const LanguageModel model(config.text, weights);
  const at::Tensor ids = at::arange(8, at::TensorOptions(at::kLong)).view({1, 8});
  const at::Tensor loss = model.logits(model.forward(model.embed(ids), line(0, 8))).square().mean();
  loss.backward();
  for (const auto& [key, tensor] : weights.tensors()) {
    ASSERT_TRUE(tensor.grad().defined()) << key;
    EXPECT_GT(tensor.grad().abs().max().item<float>(), 0) << key;
  }
}

TEST(LanguageModel, refuses_ids_and_shapes_that_it_does_not_have) {
  const c10::InferenceMode inference;
  const Model model = random_model(tiny_config(), 5);
  EXPECT_NE(refusal([&] { model.language.embed(at::full({1, 1}, 264, at::TensorOptions(at::kLong))); }), "");
  EXPECT_NE(refusal([&] { model.language.embed(at::full({1, 1}, -1, at::TensorOptions(at::kLong))); }), "");
  EXPECT_NE(refusal([&] { model.language.forward(at::zeros({1, 2, 48}), line(0, 3)); }), "");
}

TEST(VisionTower, pictures_read_together_are_what_each_is_alone) {
  const c10::InferenceMode inference;
  const Config config = tiny_config();
  const VisionTower tower = *random_model(config, 8).vision;
  const at::TensorOptions integers(at::kLong);
  const at::Tensor first = at::tensor(std::vector<int64_t>{1, 6, 10}, integers).view({1, 3}),
                   second = at::tensor(std::vector<int64_t>{1, 4, 2}, integers).view({1, 3});
  const at::Tensor a = repeatable_randn({60, 1176}), b = repeatable_randn({8, 1176});
  const at::Tensor both = tower.forward(at::cat({a, b}), at::cat({first, second}));
  EXPECT_LT(relative_error(both, at::cat({tower.forward(a, first), tower.forward(b, second)})), 2e-6);
  EXPECT_NE(refusal([&] { tower.forward(b, first); }), "");
}

TEST(VisionTower, learns_where_its_weights_are_trained) {
  const Config config = tiny_config();
  tensor::WeightMap weights = vision_weights(random_weights(config, 9));
  for (const auto& [key, tensor] : weights.tensors()) tensor.set_requires_grad(true);
  weights.set_trainable(true);
  const at::Tensor grid = at::tensor(std::vector<int64_t>{1, 4, 6}, at::TensorOptions(at::kLong)).view({1, 3});
  VisionTower(config.vision, weights).forward(repeatable_randn({24, 1176}), grid).square().mean().backward();
  for (const auto& [key, tensor] : weights.tensors()) EXPECT_TRUE(tensor.grad().defined()) << key;
}

TEST(KeyValues, a_copy_is_independent) {
  const c10::InferenceMode inference;
  KeyValues one({.layers = 1, .heads = 1, .head_size = 2, .capacity_tokens = 3}, at::TensorOptions(at::kFloat));
  const at::Tensor k = repeatable_randn({1, 2, 1, 2});
  one.append(0, k, k);
  one.commit(2);
  KeyValues other = one;
  const nn::KeyValue others = other.append(0, -k, -k), ones = one.append(0, 2 * k, 2 * k);
  EXPECT_TRUE(at::equal(ones.k, at::cat({k, 2 * k}, 1)));
  EXPECT_TRUE(at::equal(others.v, at::cat({k, -k}, 1)));
}

}  // namespace
}  // namespace rushes::qwen
