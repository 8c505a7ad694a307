// What the avatar's autoencoder sees.
#include <algorithm>
#include <cmath>

#include "rushes/tensor/ops.h"
#include "rushes/training/omniavatar/avatar_world.h"
#include "rushes/training/omniavatar/shipped_avatar.h"

namespace rushes::training {
namespace {

// No speech: it would cost more than all the rest. A mouth that has another shape every two to four frames, and a head
// that moves a little.
std::vector<FaceControls> babble(const Speaker& speaker, int64_t video_frames, Random& random) {
  const auto somewhere = [&] {
    FaceControls c = random_controls(random);
    calm(c, speaker.portrait, 0.1f);
    c.gaze_x = 0.3f * c.gaze_x, c.gaze_y = 0.3f * c.gaze_y, c.brow = 0.3f * c.brow;
    if (random.uniform() < 0.7) c.blink = 0;
    return c;
  };
  at::Tensor knots = at::empty({video_frames, kControls}, at::kFloat);
  at::Tensor from = motion_latent(somewhere()), to = motion_latent(somewhere());
  int64_t begin = 0, length = 2 + random.below(3);
  for (int64_t t = 0; t < video_frames; ++t) {
    if (t - begin == length) {
      begin = t, length = 2 + random.below(3);
      from = to, to = motion_latent(somewhere());
    }
    knots[t].copy_(from + (to - from) * (static_cast<double>(t - begin) / static_cast<double>(length)));
  }
  std::vector<FaceControls> motion;
  for (int64_t t = 0; t < video_frames; ++t) motion.push_back(in_mood(controls_of(knots[t]), speaker.labels.mood));
  return motion;
}

at::Tensor frames_of(const Speaker& speaker, const std::vector<FaceControls>& motion) {
  std::vector<at::Tensor> frames;
  for (const FaceControls& controls : motion) frames.push_back(draw_speaker(speaker, controls));
  return at::stack(frames);
}

at::Tensor draw_crop(const AutoencoderOptions& options, uint64_t index) {
  const uint64_t seed = options.run.seed;
  Random random(seed ^ 0xae2, index);
  const Speaker speaker = make_speaker(seed, index, Split::train);
  const std::vector<FaceControls> motion = babble(speaker, options.video_frames, random);
  const at::Tensor frames = frames_of(speaker, motion);
  const int64_t crop = std::min(options.crop, kAvatarSide), room = kAvatarSide - crop;
  const FacePlaces at = face_places(speaker, motion[motion.size() / 2]);
  const double where = random.uniform();
  const Point centre = where < 0.45  ? at.mouth
                       : where < 0.6 ? at.left_eye
                       : where < 0.7 ? at.right_eye
                                     : Point{static_cast<float>(random.uniform(0, kAvatarSide)),
                                             static_cast<float>(random.uniform(0, kAvatarSide))};
  const auto corner = [&](double along) {
    const double half = static_cast<double>(crop) / 2, jitter = random.uniform(-0.25, 0.25) * static_cast<double>(crop);
    return std::clamp<int64_t>(std::llround(along - half + jitter), 0, room);
  };
  return frames.narrow(2, corner(centre.y), crop).narrow(3, corner(centre.x), crop).contiguous();
}

}  // namespace

PictureWorld drawn_speakers(const AutoencoderOptions& options) {
  return {.config = avatar_autoencoder(),
          .crop = [options](uint64_t index) { return draw_crop(options, index); },
          .held_out =
              [](uint64_t index) {
                Random random(78, index);
                const Speaker speaker = make_speaker(78, index, Split::held_out);
                return frames_of(speaker, babble(speaker, 17, random));
              }};
}

}  // namespace rushes::training
