// The weights in models/shipped-t2v, through the code that serves them: do the videos show what the prompts say?
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "rushes/generation/registry.h"
#include "rushes/tensor/ops.h"
#include "rushes/training/wan/evaluation.h"

namespace rushes::training {
namespace {

const generation::Model& shipped() {
  static const auto model = generation::load_model({.path = RUSHES_SOURCE_DIR "/models/shipped-t2v"});
  return *model;
}

// What the weights that ship have learnt to read; the world has grown since.
bool known(const Scene& scene) {
  const Labels& labels = scene.labels;
  return labels.shape <= Shape::plus && static_cast<int>(labels.motion) < kDirections && !labels.tilted &&
         labels.ground != Ground::black;
}

// Held-out captions, read at the end of `segments` of `latent_frames` each.
Fidelity measure(int64_t clips, int64_t segments, int64_t latent_frames) {
  const auto made = [&](const Scene& scene, int64_t index) {
    const at::Tensor video = film(shipped(), scene.caption, index, segments, latent_frames);
    const int64_t read = std::min<int64_t>(video.size(0), 21);
    return video.narrow(0, video.size(0) - read, read);
  };
  const Fidelity fidelity = measure_fidelity(made, {.clips = clips, .seed = 4242, .wanted = known});
  std::printf("%s\n", describe(fidelity).c_str());
  return fidelity;
}

TEST(ShippedModel, shows_the_colours_the_ground_and_mostly_the_direction_of_its_prompts) {
  const Fidelity shown = measure(30, 1, 6);
  EXPECT_GE(shown.colour.percent(), 93);
  EXPECT_GE(shown.ground.percent(), 93);
  EXPECT_GE(shown.motion.percent(), 80);
  EXPECT_GE(shown.sharpness, 0.42);
}

TEST(ShippedModel, keeps_its_colours_over_three_segments) {
  const Fidelity shown = measure(6, 3, 12);
  EXPECT_GE(shown.colour.percent(), 80);
  EXPECT_GE(shown.ground.percent(), 80);
  EXPECT_GE(shown.sharpness, 0.42);
}

}  // namespace
}  // namespace rushes::training
