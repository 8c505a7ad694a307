#include "rushes/models/wan/umt5.h"

#include <gtest/gtest.h>

#include "rushes/base/error.h"
#include "rushes/models/wan/umt5_random_weights.h"
#include "rushes/tensor/ops.h"

namespace rushes::wan {
namespace {

Umt5Config small() {
  Umt5Config config;
  config.vocab = 40, config.dim = 16, config.dim_attn = 24, config.dim_ffn = 20;
  config.num_heads = 3, config.num_layers = 2, config.text_len = 12;
  return config;
}

at::Tensor ids_of(std::vector<int64_t> ids, int64_t length) {
  ids.resize(static_cast<size_t>(length), 0);
  return at::tensor(ids, at::kLong).unsqueeze(0);
}

TEST(Umt5Encoder, padding_does_not_change_the_real_rows_and_encode_zeroes_the_rest) {
  const Umt5Config config = small();
  const Umt5Encoder encoder(config, random_umt5_weights(config));
  const at::Tensor brief = encoder.forward(ids_of({5, 9, 1}, 3), at::ones({1, 3}, at::kLong));
  const at::Tensor ids = ids_of({5, 9, 1}, 12), mask = ids.ne(0).to(at::kLong);
  EXPECT_TRUE(at::allclose(encoder.forward(ids, mask).narrow(1, 0, 3), brief, 1e-5, 1e-5));
  const at::Tensor encoded = encoder.encode(ids, mask);
  ASSERT_EQ(encoded.sizes(), (std::vector<int64_t>{1, 12, 16}));
  EXPECT_TRUE(at::allclose(encoded.narrow(1, 0, 3), brief, 1e-5, 1e-5));
  EXPECT_EQ(encoded.narrow(1, 3, 9).abs().max().item<float>(), 0);
}

TEST(Umt5Encoder, a_batch_equals_each_prompt_alone) {
  const Umt5Config config = small();
  const Umt5Encoder encoder(config, random_umt5_weights(config));
  const at::Tensor one = ids_of({5, 9, 1}, 12), two = ids_of({7, 8, 2, 3, 4, 30, 1}, 12);
  const at::Tensor both = at::cat({one, two}), mask = both.ne(0).to(at::kLong);
  const at::Tensor encoded = encoder.encode(both, mask);
  EXPECT_TRUE(at::allclose(encoded[0], encoder.encode(one, one.ne(0))[0], 1e-5, 1e-5));
  EXPECT_TRUE(at::allclose(encoded[1], encoder.encode(two, two.ne(0))[0], 1e-5, 1e-5));
}

TEST(Umt5Encoder, gradients_reach_every_weight) {
  const Umt5Config config = small();
  tensor::WeightMap weights = random_umt5_weights(config);
  for (const auto& [key, value] : weights.tensors()) value.requires_grad_(true);
  weights.set_trainable(true);
  const Umt5Encoder encoder(config, weights);
  const at::Tensor ids = ids_of({5, 9, 20, 1}, 12);
  encoder.encode(ids, ids.ne(0)).square().sum().backward();
  for (const auto& [key, value] : weights.tensors()) {
    ASSERT_TRUE(value.grad().defined()) << key;
    EXPECT_GT(value.grad().abs().sum().item<float>(), 0) << key;
  }
}

TEST(Umt5Encoder, refuses_ids_outside_the_vocabulary_and_weights_of_another_shape) {
  const Umt5Config config = small();
  const Umt5Encoder encoder(config, random_umt5_weights(config));
  const at::Tensor mask = at::ones({1, 2}, at::kLong);
  EXPECT_THROW(encoder.forward(ids_of({5, 40}, 2), mask), Error);
  EXPECT_THROW(encoder.forward(ids_of({-1, 4}, 2), mask), Error);
  EXPECT_THROW(encoder.forward(ids_of({1, 4}, 2), at::ones({1, 3}, at::kLong)), Error);
  Umt5Config other = config;
  other.dim_ffn = 21;
  EXPECT_THROW(Umt5Encoder(other, random_umt5_weights(config)), Error);
  other = config;
  other.num_heads = 5;
  EXPECT_THROW(Umt5Encoder(other, random_umt5_weights(config)), Error);
}

}  // namespace
}  // namespace rushes::wan
