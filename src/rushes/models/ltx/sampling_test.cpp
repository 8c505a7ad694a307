#include <gtest/gtest.h>

#include "rushes/base/error.h"
#include "rushes/models/ltx/pixels.h"
#include "rushes/models/ltx/random_weights.h"
#include "rushes/models/ltx/video_sampler.h"
#include "rushes/tensor/ops.h"

namespace rushes::ltx {
namespace {

TEST(ClipLength, is_the_next_one_that_the_model_makes) {
  const struct {
    int64_t wanted, latent_frames, video_frames, surplus;
  } cases[] = {{1, 1, 1, 0},   {2, 2, 9, 7},   {9, 2, 9, 0},  {15, 3, 17, 2},
               {30, 5, 33, 3}, {33, 5, 33, 0}, {60, 9, 65, 5}};
  for (const auto& each : cases) {
    const ClipLength length = clip_length(each.wanted, 8);
    EXPECT_EQ(length.latent_frames, each.latent_frames) << each.wanted;
    EXPECT_EQ(length.video_frames, each.video_frames) << each.wanted;
    EXPECT_EQ(length.surplus, each.surplus) << each.wanted;
  }
  EXPECT_EQ(video_frames(latent_frames(30, 8), 8), 25);  // what the published pipelines make of 30
  EXPECT_THROW(clip_length(0, 8), Error);
  EXPECT_THROW(latent_grid(VaeConfig{}, 1, 256, 250), Error);
  EXPECT_EQ(latent_grid(VaeConfig{}, 4, 512, 256).tokens(), 4 * 16 * 8);
}

TEST(Scheduler, is_the_published_list_of_256x256) {
  const Scheduler scheduler({}, 128, 30);
  const double wanted[] = {1.000000, 0.982705, 0.964855, 0.946421, 0.927376, 0.907688};
  for (int64_t i = 0; i < 6; ++i) EXPECT_NEAR(scheduler.sigma(i), wanted[i], 1e-6);
  EXPECT_NEAR(scheduler.sigma(29), 0.1, 1e-6);
  EXPECT_EQ(scheduler.sigma(30), 0);
  EXPECT_NEAR(scheduler.timesteps()[1], 982.705, 1e-3);
}

TEST(Scheduler, without_a_last_sigma_is_not_stretched_and_takes_one_step) {
  const SchedulerConfig plain{.use_dynamic_shifting = false, .shift = 1.0, .shift_terminal = std::nullopt};
  const Scheduler scheduler(plain, 128, 4);
  EXPECT_NEAR(scheduler.sigma(3), 0.25, 1e-6);
  EXPECT_EQ(Scheduler(plain, 128, 1).sigma(0), 1);
  EXPECT_THROW(Scheduler({}, 128, 1), Error);
  EXPECT_THROW(Scheduler({}, 128, 0), Error);
}

TEST(Guidance, moves_from_the_negative_towards_the_positive) {
  const at::Tensor both = at::tensor({1.0f, 2.0f, 3.0f, 5.0f}).view({2, 2});
  EXPECT_TRUE(at::allclose(Guidance{.scale = 3}(both), at::tensor({7.0f, 11.0f}).view({1, 2})));
  // Standard deviations: of the positive sqrt(2), of the result 2 sqrt(2).
  EXPECT_TRUE(at::allclose(Guidance{.scale = 3, .rescale = 1}(both), at::tensor({3.5f, 5.5f}).view({1, 2})));
  EXPECT_TRUE(at::allclose(Guidance{.scale = 3, .rescale = 0.5}(both), at::tensor({5.25f, 8.25f}).view({1, 2})));
  EXPECT_TRUE(at::equal(Guidance{.scale = 1}(both.narrow(0, 1, 1)), both.narrow(0, 1, 1)));
  EXPECT_THROW(Guidance{.scale = 1}(both), Error);
}

TEST(Pixels, are_rounded_half_to_even) {
  const at::Tensor video = at::tensor({0.5f / 255, 1.5f / 255, 2.5f / 255, 2.0f, -2.0f}).view({1, 1, 1, 1, 5}) * 2 - 1;
  const at::Tensor rgb = video.expand({1, 3, 1, 1, 5}).clone();
  rgb.select(4, 3).fill_(2);
  rgb.select(4, 4).fill_(-2);
  const at::Tensor found = frames(rgb).select(3, 0).flatten();
  EXPECT_EQ(found[3].item<int64_t>(), 255);
  EXPECT_EQ(found[4].item<int64_t>(), 0);
  const at::Tensor picture = at::full({5, 7, 3}, 51, at::kByte);
  EXPECT_TRUE(at::allclose(first_frame(picture, 32, 64), at::full({1, 3, 1, 32, 64}, -0.6f)));
}

struct Sampling : testing::Test {
  TransformerConfig config;
  VaeConfig vae;
  std::shared_ptr<const Transformer> model;
  TextContext text;
  VideoPlan plan{.grid = {3, 2, 2}, .frame_rate = 15, .steps = 4, .guidance = {.scale = 3}};
  at::Tensor noise, picture;

  Sampling() {
    at::manual_seed(1);
    config.num_attention_heads = 2;
    config.attention_head_dim = 16;
    config.num_layers = 2;
    config.in_channels = config.out_channels = 8;
    config.caption_channels = 12;
    model = std::make_shared<const Transformer>(config, random_transformer_weights(config));
    text = joined({model->context(at::randn({1, 5, 12})), model->context(at::randn({1, 3, 12}))});
    noise = at::randn({1, 8, 3, 2, 2});
    picture = at::randn({1, 8, 1, 2, 2});
  }
  VideoSampler sampler(const at::Tensor& first = {}) const { return {model, {}, vae, plan, text, noise, first}; }
};

TEST_F(Sampling, keeps_the_picture_and_previews_end_in_the_result) {
  const c10::InferenceMode inference;
  VideoSampler sampler = this->sampler(picture);
  EXPECT_TRUE(at::equal(sampler.preview().narrow(2, 0, 1), picture));
  while (!sampler.is_finished()) {
    sampler.step();
    EXPECT_TRUE(at::equal(sampler.latents().narrow(2, 0, 1), picture));
    EXPECT_TRUE(at::equal(sampler.preview().narrow(2, 0, 1), picture));
  }
  EXPECT_TRUE(at::allclose(sampler.preview(), sampler.latents(), 1e-5, 1e-5));
  EXPECT_EQ(sampler.done(), 4);
  EXPECT_EQ(sampler.sigma(), 0);
  EXPECT_THROW(sampler.step(), Error);
}

TEST_F(Sampling, a_copy_goes_on_by_itself) {
  const c10::InferenceMode inference;
  VideoSampler first = sampler();
  first.step();
  const at::Tensor then = first.latents().clone();
  VideoSampler second = first;
  while (!first.is_finished()) first.step();
  EXPECT_TRUE(at::equal(second.latents(), then));
  while (!second.is_finished()) second.step();
  EXPECT_TRUE(at::equal(second.latents(), first.latents()));
}

TEST_F(Sampling, a_step_is_euler_with_the_guided_velocity) {
  const c10::InferenceMode inference;
  VideoSampler sampler = this->sampler();
  sampler.step();
  const Scheduler scheduler({}, plan.grid.tokens(), plan.steps);
  const at::Tensor velocity = unpack(plan.guidance(sampler.velocities()), plan.grid);
  const at::Tensor wanted = noise + velocity * (scheduler.sigma(1) - scheduler.sigma(0));
  EXPECT_TRUE(at::allclose(sampler.latents(), wanted, 1e-5, 1e-5));
  EXPECT_TRUE(at::allclose(sampler.preview(), noise - velocity, 1e-5, 1e-5));
}

TEST_F(Sampling, tokens_are_frames_of_rows_of_columns) {
  const at::Tensor tokens = pack(noise);
  EXPECT_TRUE(at::equal(tokens[0][1 * 4 + 1 * 2 + 0], noise.select(0, 0).select(1, 1).select(1, 1).select(1, 0)));
  EXPECT_TRUE(at::equal(unpack(tokens, plan.grid), noise));
}

TEST_F(Sampling, refuses_what_does_not_fit_the_plan) {
  EXPECT_THROW(VideoSampler(model, {}, vae, plan, text, noise.narrow(2, 0, 2)), Error);
  EXPECT_THROW(VideoSampler(model, {}, vae, plan, model->context(at::randn({1, 5, 12})), noise), Error);
  EXPECT_THROW(VideoSampler(model, {}, vae, plan, text, noise, noise), Error);
}

}  // namespace
}  // namespace rushes::ltx
