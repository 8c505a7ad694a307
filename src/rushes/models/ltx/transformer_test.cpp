#include "rushes/models/ltx/transformer.h"

#include <gtest/gtest.h>

#include "rushes/base/error.h"
#include "rushes/models/ltx/random_weights.h"
#include "rushes/nn/measure.h"
#include "rushes/nn/stock_operators.h"
#include "rushes/tensor/ops.h"

namespace rushes::ltx {
namespace {

/// Widths that neither vectors nor the six columns of a frequency divide.
TransformerConfig small_config(int64_t heads = 3, int64_t head_dim = 22) {
  TransformerConfig config;
  config.num_attention_heads = heads;
  config.attention_head_dim = head_dim;
  config.num_layers = 3;
  config.in_channels = 7;
  config.out_channels = 5;
  config.caption_channels = 19;
  return config;
}

struct Inputs {
  LatentGrid grid{3, 2, 5};
  RopeTable rope;
  at::Tensor tokens, words, timestep;
  explicit Inputs(const TransformerConfig& config, int64_t batch = 2)
      : rope(rope_table(config, grid, {8 / 15.0, 32, 32})),
        tokens(at::randn({batch, grid.tokens(), config.in_channels})),
        words(at::randn({batch, 6, config.caption_channels})),
        timestep(at::rand({batch, grid.latent_frames}) * 1000) {}
};

class Transformers : public testing::TestWithParam<std::pair<int64_t, int64_t>> {
 protected:
  Transformers() { at::manual_seed(3); }
};

TEST_P(Transformers, fused_passes_compute_what_the_blocks_say) {
  const c10::InferenceMode inference;
  const TransformerConfig config = small_config(GetParam().first, GetParam().second);
  const tensor::WeightMap weights = random_transformer_weights(config);
  const Inputs in(config);
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    const Transformer model(config, weights.to(dtype));
    const TextContext text = model.context(in.words);
    const at::Tensor fused = model.forward(in.tokens, in.timestep, text, in.rope);
    const nn::StockOperators stock;
    const at::Tensor plain = model.forward(in.tokens, in.timestep, text, in.rope);
    EXPECT_LT(nn::relative_error(fused.to(at::kFloat), plain.to(at::kFloat)), dtype == at::kFloat ? 2e-6 : 2e-2);
  }
}

TEST_P(Transformers, one_time_for_all_is_that_time_for_each_token) {
  const c10::InferenceMode inference;
  const TransformerConfig config = small_config(GetParam().first, GetParam().second);
  const Transformer model(config, random_transformer_weights(config));
  const Inputs in(config);
  const TextContext text = model.context(in.words);
  const at::Tensor one = at::tensor({700.0f, 300.0f}).unsqueeze(1);
  const at::Tensor wanted = model.forward(in.tokens, one, text, in.rope);
  for (const int64_t groups : {in.grid.latent_frames, in.grid.tokens()}) {
    const at::Tensor found = model.forward(in.tokens, one.expand({2, groups}), text, in.rope);
    EXPECT_LT(nn::relative_error(found, wanted), 1e-6);
  }
}

INSTANTIATE_TEST_SUITE_P(Widths, Transformers, testing::Values(std::pair(3, 22), std::pair(2, 16), std::pair(1, 100)));

TEST(Transformer, a_sample_does_not_see_the_one_beside_it) {
  const c10::InferenceMode inference;
  const TransformerConfig config = small_config();
  const Transformer model(config, random_transformer_weights(config));
  const Inputs in(config);
  const at::Tensor mask = at::tensor({1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0}).view({2, 6});
  const TextContext text = model.context(in.words, mask);
  const at::Tensor both = model.forward(in.tokens, in.timestep, text, in.rope);
  for (int64_t b = 0; b < 2; ++b) {
    const TextContext own = model.context(in.words.narrow(0, b, 1), mask.narrow(0, b, 1));
    const at::Tensor alone = model.forward(in.tokens.narrow(0, b, 1), in.timestep.narrow(0, b, 1), own, in.rope);
    EXPECT_LT(nn::relative_error(both.narrow(0, b, 1), alone), 2e-6);
  }
}

TEST(Transformer, hidden_words_change_nothing_and_a_prompt_of_them_is_attended_in_full) {
  const c10::InferenceMode inference;
  const TransformerConfig config = small_config();
  const Transformer model(config, random_transformer_weights(config));
  const Inputs in(config, 1);
  const at::Tensor mask = at::tensor({1, 0, 1, 1, 0, 0}).view({1, 6});
  const auto flow = [&](const at::Tensor& words, const at::Tensor& mask) {
    return model.forward(in.tokens, in.timestep, model.context(words, mask), in.rope);
  };
  at::Tensor other = in.words.clone();
  other.select(1, 1).fill_(9);
  EXPECT_TRUE(at::equal(flow(in.words, mask), flow(other, mask)));
  EXPECT_FALSE(at::allclose(flow(in.words, mask), flow(in.words, {})));
  EXPECT_TRUE(at::equal(flow(in.words, at::zeros({1, 6}, at::kLong)), flow(in.words, {})));
}

TEST(Transformer, trained_weights_get_gradients) {
  const TransformerConfig config = small_config();
  tensor::WeightMap weights = random_transformer_weights(config);
  for (const auto& [key, tensor] : weights.tensors()) tensor.set_requires_grad(true);
  weights.set_trainable(true);
  const Transformer model(config, weights);
  const Inputs in(config);
  model.forward(in.tokens, in.timestep, model.context(in.words), in.rope).square().sum().backward();
  for (const auto& [key, tensor] : weights.tensors()) {
    ASSERT_TRUE(tensor.grad().defined()) << key;
    EXPECT_GT(tensor.grad().abs().max().item<double>(), 0) << key;
  }
}

TEST(Transformer, refuses_inputs_that_do_not_fit) {
  const TransformerConfig config = small_config();
  const Transformer model(config, random_transformer_weights(config));
  const Inputs in(config);
  const TextContext text = model.context(in.words);
  const auto refused = [](const auto& call) {
    try {
      call();
    } catch (const Error& error) {
      return error.code() == ErrorCode::invalid_argument;
    }
    return false;
  };
  EXPECT_TRUE(refused([&] { model.context(in.tokens); }));
  EXPECT_TRUE(refused([&] { model.context(in.words, at::ones({2, 5})); }));
  EXPECT_TRUE(refused([&] { model.forward(in.words, in.timestep, text, in.rope); }));
  EXPECT_TRUE(refused([&] { model.forward(in.tokens, at::zeros({2, 4}), text, in.rope); }));
  EXPECT_TRUE(refused([&] { model.forward(in.tokens, in.timestep, joined({text, text}), in.rope); }));
  EXPECT_TRUE(refused([&] { model.forward(in.tokens.narrow(1, 0, 10), at::zeros({2, 1}), text, in.rope); }));
}

}  // namespace
}  // namespace rushes::ltx
