// The half of a request that is answered in frames: the picture becomes the first latent frame, which can be shown at
// once; then the prompt is read, all frames are denoised together, and decoded.
#pragma once
#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "rushes/generation/event.h"
#include "rushes/generation/foresight/parts.h"
#include "rushes/generation/foresight/plan.h"
#include "rushes/generation/stage_timer.h"
#include "rushes/models/ltx/video_sampler.h"
#include "rushes/tensor/random.h"

namespace rushes::generation {

/// One owner, one thread at a time.
class VideoTrack {
 public:
  /// `now` measures its stages: a clock that stands still while it does not work.
  VideoTrack(std::shared_ptr<const ForesightParts> parts, std::shared_ptr<const ForesightPlan> plan,
             std::optional<Image> picture, std::function<StageTimer::Clock::time_point()> now = StageTimer::Clock::now);

  /// Tells what it begins with, encodes the picture, shows its frame, reads the prompts, takes a denoising step, takes
  /// a look at the clean sample, or decodes: one of these.
  void step(std::vector<Event>& events);
  bool is_finished() const { return phase_ == Phase::finished; }
  int64_t bytes() const;

 private:
  enum class Phase { begin, picture, first_frame, prompt, denoise, preview, decode, finished };

  void begin(std::vector<Event>& events);
  void encode_picture();
  void show_first_frame(std::vector<Event>& events);
  void read_prompt();
  void denoise(std::vector<Event>& events);
  void show_preview(std::vector<Event>& events);
  void begin_decoding();
  void decode(std::vector<Event>& events);
  at::Tensor decodable(const at::Tensor& latents) const;
  ltx::DecodeCondition condition() const;
  ltx::Tiling tiling() const;
  void deliver(const at::Tensor& decoded, std::vector<Event>& events);
  PreviewFrames preview_of(const at::Tensor& frames) const;

  std::shared_ptr<const ForesightParts> parts_;
  std::shared_ptr<const ForesightPlan> plan_;
  std::function<StageTimer::Clock::time_point()> now_;
  ltx::LatentGrid grid_;
  std::shared_ptr<tensor::RandomStream> noise_, map_noise_;  // map_noise_: of decoders that inject some
  Phase phase_ = Phase::begin;
  std::optional<Image> picture_;
  at::Tensor resized_;      // [1, 3, 1, H, W] in [-1, 1]: the picture as a frame
  at::Tensor first_frame_;  // [1, C, 1, h, w], normalised; undefined: text only
  at::Tensor start_noise_;  // [1, C, F, h, w]
  std::optional<ltx::VideoSampler> sampler_;
  std::optional<ltx::TemporalTiles> tiles_;
  at::Tensor clean_;          // denormalised latents that are being decoded
  int64_t video_frames_ = 0;  // delivered
  int64_t blocks_ = 0;
  StageTimes times_;
};

}  // namespace rushes::generation
