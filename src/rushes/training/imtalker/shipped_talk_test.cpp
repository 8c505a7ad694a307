// The weights in models/shipped-talk through the code that serves them: does the mouth follow the sound?
#include <gtest/gtest.h>

#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <vector>

#include "rushes/generation/imtalker/family.h"
#include "rushes/tensor/ops.h"
#include "rushes/training/begin_with.h"
#include "rushes/training/face_world/face_world.h"
#include "rushes/training/face_world/speech_world.h"
#include "rushes/training/imtalker/shipped_talk.h"
#include "rushes/training/imtalker/talk_evaluation.h"

namespace rushes::training {
namespace {

TEST(FaceWorld, draws_the_same_person_for_the_same_number_and_another_for_another) {
  const at::Tensor one = draw_face(make_identity(1, 2, Split::train), {}),
                   same = draw_face(make_identity(1, 2, Split::train), {}),
                   other = draw_face(make_identity(1, 3, Split::train), {}),
                   held_out = draw_face(make_identity(1, 2, Split::held_out), {});
  EXPECT_TRUE(at::equal(one, same));
  EXPECT_GT((one - other).abs().mean().item<double>(), 0.02);
  EXPECT_GT((one - held_out).abs().mean().item<double>(), 0.02);
  EXPECT_GE(one.min().item<double>(), 0);
  EXPECT_LE(one.max().item<double>(), 1);
}

TEST(FaceWorld, an_open_mouth_shows_its_inside_and_controls_beyond_their_range_are_their_bounds) {
  const Identity person = make_identity(1, 2, Split::train);
  const at::Tensor shut = draw_face(person, {}).unsqueeze(0), open = draw_face(person, {.jaw = 1}).unsqueeze(0);
  const auto opening = [&](const at::Tensor& picture, float jaw) {
    return mouth_opening(picture, {mouth_box(person, {.jaw = jaw})})[0].item<double>();
  };
  EXPECT_GT(opening(open, 1), opening(shut, 0) + 0.05);
  EXPECT_TRUE(at::equal(open[0], draw_face(person, {.jaw = 1.7f})));
}

TEST(FaceWorld, a_motion_latent_holds_every_control) {
  const FaceControls controls{
      .pitch = 0.1f, .yaw = -0.2f, .roll = 0.3f, .gaze_x = 0.5f, .blink = 1, .jaw = 0.7f, .rounding = 0.4f};
  const FaceControls back = controls_of(motion_latent(controls));
  EXPECT_FLOAT_EQ(back.yaw, controls.yaw);
  EXPECT_FLOAT_EQ(back.jaw, controls.jaw);
  EXPECT_FLOAT_EQ(back.rounding, controls.rounding);
}

TEST(FaceWorld, every_cell_of_an_unmoved_face_comes_from_itself) {
  const at::Tensor positions = correspondence(make_identity(1, 2, Split::train), {.yaw = 0.5f}, {.yaw = 0.5f}, 32);
  const at::Tensor cells = at::arange(32, at::TensorOptions(at::kFloat));
  const at::Tensor x = positions.select(1, 0).view({32, 32}), y = positions.select(1, 1).view({32, 32});
  EXPECT_LT((x - cells.unsqueeze(0)).abs().max().item<double>(), 0.6);
  EXPECT_LT((y - cells.unsqueeze(1)).abs().max().item<double>(), 0.6);
}

TEST(FaceWorld, tells_where_the_mouth_opens) {
  const Identity person = make_identity(1, 2, Split::train);
  const at::Tensor shut = correspondence(person, {}, {}, 32).select(1, 2),
                   open = correspondence(person, {}, {.jaw = 1}, 32).select(1, 2);
  EXPECT_EQ(shut.max().item<double>(), 0);
  EXPECT_GT(open.sum().item<double>(), 6);  // cells
  EXPECT_LT(open.sum().item<double>(), 40);
}

// The bounds stand below what the weights reach; docs/models/shipped-talk.md has the figures of more people.
TEST(ShippedTalk, opens_the_mouth_with_the_sound_rests_in_silence_and_follows_pose_and_gaze) {
  const TalkQuality quality = measure_talk(RUSHES_SOURCE_DIR "/models/shipped-talk", 2, {});
  std::printf(
      "mouth seen: truth %.2f, loudness %.2f; jaw: truth %.2f, loudness %.2f, silence %.3f; yaw %.2f, gaze %.2f; "
      "frames %.1f dB, colours %.3f\n",
      quality.mouth_truth, quality.mouth_loudness, quality.jaw_truth, quality.jaw_loudness, quality.silent_jaw,
      quality.yaw_response, quality.gaze_response, quality.psnr, quality.colour_distance);
  EXPECT_GE(quality.mouth_truth, 0.8);
  EXPECT_GE(quality.mouth_loudness, 0.42);
  EXPECT_GE(quality.jaw_truth, 0.9);
  EXPECT_GE(quality.jaw_loudness, 0.5);
  EXPECT_LE(quality.silent_jaw, 0.06);
  EXPECT_GE(quality.yaw_response, 0.85);
  EXPECT_GE(quality.gaze_response, 0.8);
  EXPECT_GE(quality.psnr, 24);
  EXPECT_LE(quality.colour_distance, 0.1);
}

TEST(ShippedTalk, a_portrait_turns_steps_aside_looks_and_speaks_as_the_face_of_somebody_else_does) {
  const DrivingQuality quality = measure_driving(RUSHES_SOURCE_DIR "/models/shipped-talk", 3, {});
  std::printf("driven: %.1f dB, unmoved %.1f dB; read:", quality.psnr, quality.unmoved_psnr);
  for (const double control : quality.read) std::printf(" %.2f", control);
  std::printf("\n");
  EXPECT_GE(quality.psnr, quality.unmoved_psnr + 1.5);
  // Of the size of a stranger's head and mouth a picture tells half: zoom, width and rounding are not asked for.
  for (const std::size_t control : {0, 1, 2, 3, 4, 6, 7, 8, 9, 10}) EXPECT_GE(quality.read[control], 0.9) << control;
}

TEST(ShippedTalk, training_goes_on_from_the_shipped_weights) {
  const auto directory = std::filesystem::temp_directory_path() / ("rushes_import_" + std::to_string(getpid()));
  import_talk(RUSHES_SOURCE_DIR "/models/shipped-talk", directory);
  const struct {
    const char* file;
    std::map<std::string, at::Tensor> tensors;
  } stages[] = {{"face-renderer", fresh_renderer(shipped_renderer())},
                {"face-motion", fresh_motion_generator(shipped_motion_generator())},
                {"face-audio", fresh_audio_encoder(shipped_audio_encoder())}};
  for (auto [file, tensors] : stages)
    EXPECT_EQ(begin_with(tensors, directory / (std::string(file) + ".safetensors")),
              static_cast<int64_t>(tensors.size()))
        << file;
  std::map<std::string, at::Tensor> reading = fresh_renderer(shipped_renderer());
  const int64_t of_all = static_cast<int64_t>(reading.size()),
                taken = begin_with(reading, directory / "face-motion-encoder.safetensors");
  EXPECT_GT(taken, 0);
  EXPECT_LT(taken, of_all);
  std::filesystem::remove_all(directory);
}

/// Mean absolute step of the pixels from each frame to the next.
std::vector<double> steps_of(const generation::Model& model, double chunk_seconds, const at::Tensor& wave) {
  const at::Tensor picture =
      draw_face(make_identity(7, 1, Split::held_out), {}).permute({1, 2, 0}).mul(255).to(at::kByte).contiguous();
  generation::Request request;
  request.image = Image{{std::shared_ptr<void>(), picture.const_data_ptr<uint8_t>()}, kFaceSide, kFaceSide};
  request.options.set("chunk_duration", chunk_seconds);
  const auto generator = start(model, request);
  generation::Inbox inbox;
  inbox.speech.assign(wave.const_data_ptr<float>(), wave.const_data_ptr<float>() + wave.numel());
  inbox.end_of_speech = true;
  std::vector<double> steps;
  at::Tensor before;
  for (auto outcome = generation::StepOutcome::again; outcome == generation::StepOutcome::again; inbox = {}) {
    const generation::StepResult result = generator->step(inbox);
    outcome = result.outcome;
    for (const generation::Event& event : result.events) {
      const auto& block = std::get<generation::FrameBlock>(event);
      for (int64_t t = 0; t < block.video_frames; ++t) {
        const at::Tensor frame =
            at::from_blob(const_cast<uint8_t*>(block.frame(t)), {kFaceSide * kFaceSide * 3}, at::kByte).to(at::kFloat);
        if (before.defined()) steps.push_back((frame - before).abs().mean().item<double>());
        before = frame;
      }
    }
  }
  return steps;
}

TEST(ShippedTalk, frames_step_no_further_where_chunks_meet_than_within_them) {
  const auto model = generation::load_model({.path = RUSHES_SOURCE_DIR "/models/shipped-talk"});
  const at::Tensor wave =
      speak("The weather is fine, and everybody in the village goes out to see the boats.", "en-us", 150, 50).wave;
  for (const int64_t chunk : {5, 10}) {
    const std::vector<double> steps = steps_of(*model, static_cast<double>(chunk) / 25, wave);
    ASSERT_GT(steps.size(), 60u);
    double border = 0, inside = 0;
    int64_t borders = 0;
    for (std::size_t i = 0; i < steps.size(); ++i) {  // step i leads to frame i + 1
      const bool meets = static_cast<int64_t>(i + 1) % chunk == 0;
      (meets ? border : inside) += steps[i];
      borders += meets;
    }
    const double ratio = (border / static_cast<double>(borders)) /
                         (inside / static_cast<double>(static_cast<int64_t>(steps.size()) - borders));
    std::printf("chunks of %ld frames: step at their borders %.2f of that within\n", static_cast<long>(chunk), ratio);
    EXPECT_GT(inside, 0);
    EXPECT_LE(ratio, 1.5);
  }
}

}  // namespace
}  // namespace rushes::training
