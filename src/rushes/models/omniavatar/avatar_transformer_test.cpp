// Laws of the avatar's transformer on tiny random models; its numbers are checked by the golden cases.
#include "rushes/models/omniavatar/avatar_transformer.h"

#include <gtest/gtest.h>

#include "rushes/base/error.h"
#include "rushes/models/omniavatar/random_weights.h"
#include "rushes/models/wan/teacher_forcing.h"
#include "rushes/nn/stock_operators.h"

namespace rushes::omniavatar {
namespace {

constexpr int64_t kHeight = 4, kWidth = 6;

TransformerConfig tiny() {
  TransformerConfig config;
  config.wan.dim = 42;  // no whole vectors
  config.wan.num_heads = 3;
  config.wan.num_layers = 6;
  config.wan.ffn_dim = 80;
  config.wan.in_dim = 9;
  config.wan.out_dim = 4;
  config.wan.freq_dim = 32;
  config.wan.text_dim = 20;
  config.wan.text_len = 10;
  config.speech = {.feature_dim = 12, .hidden_size = 8, .group = 4};
  return config;
}

at::Tensor noise(std::vector<int64_t> shape) { return at::randn(shape, at::TensorOptions(at::kFloat)); }

double largest_difference(const at::Tensor& a, const at::Tensor& b) { return (a - b).abs().max().item<double>(); }

class AvatarLaws : public testing::Test {
 protected:
  AvatarLaws() : weights_(random_transformer_weights(config_)), model_(config_, weights_), causal_(config_, weights_) {
    at::set_num_threads(1);
    text_ = model_.context(noise({1, 7, config_.wan.text_dim}));
  }
  at::Tensor latents(int64_t F, int64_t B = 1) const { return noise({B, config_.wan.out_dim, F, kHeight, kWidth}); }
  at::Tensor picture(int64_t F, int64_t known, int64_t B = 1) const {
    return condition_channels(latents(1, B), F, known);
  }
  at::Tensor features(int64_t F, int64_t B = 1) const {
    return noise({B, config_.speech.group * F, config_.speech.feature_dim});
  }
  nn::KvCache cache(int64_t capacity_tokens) const {
    return causal_.make_cache({.height = kHeight, .width = kWidth, .capacity_tokens = capacity_tokens});
  }

  TransformerConfig config_ = tiny();
  tensor::WeightMap weights_;
  AvatarTransformer model_;
  CausalAvatarTransformer causal_;
  wan::TextContext text_;
};

TEST_F(AvatarLaws, fused_kernels_serve_speech_as_the_blocks_do) {
  const at::Tensor x = latents(3, 2), y = picture(3, 1, 2), t = at::tensor({700.0f, 31.5f});
  const wan::FrameAdditions speech = model_.speech(features(3, 2));
  const at::Tensor fused = model_.forward(x, t, text_, y, speech);
  const nn::StockOperators by_blocks;
  EXPECT_LT(largest_difference(fused, model_.forward(x, t, text_, y, speech)), 2e-5);
  EXPECT_GT(largest_difference(fused, model_.forward(x, t, text_, y, {})), 0.01);
}

TEST_F(AvatarLaws, cached_blocks_with_speech_equal_one_pass_of_teacher_forcing) {
  const int64_t F = 9, B = 3, per_frame = kHeight * kWidth / 4;
  const at::Tensor clean = latents(F), noisy = latents(F), y = picture(F, 1), t = at::rand({1, F}, at::kFloat) * 1000;
  const wan::FrameAdditions speech = causal_.speech(features(F));
  nn::KvCache past = cache(6 * per_frame);
  std::vector<at::Tensor> flows;
  for (int64_t f = 0; f < F; f += B) {
    const auto part = [&](const at::Tensor& whole) { return whole.narrow(2, f, B); };
    const wan::FrameAdditions own = frames_of(speech, f, B);
    flows.push_back(causal_.forward(part(noisy), t.narrow(1, f, B), text_, part(y), own, past));
    causal_.forward(part(clean), at::zeros({1, B}), text_, part(y), own, past);
    past.commit();
  }
  const at::Tensor once =
      wan::forward_teacher_forcing(causal_.transformer().core(), at::cat({clean, y}, 1), at::cat({noisy, y}, 1), t,
                                   text_, {.block_latent_frames = {B, B, B}, .window_latent_frames = 6}, speech);
  EXPECT_LT(largest_difference(once, at::cat(flows, 2)), 5e-5);
}

TEST_F(AvatarLaws, a_capacity_of_no_whole_latent_frames_forgets_by_tokens) {
  const int64_t per_frame = kHeight * kWidth / 4;
  nn::KvCache odd = cache(6 * per_frame - 2), whole = cache(6 * per_frame);
  at::Tensor flow_odd, flow_whole;
  for (int64_t block = 0; block < 4; ++block) {
    const at::Tensor x = latents(3), y = picture(3, block == 0 ? 1 : 0), t = at::full({1, 3}, 500.0f);
    const wan::FrameAdditions speech = causal_.speech(features(3));
    flow_odd = causal_.forward(x, t, text_, y, speech, odd);
    flow_whole = causal_.forward(x, t, text_, y, speech, whole);
    odd.commit();
    whole.commit();
    if (block == 0) {
      EXPECT_LT(largest_difference(flow_odd, flow_whole), 1e-6);
    }
  }
  EXPECT_GT(largest_difference(flow_odd, flow_whole), 1e-6);
  EXPECT_EQ(odd.local_end(), 6 * per_frame - 2);
  EXPECT_EQ(odd.position_latent_frames(), 12);
}

TEST_F(AvatarLaws, passes_of_guidance_in_one_batch_give_what_each_gives_alone) {
  const at::Tensor x = latents(3), y = picture(3, 1), t = at::full({1}, 833.25f);
  const wan::TextContext other = model_.context(noise({1, 5, config_.wan.text_dim}));
  const at::Tensor heard = features(3);
  const wan::FrameAdditions speech = model_.speech(heard), silence = model_.speech(at::zeros_like(heard));
  wan::TextContext both;
  for (std::size_t i = 0; i < text_.text.size(); ++i)
    both.text.push_back(
        {at::cat({other.text[i].k, text_.text[i].k}, 0), at::cat({other.text[i].v, text_.text[i].v}, 0)});
  const at::Tensor together =
      model_.forward(x.expand({2, -1, -1, -1, -1}), t.expand({2}), both, y, batch_of({silence, speech}));
  EXPECT_LT(largest_difference(together.narrow(0, 0, 1), model_.forward(x, t, other, y, silence)), 1e-5);
  EXPECT_LT(largest_difference(together.narrow(0, 1, 1), model_.forward(x, t, text_, y, speech)), 1e-5);
}

TEST_F(AvatarLaws, blocks_of_several_avatars_in_one_pass_are_those_of_each_wherever_its_past_ends) {
  const int64_t per_frame = kHeight * kWidth / 4;
  const wan::TextContext other = model_.context(noise({1, 5, config_.wan.text_dim}));
  const std::vector<const wan::TextContext*> texts{&text_, &other, &text_};
  const std::vector<at::Tensor> x{latents(3), latents(3), latents(3)}, y{picture(3, 0), picture(3, 1), picture(3, 0)};
  std::vector<wan::FrameAdditions> speech;
  std::vector<nn::KvCache> pasts;
  for (const int64_t blocks_before : {2, 0, 5}) {
    speech.push_back(causal_.speech(features(3)));
    pasts.push_back(cache(6 * per_frame));
    for (int64_t i = 0; i < blocks_before; ++i) {
      causal_.forward(latents(3), at::zeros({1, 3}), text_, picture(3, 0), speech.back(), pasts.back());
      pasts.back().commit();
    }
  }
  const auto check = [&](double most) {
    std::vector<nn::KvCache> own = pasts, together = pasts;
    std::vector<nn::KvCache*> borrowed;
    for (nn::KvCache& past : together) borrowed.push_back(&past);
    const at::Tensor t = at::full({1, 3}, 833.25f);
    const at::Tensor all =
        causal_.forward_together(at::cat(x), t, wan::side_by_side(texts), at::cat(y), batch_of(speech), borrowed);
    for (std::size_t i = 0; i < x.size(); ++i) {
      const at::Tensor alone = causal_.forward(x[i], t, *texts[i], y[i], speech[i], own[i]);
      EXPECT_LE(largest_difference(all.narrow(0, static_cast<int64_t>(i), 1), alone), most) << i;
      const nn::KeyValue one = own[i].in_time_order(5), shared = together[i].in_time_order(5);
      EXPECT_LE(largest_difference(one.k, shared.k), most) << i;
      EXPECT_LE(largest_difference(one.v, shared.v), most) << i;
    }
  };
  ASSERT_TRUE(causal_.transformer().core().samples_are_independent());
  check(0);
  const nn::StockOperators by_blocks;
  EXPECT_FALSE(causal_.transformer().core().samples_are_independent());
  check(2e-5);
}

TEST_F(AvatarLaws, what_the_blocks_add_can_be_added_again) {
  const at::Tensor x = latents(3), y = picture(3, 1), t = at::full({1}, 400.0f);
  const wan::FrameAdditions speech = model_.speech(features(3));
  auto step = model_.begin(x, t, y);
  const at::Tensor before = step.tokens.clone();
  const at::Tensor flow = model_.finish(step, text_, speech);
  auto skipped = model_.begin(x, t, y);
  EXPECT_TRUE(at::equal(skipped.tokens, before));
  skipped.tokens = skipped.tokens + (step.tokens - before);
  EXPECT_LT(largest_difference(model_.head(skipped), flow), 2e-5);
}

TEST_F(AvatarLaws, zero_features_still_add_something) {
  const wan::FrameAdditions silence = model_.speech(at::zeros({1, 12, config_.speech.feature_dim}));
  EXPECT_GT(silence.values.abs().min().item<double>(), 0);
  EXPECT_EQ(silence.first_layer, 2);
  EXPECT_EQ(silence.values.size(0), 2);  // six blocks: before the blocks 2 and 3
}

TEST_F(AvatarLaws, speech_gets_gradients_through_the_blocks) {
  for (auto& [key, weight] : weights_.tensors()) const_cast<at::Tensor&>(weight).requires_grad_(true);
  weights_.set_trainable(true);
  const AvatarTransformer model(config_, weights_);
  model
      .forward(latents(3), at::full({1}, 500.0f), model.context(noise({1, 7, config_.wan.text_dim})), picture(3, 1),
               model.speech(features(3)))
      .square()
      .mean()
      .backward();
  for (const auto& [key, weight] : weights_.tensors()) {
    ASSERT_TRUE(weight.grad().defined()) << key;
    EXPECT_GT(weight.grad().abs().max().item<double>(), 0) << key;
  }
}

TEST_F(AvatarLaws, shapes_that_do_not_fit_are_refused) {
  const at::Tensor x = latents(3), y = picture(3, 1), t = at::full({1}, 500.0f);
  const wan::FrameAdditions speech = model_.speech(features(3));
  EXPECT_THROW(model_.forward(latents(4), t, text_, y, speech), Error);
  EXPECT_THROW(model_.forward(x, t, text_, y.narrow(1, 0, 4), speech), Error);
  EXPECT_THROW(model_.forward(x, at::zeros({2}), text_, y, speech), Error);
  EXPECT_THROW(model_.forward(x, t, text_, y, model_.speech(features(2))), Error);
  EXPECT_THROW(model_.forward(x, t, text_, y, {speech.values, 5}), Error);
  EXPECT_THROW(model_.forward(noise({1, 4, 3, 3, 6}), t, text_, noise({1, 5, 3, 3, 6}), speech), Error);
  EXPECT_THROW(model_.speech(noise({1, 7, config_.speech.feature_dim})), Error);
  EXPECT_THROW(model_.speech(noise({1, 8, 5})), Error);
  EXPECT_THROW(batch_of({speech, {}}), Error);
}

TEST(ConditionChannels, the_mask_is_zero_where_frames_are_known) {
  const at::Tensor y = condition_channels(at::full({1, 2, 1, 1, 1}, 3.0f), 4, 2);
  EXPECT_TRUE(at::equal(y.flatten(), at::tensor({3.f, 3.f, 3.f, 3.f, 3.f, 3.f, 3.f, 3.f, 0.f, 0.f, 1.f, 1.f})));
}

TEST(SpeechGroups, the_first_video_frame_fills_its_group) {
  const at::Tensor filled = with_first_group_filled(at::arange(5, at::TensorOptions(at::kFloat)).view({1, 5, 1}), 4);
  EXPECT_TRUE(at::equal(filled.flatten(), at::tensor({0.f, 0.f, 0.f, 0.f, 1.f, 2.f, 3.f, 4.f})));
  EXPECT_THROW(with_first_group_filled(at::zeros({1, 4, 1}), 4), Error);
}

}  // namespace
}  // namespace rushes::omniavatar
