#include "rushes/training/ditto/motion_pool.h"

#include "rushes/models/ditto/conditions.h"
#include "rushes/models/ditto/pose.h"
#include "rushes/tensor/ops.h"
#include "rushes/training/ditto/camera.h"
#include "rushes/training/ditto/emotions.h"
#include "rushes/training/ditto/face_labels.h"
#include "rushes/training/face_world/speech_world.h"

namespace rushes::training {
namespace {

constexpr int64_t T = 180, kSamples = T * kSamplesPerFrame;
constexpr int64_t kRow = kSamples + (T + 1) * ditto::kMotion + ditto::kExpression + 2;
constexpr int64_t kNeutral = 4;
/// Numbers of an expression that the motion model is asked for: those of lips, brows and eyes.
constexpr std::array kActing{6, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20};

SpeechClip with_silence(const SpeechClip& clip, Random& random) {
  const int64_t before = random.uniform() < 0.25 ? 0 : random.below(80);
  const at::Tensor wave = at::constant_pad_nd(clip.wave, {before * kSamplesPerFrame, kSamples});
  return {wave.narrow(0, 0, kSamples), at::constant_pad_nd(clip.mouth, {0, 0, before, T}).narrow(0, 0, T),
          at::constant_pad_nd(clip.visemes, {before, T}).narrow(0, 0, T), clip.text};
}

/// Wave, motion, the face at rest, keypoints, emotion and layout of the windows, in a row.
at::Tensor draw_speaker(uint64_t seed, uint64_t index) {
  Random random(seed ^ 0x5bea5, index);
  const Identity identity = make_identity(seed ^ 0xd1770, index, Split::train);
  const SpeechClip spoken = speak(seed ^ 0x5bea5, index, Split::train, 8 + random.below(10));
  const SpeechClip clip = random.uniform() < 0.5 ? roughened(with_silence(spoken, random), random)
                                                 : with_silence(roughened(spoken, random), random);
  FaceControls centre = portrait_controls(random);
  calm(centre, {}, 0.7f);
  centre.gaze_x *= 0.5f, centre.gaze_y *= 0.5f, centre.brow *= 0.3f;
  centre.blink = centre.jaw = centre.width = centre.rounding = 0;
  const Camera camera = random_camera(random);
  const int64_t emotion = random.uniform() < 0.2 ? kNeutral : random.below(ditto::kEmotions);
  const FaceLabels rest = seen(face_labels(identity, centre), camera);
  std::vector<FaceControls> motion = idle_motion(random, centre, T);
  const float* mouth = clip.mouth.const_data_ptr<float>();
  std::vector<at::Tensor> parts{clip.wave};
  for (std::size_t t = 0; t < motion.size(); ++t) {
    FaceControls& c = motion[t];
    c.jaw = mouth[3 * t], c.width = mouth[3 * t + 1], c.rounding = mouth[3 * t + 2];
    c.shift_x = centre.shift_x, c.shift_y = centre.shift_y, c.zoom = centre.zoom;  // too small to be heard in the noise
    parts.push_back(seen(face_labels(identity, expressed(c, emotion)), camera).motion);
  }
  parts.push_back(rest.motion);
  parts.push_back(rest.kp);
  parts.push_back(at::tensor({static_cast<float>(emotion), random.uniform() < 0.5 ? 1.0f : 0.0f}));
  return at::cat(parts);
}

/// [265]: 1 where the motion model's answer is looked at.
const at::Tensor& acting_mask() {
  static const at::Tensor mask = [] {
    at::Tensor exp = at::zeros({ditto::kKeypoints, 3}, at::kFloat);
    for (const int64_t k : kActing) exp[k].fill_(1);
    return at::cat({at::ones({ditto::kPose}), exp.flatten()});
  }();
  return mask;
}

}  // namespace

MotionPool::MotionPool(uint64_t seed, uint64_t first, int64_t capacity, const ditto::SpeechFeatures& speech)
    : capacity_(capacity),
      speech_(speech),
      random_(seed ^ 0x9002, first),
      drawing_([seed](uint64_t index) { return draw_speaker(seed, index); }, first, 1) {}

void MotionPool::refill(int64_t count) {
  const at::NoGradGuard no_grad;
  for (int64_t i = 0; i < count; ++i) {
    const at::Tensor row = drawing_.next_batch()[0];
    int64_t at = 0;
    const auto take = [&](int64_t size) {
      at += size;
      return row.narrow(0, at - size, size).clone();
    };
    const at::Tensor wave = take(kSamples);
    Entry entry;
    entry.motion = take(T * ditto::kMotion).view({T, ditto::kMotion});
    entry.rest = take(ditto::kMotion);
    entry.kp = take(ditto::kExpression);
    const int64_t emotion = static_cast<int64_t>(take(1).item<float>());
    const bool as_stream = take(1).item<float>() > 0;
    entry.emotion = ditto::emotion_rows({{emotion}})[0];
    entry.features = speech_.whole(as_stream ? at::constant_pad_nd(wave.slice(0, 80), {0, 80}) : wave);
    // What is not acted stays as it is at rest.
    entry.motion = at::where(acting_mask() > 0, entry.motion, entry.rest);
    if (static_cast<int64_t>(entries_.size()) < capacity_)
      entries_.push_back(std::move(entry));
    else
      entries_[static_cast<std::size_t>(random_.below(capacity_))] = std::move(entry);
  }
}

at::Tensor MotionPool::all_motion() const {
  std::vector<at::Tensor> all;
  for (const Entry& entry : entries_) all.push_back(entry.motion);
  return at::cat(all);
}

at::Tensor MotionPool::mean() const { return all_motion().mean({0}); }

at::Tensor MotionPool::spread() const {
  const at::Tensor all = all_motion();
  return (all - all.mean({0})).square().mean({0}).sqrt();
}

MotionBatch MotionPool::batch(int64_t size, int64_t frames) {
  constexpr double kFound = 4;  // frames after which a window is in its motion
  const at::Tensor ramp = (at::arange(frames, at::TensorOptions(at::kFloat)) / kFound).clamp_max(1).unsqueeze(1);
  std::vector<at::Tensor> motion, conditions, before;
  for (int64_t i = 0; i < size; ++i) {
    const Entry& entry = entries_[static_cast<std::size_t>(random_.below(static_cast<int64_t>(entries_.size())))];
    const bool begins = random_.uniform() < 0.15;
    const int64_t start = begins ? 0 : random_.below(T - frames + 1);
    const at::Tensor moved = entry.motion.narrow(0, start, frames), pose = moved.narrow(1, 0, ditto::kPose),
                     rest = entry.rest.narrow(0, ditto::kPose, ditto::kExpression),
                     exp = rest + ramp * (moved.narrow(1, ditto::kPose, ditto::kExpression) - rest);
    motion.push_back(at::cat({pose, exp}, 1));
    ditto::Conditions rows;
    rows.emotion = entry.emotion.unsqueeze(0);
    rows.sc = entry.kp;
    conditions.push_back(rows.rows(entry.features.narrow(0, start, frames), start));
    const at::Tensor last = start > 0 ? entry.motion[start - 1] : entry.motion[0];
    before.push_back(at::cat({last.narrow(0, 0, ditto::kPose), rest}));
  }
  return {at::stack(motion), at::stack(conditions), at::stack(before)};
}

}  // namespace rushes::training
