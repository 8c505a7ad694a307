#include "rushes/training/ditto/emotion_evaluation.h"

#include <algorithm>

#include "rushes/models/ditto/appearance_extractor.h"
#include "rushes/models/ditto/conditions.h"
#include "rushes/models/ditto/lmdm.h"
#include "rushes/models/ditto/motion_noise.h"
#include "rushes/models/ditto/motion_sampler.h"
#include "rushes/models/ditto/pose.h"
#include "rushes/models/ditto/spade_decoder.h"
#include "rushes/models/ditto/speech_features.h"
#include "rushes/models/ditto/warp_network.h"
#include "rushes/models/wav2vec/encoder.h"
#include "rushes/tensor/ops.h"
#include "rushes/tensor/safetensors.h"
#include "rushes/training/ditto/emotions.h"
#include "rushes/training/ditto/face_labels.h"
#include "rushes/training/ditto/shipped_ditto.h"
#include "rushes/training/imtalker/talk_evaluation.h"

namespace rushes::training {
namespace {

constexpr std::size_t kNeutral = 4, kLabels = static_cast<std::size_t>(ditto::kEmotions);

tensor::WeightMap weights_of(const std::filesystem::path& model, const char* part) {
  return tensor::load_safetensors(model / (std::string(part) + ".safetensors")).to(at::kFloat);
}

}  // namespace

// Frames are softer than drawings, so for the name the sizes of changes do not count.
EmotionsSeen emotions_seen(const std::vector<at::Tensor>& shown, const Identity& person, const FaceControls& pose) {
  const at::Tensor map = expressive_map(person, pose);
  const auto changes = [&](const std::vector<at::Tensor>& pictures) {
    std::vector<at::Tensor> from_neutral;
    from_neutral.reserve(pictures.size());
    for (const at::Tensor& picture : pictures) from_neutral.push_back((picture - pictures[kNeutral]) * map);
    return from_neutral;
  };
  std::vector<at::Tensor> drawings;
  for (std::size_t e = 0; e < kLabels; ++e)
    drawings.push_back(draw_face(person, expressed(pose, static_cast<int64_t>(e))));
  const std::vector<at::Tensor> seen = changes(shown), drawn = changes(drawings);
  double named = 0, change = 0, drawn_change = 0;
  for (std::size_t e = 0; e < kLabels; ++e) {
    if (e == kNeutral) continue;
    std::vector<double> alike;
    for (std::size_t other = 0; other < kLabels; ++other)
      alike.push_back(other == kNeutral ? -1 : correlation(seen[e], drawn[other]));
    named += std::max_element(alike.begin(), alike.end()) - alike.begin() == static_cast<std::ptrdiff_t>(e);
    change += seen[e].abs().mean().item<double>();
    drawn_change += drawn[e].abs().mean().item<double>();
  }
  return {named / static_cast<double>(kLabels - 1), change / drawn_change};
}

std::vector<at::Tensor> rendered_emotions(const std::filesystem::path& model, const Identity& person,
                                          const FaceControls& pose) {
  const ditto::AppearanceExtractor appearance(weights_of(model, "appearance_extractor"), shipped_ditto_sizes().depth);
  const ditto::WarpNetwork warp(weights_of(model, "warp_network"));
  const ditto::SpadeDecoder decoder(weights_of(model, "decoder"));
  const at::Tensor feature = appearance.forward(at::avg_pool2d(draw_face(person, pose).unsqueeze(0), 2));
  const at::Tensor source = placed_keypoints(face_labels(person, pose)).unsqueeze(0);
  std::vector<at::Tensor> pictures;
  for (int64_t emotion = 0; emotion < ditto::kEmotions; ++emotion) {
    const at::Tensor driving = settled_keypoints(person, pose, expressed(pose, emotion)).unsqueeze(0);
    pictures.push_back(decoder.forward(warp.forward(feature, source, driving))[0]);
  }
  return pictures;
}

at::Tensor emotions_moved(const std::filesystem::path& model, const Identity& person, const FaceControls& pose) {
  constexpr int64_t kSteps = 10, kSettled = 70;  // frames: what a stream gives out of each window
  const wav2vec::Encoder encoder(shipped_speech_encoder(), weights_of(model, "audio_encoder"));
  const ditto::Lmdm lmdm(weights_of(model, "lmdm"), kMotionHeads);
  const ditto::MotionSampler sampler(lmdm, kSteps);
  const FaceLabels rest = face_labels(person, pose);
  const at::Tensor silence = ditto::SpeechFeatures(encoder, {}).silence(lmdm.frames());
  at::Tensor lips = at::zeros({ditto::kKeypoints, 3});
  for (const int64_t k : {6, 12, 14, 17, 19, 20}) lips[k].fill_(1);
  const auto offsets = [&](const at::Tensor& moved, const at::Tensor& from) {
    return (moved - from).slice(0, ditto::kPose).masked_select(lips.flatten() > 0);
  };
  std::vector<at::Tensor> rows;
  for (int64_t emotion = 0; emotion < ditto::kEmotions; ++emotion) {
    ditto::Conditions conditions;
    conditions.emotion = ditto::emotion_rows({{emotion}});
    conditions.sc = rest.kp;
    ditto::MotionNoise noise(1, kSteps, lmdm.frames(), ditto::kMotion);
    const at::Tensor made = sampler.sample(conditions.rows(silence, 0).unsqueeze(0), rest.motion.unsqueeze(0),
                                           {noise.next_start(), noise.steps()})[0];
    const at::Tensor moved = offsets(made.slice(0, kSettled).mean({0}), made[0]),
                     wanted = offsets(face_labels(person, expressed(pose, emotion)).motion, rest.motion);
    const double square = wanted.square().sum().item<double>();
    const bool neutral = emotion == static_cast<int64_t>(kNeutral);
    const double slope = neutral ? 0 : (moved * wanted).sum().item<double>() / square;
    rows.push_back(at::tensor({slope, neutral ? 0.0 : correlation(moved, wanted)}, at::TensorOptions(at::kFloat)));
  }
  return at::stack(rows);
}

}  // namespace rushes::training
