// Laws of the renderer and the motion generator that recorded values cannot show.
#include <gtest/gtest.h>

#include "rushes/base/error.h"
#include "rushes/models/imtalker/checkpoint.h"
#include "rushes/models/imtalker/face_crop.h"
#include "rushes/models/imtalker/face_detector.h"
#include "rushes/models/imtalker/motion_generator.h"
#include "rushes/models/imtalker/random_weights.h"
#include "rushes/models/imtalker/renderer.h"

namespace rushes::imtalker {
namespace {

const RendererConfig kRenderer{.feature_dims = {4, 4, 8, 8, 8, 8},
                               .spatial_dims = {64, 32, 16, 8, 4, 2},
                               .dim_motion = 4,
                               .dim_app = 6,
                               .motion_encoder_initial = 4,
                               .motion_encoder_channels = {4, 4, 8, 8, 8},
                               .const_dim = 4,
                               .const_size = 1,
                               .swin_res_threshold = 32,
                               .window_size = 8,
                               .num_heads = 2};
const GeneratorConfig kGenerator{.window_seconds = 0.24,
                                 .num_prev_frames = 4,
                                 .dim_audio = 6,
                                 .dim_condition = 4,
                                 .dim_motion = 4,
                                 .dim_hidden = 8,
                                 .num_heads = 2,
                                 .depth = 2};

TEST(ImtalkerRenderer, frames_of_a_batch_are_those_rendered_alone) {
  const Renderer renderer(kRenderer, random_weights(parameter_shapes(kRenderer)));
  const Portrait portrait = renderer.portrait(at::rand({1, 3, 128, 128}));
  const at::Tensor motion = at::randn({3, 4});
  const at::Tensor together = renderer.render(motion, portrait);
  EXPECT_EQ(together.sizes(), at::IntArrayRef({3, 3, 128, 128}));
  for (int64_t b = 0; b < 3; ++b)
    EXPECT_TRUE(at::allclose(renderer.render(motion.narrow(0, b, 1), portrait), together.narrow(0, b, 1), 1e-3, 1e-4))
        << b;
}

TEST(ImtalkerRenderer, cores_that_share_a_batch_give_the_frames_of_one_core) {
  const c10::InferenceMode inference;
  const Renderer renderer(kRenderer, random_weights(parameter_shapes(kRenderer)));
  const Portrait portrait = renderer.portrait(at::rand({1, 3, 128, 128}));
  const at::Tensor motion = at::randn({5, 4});
  const int before = at::get_num_threads();
  at::set_num_threads(1);
  const at::Tensor alone = renderer.render(motion, portrait);
  at::set_num_threads(3);
  const at::Tensor shared = renderer.render(motion, portrait);
  at::set_num_threads(before);
  EXPECT_TRUE(at::allclose(shared, alone, 1e-3, 1e-4));
}

TEST(ImtalkerRenderer, in_bfloat16_motion_and_matches_are_those_of_float32) {
  const c10::InferenceMode inference;
  const tensor::WeightMap weights = random_weights(parameter_shapes(kRenderer));
  const Renderer exact(kRenderer, weights), half(kRenderer, renderer_weights_in(at::kBFloat16, weights));
  EXPECT_EQ(half.dtype(), at::kBFloat16);
  const at::Tensor picture = at::rand({1, 3, 128, 128});
  const Portrait wanted = exact.portrait(picture), got = half.portrait(picture);
  EXPECT_TRUE(at::equal(got.motion, wanted.motion));
  EXPECT_TRUE(at::equal(got.identity, wanted.identity));
  for (std::size_t level = 0; level < wanted.source.coarse.size(); ++level)
    EXPECT_TRUE(at::equal(got.source.coarse[level].k, wanted.source.coarse[level].k)) << level;
  const at::Tensor motion = at::randn({2, 4}), frames = half.render(motion, got), whole = exact.render(motion, wanted);
  EXPECT_EQ(frames.scalar_type(), at::kFloat);
  EXPECT_LT(((frames - whole).norm() / whole.norm()).item<double>(), 0.02);
}

TEST(ImtalkerRenderer, trained_weights_get_gradients_and_give_the_same_frames) {
  const at::Tensor picture = at::rand({1, 3, 128, 128}), motion = at::randn({1, 4});
  const Renderer packed(kRenderer, random_weights(parameter_shapes(kRenderer)));
  const tensor::WeightMap leaves = random_weights(parameter_shapes(kRenderer), /*trainable=*/true);
  const Renderer trained(kRenderer, leaves);
  const at::Tensor frame = trained.render(motion, trained.portrait(picture));
  EXPECT_TRUE(at::allclose(packed.render(motion, packed.portrait(picture)), frame, 1e-3, 1e-4));
  frame.sum().backward();
  for (const auto& [key, leaf] : leaves.tensors()) {
    const bool is_buffer = key.find("running_") != std::string::npos;
    EXPECT_TRUE(is_buffer || leaf.grad().defined()) << key;
  }
}

TEST(ImtalkerRenderer, a_picture_of_another_size_is_refused) {
  const Renderer renderer(kRenderer, random_weights(parameter_shapes(kRenderer)));
  EXPECT_THROW(renderer.portrait(at::rand({1, 3, 64, 64})), Error);
}

TEST(MotionGenerator, pieces_shorter_than_the_context_are_joined_to_what_was_before) {
  const MotionGenerator generator(kGenerator, random_weights(parameter_shapes(kGenerator)));
  tensor::RandomStream noise(1);
  MotionContext context = generator.no_past(1);
  std::vector<at::Tensor> all{context.motion};
  for (int piece = 0; piece < 7; ++piece) {
    const int64_t T = 1 + piece % 3;
    const Motion motion = generator.sample({.audio_features = at::randn({1, T, 6}), .reference = at::randn({1, 4})},
                                           {.guidance_scale = 2.0, .time_points = 3}, noise, &context);
    EXPECT_EQ(motion.latents.size(1), T);
    all.push_back(motion.latents);
    context = motion.context;
    EXPECT_EQ(context.conditions.pose.sizes(), at::IntArrayRef({1, 4, 4}));
    const at::Tensor so_far = at::cat(all, 1);
    EXPECT_TRUE(at::equal(context.motion, so_far.narrow(1, so_far.size(1) - 4, 4))) << piece;
  }
}

TEST(MotionGenerator, an_explicit_empty_past_is_no_past) {
  const MotionGenerator generator(kGenerator, random_weights(parameter_shapes(kGenerator)));
  const MotionRequest request{.audio_features = at::randn({1, 9, 6}), .reference = at::randn({1, 4})};
  const MotionContext none = generator.no_past(1);
  tensor::RandomStream noise(1), same(1);
  EXPECT_TRUE(
      at::equal(generator.sample(request, {}, noise).latents, generator.sample(request, {}, same, &none).latents));
}

TEST(MotionGenerator, trained_weights_get_gradients) {
  const tensor::WeightMap leaves = random_weights(parameter_shapes(kGenerator), /*trainable=*/true);
  const MotionGenerator generator(kGenerator, leaves);
  tensor::RandomStream noise(1);
  const MotionRequest request{.audio_features = at::randn({2, 5, 6}),
                              .reference = at::randn({2, 4}),
                              .gaze = at::randn({3, 2}),
                              .pose = at::randn({9, 3}),
                              .cam = at::randn({5, 3})};
  generator.sample(request, {.time_points = 2}, noise).latents.square().sum().backward();
  for (const auto& [key, leaf] : leaves.tensors()) EXPECT_TRUE(leaf.grad().defined()) << key;
}

TEST(MotionGenerator, shapes_that_do_not_fit_are_refused) {
  const MotionGenerator generator(kGenerator, random_weights(parameter_shapes(kGenerator)));
  tensor::RandomStream noise(1);
  const at::Tensor features = at::randn({1, 5, 6}), reference = at::randn({1, 4});
  EXPECT_THROW(generator.sample({.audio_features = at::randn({1, 5, 7}), .reference = reference}, {}, noise), Error);
  EXPECT_THROW(generator.sample({.audio_features = at::randn({1, 0, 6}), .reference = reference}, {}, noise), Error);
  EXPECT_THROW(generator.sample({.audio_features = features, .reference = at::randn({2, 4})}, {}, noise), Error);
  EXPECT_THROW(
      generator.sample({.audio_features = features, .reference = reference, .gaze = at::randn({1, 5, 2})}, {}, noise),
      Error);
  EXPECT_THROW(generator.sample({.audio_features = features, .reference = reference}, {.time_points = 1}, noise),
               Error);
}

TEST(FaceDetector, of_overlapping_boxes_the_best_is_kept) {
  const auto kept = suppress_overlapping({{0, 0, 10, 10, 0.6}, {1, 1, 11, 11, 0.9}, {50, 50, 60, 60, 0.2}}, 0.3);
  ASSERT_EQ(kept.size(), 2u);
  EXPECT_EQ(kept[0].score, 0.9);
  EXPECT_EQ(kept[1].score, 0.2);
}

TEST(FaceCrop, a_square_outside_the_picture_is_an_error_not_an_empty_crop) {
  EXPECT_THROW(face_square({{-500, -500, -400, -400, 0.9}}, 100, 100, CropRule::clamped(0.8)), Error);
  EXPECT_EQ(face_square({}, 100, 100, CropRule::strict()), std::nullopt);
}

TEST(FaceCrop, a_face_pasted_without_a_mask_replaces_its_square_only) {
  const at::Tensor full = at::rand({1, 3, 20, 30}), face = at::rand({2, 3, 8, 8});
  const at::Tensor pasted = paste_back(face, full, {5, 2, 13, 10});
  EXPECT_TRUE(at::equal(pasted.slice(2, 2, 10).slice(3, 5, 13), face));
  EXPECT_TRUE(at::equal(pasted.slice(3, 13), full.expand({2, -1, -1, -1}).slice(3, 13)));
  EXPECT_THROW(paste_back(face, full, {25, 2, 33, 10}), Error);
}

}  // namespace
}  // namespace rushes::imtalker
