// Laws of the transformer on tiny random models; its numbers are checked by the golden cases.
#include "rushes/models/wan/transformer.h"

#include <gtest/gtest.h>

#include "rushes/models/wan/random_weights.h"
#include "rushes/models/wan/teacher_forcing.h"

namespace rushes::wan {
namespace {

constexpr int64_t kHeight = 4, kWidth = 6;

TransformerConfig tiny() {
  TransformerConfig config;
  config.dim = 48;
  config.num_heads = 3;
  config.num_layers = 2;
  config.ffn_dim = 80;
  config.in_dim = config.out_dim = 4;
  config.freq_dim = 32;
  config.text_dim = 20;
  config.text_len = 10;
  return config;
}

at::Tensor noise(std::vector<int64_t> shape) { return at::randn(shape, at::TensorOptions(at::kFloat)); }

double largest_difference(const at::Tensor& a, const at::Tensor& b) { return (a - b).abs().max().item<double>(); }

class TransformerLaws : public testing::Test {
 protected:
  explicit TransformerLaws(TransformerConfig config = tiny())
      : config_(config),
        weights_(random_transformer_weights(config)),
        model_(config, weights_),
        text_(model_.context(noise({1, 7, config.text_dim}))) {
    at::set_num_threads(1);  // models this small gain nothing from threads, and lose much on a busy machine
  }

  nn::KvCache cache(const CausalTransformer& model, int64_t batch = 1) const {
    return model.make_cache({.height = kHeight, .width = kWidth, .capacity_latent_frames = 21, .batch = batch});
  }
  at::Tensor times(double t, int64_t latent_frames, int64_t batch = 1) const {
    return at::full({batch, latent_frames}, t, at::TensorOptions(at::kFloat));
  }
  /// Generates with the cache: each block is denoised once at its time and committed with its clean latents.
  std::vector<at::Tensor> cached(const CausalTransformer& model, const at::Tensor& clean, const at::Tensor& noisy,
                                 const at::Tensor& t, const std::vector<int64_t>& blocks) const {
    nn::KvCache past = cache(model, clean.size(0));
    std::vector<at::Tensor> flows;
    int64_t begin = 0;
    for (const int64_t frames : blocks) {
      flows.push_back(model.forward(noisy.narrow(2, begin, frames), t.narrow(1, begin, frames), text_, past));
      model.forward(clean.narrow(2, begin, frames), times(0, frames, clean.size(0)), text_, past);
      past.commit();
      begin += frames;
    }
    return flows;
  }

  TransformerConfig config_;
  tensor::WeightMap weights_;
  CausalTransformer model_;
  TextContext text_;
};

struct Forcing {
  const char* name;
  int64_t local_attn_size, sink_size;
  std::vector<int64_t> blocks;
};

TEST_F(TransformerLaws, teacher_forcing_equals_generation_with_a_cache) {
  const Forcing variants[] = {{"blocks of three", -1, 0, {3, 3, 3}}, {"first frame alone", -1, 0, {1, 3, 3}},
                              {"window", 5, 0, {3, 2, 3, 1, 3}},     {"window and sink", 5, 1, {3, 3, 3, 3}},
                              {"sink of two", 5, 2, {1, 3, 3, 3}},   {"one block", -1, 0, {3}}};
  for (const Forcing& variant : variants) {
    SCOPED_TRACE(variant.name);
    TransformerConfig config = config_;
    config.local_attn_size = variant.local_attn_size;
    config.sink_size = variant.sink_size;
    const CausalTransformer model(config, weights_);
    int64_t F = 0;
    for (const int64_t frames : variant.blocks) F += frames;
    const at::Tensor clean = noise({2, 4, F, kHeight, kWidth}), noisy = noise({2, 4, F, kHeight, kWidth});
    const at::Tensor t = at::rand({2, F}, at::TensorOptions(at::kFloat)) * 1000;
    const at::Tensor once =
        forward_teacher_forcing(model.core(), clean, noisy, t, text_,
                                {.block_latent_frames = variant.blocks,
                                 .window_latent_frames = std::max<int64_t>(variant.local_attn_size, 0),
                                 .sink_latent_frames = variant.sink_size});
    EXPECT_LT(largest_difference(once, at::cat(cached(model, clean, noisy, t, variant.blocks), 2)), 2e-5);
  }
}

TEST_F(TransformerLaws, teacher_forcing_gives_gradients_to_every_weight) {
  for (auto& [key, weight] : weights_.tensors()) const_cast<at::Tensor&>(weight).requires_grad_(true);
  weights_.set_trainable(true);
  const CausalTransformer model(config_, weights_);
  const at::Tensor clean = noise({1, 4, 6, kHeight, kWidth}), noisy = noise({1, 4, 6, kHeight, kWidth});
  const at::Tensor flow =
      forward_teacher_forcing(model.core(), clean, noisy, times(500, 6), model.context(noise({1, 7, config_.text_dim})),
                              {.block_latent_frames = uniform_blocks(6, 3)});
  flow.square().mean().backward();
  for (const auto& [key, weight] : weights_.tensors()) {
    ASSERT_TRUE(weight.grad().defined()) << key;
    // Softmax does not see a constant that all keys share only where there is no norm; here every bias counts.
    EXPECT_GT(weight.grad().abs().max().item<double>(), 0) << key;
  }
}

TEST_F(TransformerLaws, a_fork_continues_as_the_trunk_would_have) {
  nn::KvCache trunk = cache(model_);
  const at::Tensor first = noise({1, 4, 3, kHeight, kWidth}), a = noise({1, 4, 3, kHeight, kWidth}),
                   b = noise({1, 4, 3, kHeight, kWidth});
  model_.forward(first, times(0, 3), text_, trunk);
  trunk.commit();
  nn::KvCache branch = trunk.fork();
  const at::Tensor flow_b = model_.forward(b, times(700, 3), text_, branch);
  const at::Tensor flow_a = model_.forward(a, times(700, 3), text_, trunk);
  nn::KvCache fresh = cache(model_);
  model_.forward(first, times(0, 3), text_, fresh);
  fresh.commit();
  EXPECT_TRUE(model_.forward(a, times(700, 3), text_, fresh).equal(flow_a));
  EXPECT_TRUE(model_.forward(b, times(700, 3), text_, fresh).equal(flow_b));
}

TEST_F(TransformerLaws, a_cancelled_step_leaves_no_trace) {
  const at::Tensor first = noise({1, 4, 3, kHeight, kWidth}), next = noise({1, 4, 3, kHeight, kWidth});
  const auto after = [&](bool cancel) {
    nn::KvCache past = cache(model_);
    model_.forward(first, times(0, 3), text_, past);
    past.commit();
    if (cancel) {
      model_.forward(noise({1, 4, 3, kHeight, kWidth}), times(900, 3), text_, past);
      past.cancel();
    }
    return model_.forward(next, times(500, 3), text_, past);
  };
  EXPECT_TRUE(after(true).equal(after(false)));
}

TEST_F(TransformerLaws, a_batch_equals_each_alone) {
  const at::Tensor clean = noise({3, 4, 6, kHeight, kWidth}), noisy = noise({3, 4, 6, kHeight, kWidth});
  const at::Tensor t = at::rand({3, 6}, at::TensorOptions(at::kFloat)) * 1000;
  const at::Tensor together = at::cat(cached(model_, clean, noisy, t, {3, 3}), 2);
  for (int64_t b = 0; b < 3; ++b) {
    const auto one = [&](const at::Tensor& x) { return x.narrow(0, b, 1); };
    const at::Tensor alone = at::cat(cached(model_, one(clean), one(noisy), one(t), {3, 3}), 2);
    EXPECT_LT(largest_difference(alone, one(together)), 1e-5);
  }
}

TEST_F(TransformerLaws, positions_beyond_the_reference_table_work) {
  // Attention sees differences of positions only, so a window that has left its start far behind gives finite flows
  // that still depend on the past. The reference has no angles from latent frame 1024 on.
  TransformerConfig config = config_;
  config.local_attn_size = 16;
  const CausalTransformer model(config, weights_);
  nn::KvCache past = model.make_cache({.height = 2, .width = 4});
  const at::Tensor x = noise({1, 4, 8, 2, 4});
  at::Tensor early, late;
  while (past.position_latent_frames() < 1040) {
    const at::Tensor flow = model.forward(x, times(300, 8), text_, past);
    if (past.position_latent_frames() == 32) early = flow;
    late = flow;
    past.commit();
  }
  EXPECT_LT(largest_difference(early, late), 1e-3);  // same window, other absolute positions
}

TEST_F(TransformerLaws, fused_inference_equals_the_differentiable_blocks) {
  tensor::WeightMap trainable = weights_;
  trainable.set_trainable(true);
  const CausalTransformer by_blocks(config_, trainable);
  const at::Tensor clean = noise({2, 4, 6, kHeight, kWidth}), noisy = noise({2, 4, 6, kHeight, kWidth});
  const at::Tensor t = at::rand({2, 6}, at::TensorOptions(at::kFloat)) * 1000;
  const at::Tensor fused = at::cat(cached(model_, clean, noisy, t, {3, 3}), 2);
  EXPECT_LT(largest_difference(fused, at::cat(cached(by_blocks, clean, noisy, t, {3, 3}), 2)), 1e-5);
}

TEST_F(TransformerLaws, an_image_context_is_refused_by_a_text_model) {
  EXPECT_THROW(model_.core().context(noise({1, 7, config_.text_dim}), noise({1, 257, 12})), std::exception);
}

}  // namespace
}  // namespace rushes::wan
