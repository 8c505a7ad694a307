#include "rushes/training/wan/training_forward.h"

#include <gtest/gtest.h>

#include "rushes/tensor/kernels/cpu/flash_attention.h"
#include "rushes/tensor/ops.h"
#include "rushes/training/optimiser.h"
#include "rushes/training/wan/shipped_model.h"

namespace rushes::training {
namespace {

wan::TransformerConfig small() {
  wan::TransformerConfig config = shipped_transformer();
  config.dim = 32;
  config.ffn_dim = 48;
  config.num_heads = 2;
  config.num_layers = 2;
  config.in_dim = config.out_dim = 4;
  config.local_attn_size = 6;
  return config;
}

struct Pass {
  at::Tensor flow;
  std::map<std::string, at::Tensor> gradients;
};

// Three blocks of one latent frame each see two; 3 x 5 tokens, so that rows are no whole vectors.
Pass run(bool quick, at::ScalarType dtype) {
  at::manual_seed(7);
  const wan::TransformerConfig config = small();
  std::map<std::string, at::Tensor> initial = fresh_transformer(config);
  for (auto& [name, value] : initial) value = value + 0.1 * at::randn(value.sizes(), at::kFloat);
  const Optimiser leaves(initial, {});
  const tensor::WeightMap weights = leaves.weights();
  const wan::TransformerCore core(config, weights);
  const auto latents = [] { return at::randn({2, 4, 3, 6, 10}, at::kFloat); };
  const at::Tensor clean = latents(), noisy = latents(), wanted = latents(), t = at::rand({2, 3}, at::kFloat) * 1000;
  const wan::TextContext text = core.context(at::randn({2, config.text_len, config.text_dim}, at::kFloat));
  const wan::TeacherForcing forcing{.block_latent_frames = {1, 1, 1}, .window_latent_frames = 2};
  // As a model that is made of Wan's gives: something for each latent frame before the second block.
  const at::Tensor leaf = at::randn({1, 2, 3, config.dim}, at::kFloat).requires_grad_(true);
  const wan::FrameAdditions added{leaf, 1};
  const at::Tensor flow = quick ? forward_for_training(core, weights, clean, noisy, t, text, forcing, dtype, added)
                                : wan::forward_teacher_forcing(core, clean, noisy, t, text, forcing, added);
  (flow - wanted).square().sum().backward();
  Pass pass{flow.detach(), {}};
  for (const auto& [name, value] : weights.tensors()) pass.gradients[name] = value.grad();
  pass.gradients["additions to latent frames"] = leaf.grad();
  return pass;
}

double difference(const at::Tensor& a, const at::Tensor& b) {
  return ((a - b).norm() / (b.norm() + 1e-6)).item<double>();
}

TEST(ForwardForTraining, gives_the_flow_and_the_gradients_of_the_modules) {
  const Pass quick = run(true, at::kFloat), plain = run(false, at::kFloat);
  EXPECT_LT(difference(quick.flow, plain.flow), 1e-5);
  for (const auto& [name, gradient] : plain.gradients) {
    ASSERT_TRUE(quick.gradients.at(name).defined()) << name;
    EXPECT_LT(difference(quick.gradients.at(name), gradient), 2e-4) << name;
  }
}

TEST(ForwardForTraining, products_in_bfloat16_change_no_gradient_by_more_than_their_rounding) {
  if (!tensor::kernels::has_bf16_products()) GTEST_SKIP() << "libtorch's bfloat16 products are loops on this processor";
  const Pass quick = run(true, at::kBFloat16), plain = run(false, at::kFloat);
  EXPECT_LT(difference(quick.flow, plain.flow), 0.02);
  // The key's bias moves all scores of a query alike: its gradient is nothing but rounding.
  for (const auto& [name, gradient] : plain.gradients)
    if (gradient.norm().item<double>() > 0.1) {
      EXPECT_LT(difference(quick.gradients.at(name), gradient), 0.06) << name;
    }
}

}  // namespace
}  // namespace rushes::training
