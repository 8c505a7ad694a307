#include "rushes/training/imtalker/speaking_pool.h"

#include "rushes/tensor/ops.h"
#include "rushes/training/face_world/face_world.h"
#include "rushes/training/face_world/speech_world.h"

namespace rushes::training {
namespace {

constexpr int64_t T = kSpeakerFrames, kSamples = T * kSamplesPerFrame;
constexpr int64_t kConditions = 3 + 2 + 3;
constexpr int64_t kRow = kSamples + T * (kControls + kConditions) + kControls + 3;
/// What live use hears before a piece of sound, in video frames.
constexpr int64_t kHeardBefore = 25;

at::Tensor controls_row(std::initializer_list<float> values) {
  return at::tensor(at::ArrayRef<float>(values.begin(), values.size()), at::TensorOptions(at::kFloat));
}

/// Wave, motion, conditions, reference and which conditions are given, in a row.
at::Tensor draw_speaker(uint64_t seed, uint64_t index) {
  Random random(seed ^ 0x5bea4, index);
  const SpeechClip spoken = speak(seed ^ 0x5bea4, index, Split::train, 8 + random.below(8));
  const bool from_start = random.uniform() < 0.5;
  const int64_t spare = std::max<int64_t>(spoken.mouth.size(0) - T, 0);
  const SpeechClip clip = roughened(cut(spoken, from_start ? 0 : random.below(spare + 1), T), random);
  const FaceControls portrait = random_controls(random), elsewhere = random_controls(random);
  const bool has_pose = random.uniform() < 0.5, has_gaze = random.uniform() < 0.5, has_cam = random.uniform() < 0.3;
  FaceControls centre = portrait;
  if (has_pose) centre.pitch = elsewhere.pitch, centre.yaw = elsewhere.yaw, centre.roll = elsewhere.roll;
  if (has_cam) centre.shift_x = elsewhere.shift_x, centre.shift_y = elsewhere.shift_y, centre.zoom = elsewhere.zoom;
  centre.gaze_x = has_gaze ? elsewhere.gaze_x : 0.5f * portrait.gaze_x;
  centre.gaze_y = has_gaze ? elsewhere.gaze_y : 0.5f * portrait.gaze_y;
  std::vector<FaceControls> motion = idle_motion(random, centre, T);
  const float* mouth = clip.mouth.const_data_ptr<float>();
  std::vector<at::Tensor> latents, pose, gaze, cam;
  const bool followed =
      random.uniform() < 0.35;  // a style is one value for all; a driving track has one for each frame
  for (std::size_t t = 0; t < motion.size(); ++t) {
    FaceControls& c = motion[t];
    c.jaw = mouth[3 * t], c.width = mouth[3 * t + 1], c.rounding = mouth[3 * t + 2];
    latents.push_back(motion_latent(c));
    const FaceControls& told = followed ? c : centre;
    pose.push_back(controls_row({told.pitch, told.yaw, told.roll}));
    gaze.push_back(controls_row({told.gaze_x, told.gaze_y}));
    cam.push_back(controls_row({told.shift_x, told.shift_y, told.zoom}));
  }
  return at::cat({clip.wave, at::stack(latents).flatten(), at::stack(pose).flatten(), at::stack(gaze).flatten(),
                  at::stack(cam).flatten(), motion_latent(portrait),
                  controls_row({has_pose ? 1.0f : 0.0f, has_gaze ? 1.0f : 0.0f, has_cam ? 1.0f : 0.0f})});
}

/// Features of a wave [1, S]: of the whole at once, or as live use has them: piece by piece, each with a second of what
/// was before and nothing of what comes.
at::Tensor heard(const wav2vec::Encoder& encoder, const at::Tensor& wave, int64_t piece) {
  if (piece == 0) return encoder.forward(wave, T)[0];
  std::vector<at::Tensor> features;
  for (int64_t start = 0; start < T; start += piece) {
    const int64_t end = std::min(start + piece, T), begin = std::max<int64_t>(0, start - kHeardBefore);
    const at::Tensor part = wave.narrow(1, begin * kSamplesPerFrame, (end - begin) * kSamplesPerFrame);
    features.push_back(encoder.forward(part, end - begin)[0].narrow(0, start - begin, end - start));
  }
  return at::cat(features);
}

}  // namespace

SpeakingPool::SpeakingPool(uint64_t seed, uint64_t first, int64_t capacity, const wav2vec::Encoder& encoder)
    : capacity_(capacity),
      encoder_(encoder),
      next_(first),
      random_(seed ^ 0x9001, first),
      drawing_([seed](uint64_t index) { return draw_speaker(seed, index); }, first, 1) {}

void SpeakingPool::refill(int64_t count) {
  const at::NoGradGuard no_grad;
  for (int64_t i = 0; i < count; ++i) {
    const at::Tensor row = drawing_.next_batch()[0];
    int64_t at = 0;
    const auto take = [&](int64_t size) {
      at += size;
      return row.narrow(0, at - size, size).clone();
    };
    at::Tensor wave = take(kSamples).unsqueeze(0);
    if (random_.uniform() < 0.5) wave = wav2vec::normalise(wave);
    Entry entry;
    constexpr std::array<int64_t, 6> kPieces{0, 0, 0, 5, 10, 25};
    entry.features = heard(encoder_, wave, random_.pick(kPieces));
    entry.motion = take(T * kControls).view({T, kControls});
    entry.pose = take(T * 3).view({T, 3});
    entry.gaze = take(T * 2).view({T, 2});
    entry.cam = take(T * 3).view({T, 3});
    entry.reference = take(kControls);
    const at::Tensor given = take(3);
    const float* has = given.const_data_ptr<float>();
    entry.has_pose = has[0] > 0, entry.has_gaze = has[1] > 0, entry.has_cam = has[2] > 0;
    ++next_;
    if (static_cast<int64_t>(entries_.size()) < capacity_)
      entries_.push_back(std::move(entry));
    else
      entries_[static_cast<std::size_t>(random_.below(capacity_))] = std::move(entry);
  }
}

SpeakingBatch SpeakingPool::batch(int64_t size, int64_t past, int64_t window) {
  std::vector<at::Tensor> motion, features, pose, gaze, cam, reference;
  std::vector<float> has_pose, has_gaze, has_cam, has_past;
  for (int64_t i = 0; i < size; ++i) {
    const Entry& entry = entries_[static_cast<std::size_t>(random_.below(static_cast<int64_t>(entries_.size())))];
    const bool begins = random_.uniform() < 0.2;
    const int64_t start = begins ? 0 : random_.below(T - past - window + 1);
    const auto window_of = [&](const at::Tensor& x) {
      if (begins) return at::cat({at::zeros({past, x.size(1)}, x.options()), x.narrow(0, 0, window)});
      return x.narrow(0, start, past + window);
    };
    motion.push_back(window_of(entry.motion));
    features.push_back(window_of(entry.features));
    pose.push_back(window_of(entry.pose));
    gaze.push_back(window_of(entry.gaze));
    cam.push_back(window_of(entry.cam));
    reference.push_back(entry.reference);
    has_pose.push_back(entry.has_pose), has_gaze.push_back(entry.has_gaze), has_cam.push_back(entry.has_cam),
        has_past.push_back(!begins);
  }
  const auto flags = [&](const std::vector<float>& values) {
    return at::tensor(at::ArrayRef<float>(values), at::TensorOptions(at::kFloat)).view({size, 1, 1});
  };
  return {at::stack(motion), at::stack(features), at::stack(pose), at::stack(gaze), at::stack(cam),
          flags(has_pose),   flags(has_gaze),     flags(has_cam),  flags(has_past), at::stack(reference)};
}

}  // namespace rushes::training
