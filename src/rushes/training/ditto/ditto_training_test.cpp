// Drawn faces in the terms of keypoints, the stages at a tiny size, and the weights in models/shipped-ditto through the
// code that serves them.
#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>

#include "rushes/base/scratch_folder.h"
#include "rushes/generation/registry.h"
#include "rushes/models/ditto/pose.h"
#include "rushes/tensor/ops.h"
#include "rushes/training/ditto/camera.h"
#include "rushes/training/ditto/ditto_evaluation.h"
#include "rushes/training/ditto/ditto_training.h"
#include "rushes/training/ditto/emotion_evaluation.h"
#include "rushes/training/ditto/emotions.h"
#include "rushes/training/ditto/face_labels.h"

namespace rushes::training {
namespace {

constexpr int64_t kLeftIris = 11, kLeftGround = 9, kLowerLip = 19;
const Identity kPerson = make_identity(1, 2, Split::train);

at::Tensor pixel_at(const at::Tensor& picture, const at::Tensor& keypoint) {
  const auto pixel = [&](int64_t axis) { return static_cast<int64_t>(64 + 60 * keypoint[axis].item<float>()); };
  return picture.select(1, pixel(1)).select(1, pixel(0));
}

TEST(FaceLabels, the_keypoint_of_an_iris_lies_on_the_pupil_of_the_picture) {
  for (const FaceControls& controls : {FaceControls{},
                                       {.yaw = 0.6f, .roll = 0.5f},
                                       {.shift_x = 1, .zoom = 1, .gaze_x = -0.8f},
                                       {.pitch = -0.5f, .gaze_y = 0.6f}}) {
    const at::Tensor pupil =
        pixel_at(draw_face(kPerson, controls), placed_keypoints(face_labels(kPerson, controls))[kLeftIris]);
    EXPECT_LT(pupil.max().item<double>(), 0.2) << controls.yaw << ' ' << controls.gaze_x << ' ' << controls.gaze_y;
  }
}

TEST(FaceLabels, a_camera_moves_picture_and_keypoints_alike) {
  const FaceControls controls{.yaw = 0.3f};
  const Camera camera{1.15f, 6, -8};
  const at::Tensor point = placed_keypoints(seen(face_labels(kPerson, controls), camera))[kLeftIris];
  EXPECT_LT(pixel_at(seen(draw_face(kPerson, controls), camera), point).max().item<double>(), 0.25);
  EXPECT_TRUE(at::allclose(point, seen_keypoints(placed_keypoints(face_labels(kPerson, controls)), camera)[kLeftIris],
                           0, 1e-5));
}

TEST(FaceLabels, logits_of_an_angle_say_it_and_their_differences_are_differences_of_angles) {
  const auto said = [](const at::Tensor& logits) { return ditto::degrees(logits.unsqueeze(0)).item<double>(); };
  EXPECT_NEAR(said(angle_logits(12.5f)), 12.5, 0.01);
  EXPECT_NEAR(said(angle_logits(-9)), -9, 0.01);
  EXPECT_NEAR(said(angle_logits(4) + (angle_logits(9) - angle_logits(2))), 11, 0.01);
}

TEST(FaceLabels, what_the_formula_turns_with_the_head_settles_where_it_was) {
  const FaceControls turned{.roll = 1};
  const at::Tensor driven = driven_keypoints(kPerson, {}, turned), settled = settled_keypoints(kPerson, {}, turned),
                   source = placed_keypoints(face_labels(kPerson, {}));
  EXPECT_GT((driven[kLeftGround] - source[kLeftGround]).abs().max().item<double>(), 0.1);
  EXPECT_TRUE(at::allclose(settled[kLeftGround], source[kLeftGround], 0, 1e-5));
  EXPECT_TRUE(at::equal(settled[kLowerLip], driven[kLowerLip]));
}

TEST(FaceLabels, a_blink_begins_and_ends_open_and_moves_nothing_but_eyes) {
  const at::Tensor blink = blink_offsets().view({15, 21, 3});
  EXPECT_EQ(blink[0].abs().max().item<double>(), 0);
  EXPECT_LT(blink[14].abs().max().item<double>(), 1e-6);
  EXPECT_GT(blink[3].abs().max().item<double>(), 0.3);
  EXPECT_EQ(blink.select(1, kLowerLip).abs().max().item<double>(), 0);
}

TEST(Emotions, neutral_is_the_face_itself_and_every_other_one_has_brows_and_mouth_of_its_own) {
  const at::Tensor map = expressive_map(kPerson, {}), plain = draw_face(kPerson, {});
  std::vector<at::Tensor> faces;
  for (int64_t emotion = 0; emotion < 8; ++emotion) faces.push_back(draw_face(kPerson, expressed({}, emotion)));
  EXPECT_TRUE(at::equal(faces[4], plain));
  for (std::size_t a = 0; a < faces.size(); ++a)
    for (std::size_t b = 0; b < a; ++b)
      EXPECT_GT(((faces[a] - faces[b]).abs() * map).mean().item<double>(), 5e-4) << a << ' ' << b;
}

TEST(EmotionEvaluation, drawings_of_emotions_are_named_after_them_and_not_after_each_other) {
  const FaceControls pose{.yaw = 0.2f};
  std::vector<at::Tensor> faces;
  for (int64_t emotion = 0; emotion < 8; ++emotion) faces.push_back(draw_face(kPerson, expressed(pose, emotion)));
  const EmotionsSeen seen = emotions_seen(faces, kPerson, pose);
  EXPECT_EQ(seen.named, 1);
  EXPECT_NEAR(seen.change, 1, 1e-6);
  std::swap(faces[0], faces[3]);  // angry and happy
  EXPECT_NEAR(emotions_seen(faces, kPerson, pose).named, 5.0 / 7, 1e-9);
}

TEST(DittoTraining, every_stage_leaves_weights_that_the_product_opens_and_continues_from_its_state_or_from_a_model) {
  const ScratchFolder folder;
  const auto options = [&](int64_t batch) {
    return RunOptions{.directory = folder.path / "run",
                      .time_limit = std::chrono::seconds(1),
                      .learning_rate = 1e-4,
                      .batch = batch,
                      .threads = 1};
  };
  for (int call = 0; call < 2; ++call) {
    train_head_renderer({.run = options(1), .drivers = 2});
    train_motion_reader(options(2));
    train_stitching(options(2));
    train_speech_encoder(options(1));
    train_motion_model(options(4));
  }
  export_ditto(folder.path / "run", folder.path / "first");
  import_ditto(folder.path / "first", folder.path / "again");
  train_motion_model({.directory = folder.path / "again",
                      .time_limit = std::chrono::seconds(1),
                      .learning_rate = 1e-4,
                      .batch = 4,
                      .threads = 1});
  export_ditto(folder.path / "again", folder.path / "model");
  const auto model = generation::load_model({.path = (folder.path / "model").string()});
  const at::Tensor frames = talk(*model, draw_face(kPerson, {}), at::zeros({8 * 640}));
  EXPECT_EQ(frames.sizes(), at::IntArrayRef({8, 3, 128, 128}));
}

// The bounds stand below what the weights reach; docs/models/shipped-ditto.md has the figures of more people.
TEST(ShippedDitto, follows_the_sound_rests_in_silence_and_blinks) {
  const DittoQuality quality = measure_ditto(RUSHES_SOURCE_DIR "/models/shipped-ditto", 2, {}, /*with_emotions=*/false);
  std::printf("mouth %.2f, classes %.2f, silent opening %.3f, motion %.3f, blinks %.1f, seam %.2f, %.1f dB\n",
              quality.mouth_truth, quality.mouth_classes, quality.silent_opening, quality.silent_motion, quality.blinks,
              quality.seam, quality.psnr);
  EXPECT_GE(quality.mouth_truth, 0.7);
  EXPECT_GE(quality.mouth_classes, 0.75);
  EXPECT_LE(quality.silent_opening, 0.15);
  EXPECT_LE(quality.silent_motion, 0.3);
  EXPECT_GE(quality.blinks, 3);
  EXPECT_LE(quality.seam, 3);
  EXPECT_GE(quality.psnr, 20);
}

}  // namespace
}  // namespace rushes::training
