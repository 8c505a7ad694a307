#include "rushes/training/ditto/emotions.h"

#include "rushes/base/error.h"
#include "rushes/models/ditto/conditions.h"

namespace rushes::training {
namespace {

constexpr std::array<FaceControls, ditto::kEmotions> kFaces{{
    {.brow = -0.7f, .width = -0.1f, .smile_left = -0.5f, .smile_right = -0.5f, .brow_inner = -1.0f},  // angry
    {.brow = -0.5f, .width = -0.4f, .smile_left = -0.9f, .smile_right = -0.4f, .brow_inner = -0.5f},  // disgust
    {.brow = 0.7f, .width = 0.3f, .smile_left = -0.4f, .smile_right = -0.4f, .brow_inner = 0.9f},     // fear
    {.brow = 0.3f, .width = 0.4f, .smile_left = 1.0f, .smile_right = 1.0f, .brow_inner = 0.1f},       // happy
    {},
    {.brow = -0.2f, .width = -0.2f, .smile_left = -0.9f, .smile_right = -0.9f, .brow_inner = 1.0f},  // sad
    {.brow = 1.0f, .jaw = 0.12f, .rounding = 0.35f},                                                 // surprise
    {.brow = -0.1f, .smile_left = -0.2f, .smile_right = 0.9f, .brow_inner = -0.3f},                  // contempt
}};

}  // namespace

FaceControls expressed(const FaceControls& controls, int64_t emotion, float share) {
  require(emotion >= 0 && emotion < ditto::kEmotions, ErrorCode::invalid_argument, "emotion {} is not from 0 to {}",
          emotion, ditto::kEmotions - 1);
  const FaceControls& face = kFaces[static_cast<std::size_t>(emotion)];
  FaceControls sum = controls;
  for (float FaceControls::*field :
       {&FaceControls::brow, &FaceControls::jaw, &FaceControls::width, &FaceControls::rounding,
        &FaceControls::smile_left, &FaceControls::smile_right, &FaceControls::brow_inner})
    sum.*field += share * face.*field;
  return clamped(sum);
}

FaceControls random_expression(const FaceControls& controls, Random& random) {
  if (random.uniform() < 0.4) return expressed(controls, random.below(ditto::kEmotions));
  FaceControls face = controls;
  const auto any = [&] { return static_cast<float>(random.uniform(-1, 1)); };
  face.smile_left = any();
  face.smile_right = random.uniform() < 0.7 ? face.smile_left : any();
  face.brow_inner = any();
  return face;
}

}  // namespace rushes::training
