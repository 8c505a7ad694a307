// An avatar that streams: block after block while speech arrives, each delivered before the next is begun, without end.
// The same speech gives the same video in however many pieces it comes.
#pragma once
#include <ATen/core/Tensor.h>

#include <memory>
#include <optional>
#include <string>

#include "rushes/generation/generator.h"
#include "rushes/generation/introspection.h"
#include "rushes/generation/omniavatar/causal_pipeline.h"
#include "rushes/generation/omniavatar/parts.h"
#include "rushes/generation/omniavatar/plan.h"
#include "rushes/generation/omniavatar/speech_track.h"
#include "rushes/generation/utterances.h"
#include "rushes/generation/wan/noise.h"
#include "rushes/models/omniavatar/speech_windows.h"

namespace rushes::generation {

class CausalAvatarGenerator final : public Generator, public DescribesSteps {
 public:
  /// `picture` [1, 3, 1, H, W] float32 in [-1, 1], or undefined. Allocates the cache.
  CausalAvatarGenerator(std::shared_ptr<const OmniAvatarParts> parts, std::shared_ptr<const OmniAvatarPlan> plan,
                        std::unique_ptr<NoiseSource> noise, at::Tensor picture);

  /// Plan::working_bytes of such a plan.
  static int64_t working_bytes(const OmniAvatarParts& parts, const OmniAvatarPlan& plan);

  VideoFormat format() const override { return plan_->format(); }
  /// A step is: the picture; a prompt; what a block says; a denoising step of it; its frames; or its clean re-run.
  StepResult step(const Inbox& inbox) override;
  bool at_block_border() const override { return phase_ == Phase::border; }
  std::unique_ptr<Generator> fork() const override;
  int64_t bytes() const override;
  Step newest_step() const override { return newest_step_; }
  std::string shape_of_step(const Inbox& inbox) const override;
  /// The next blocks of several avatars, each step of all in one forward; kept for their own steps. Their
  /// shape_of_step() is equal and not empty.
  static void compute_together(const std::vector<CausalAvatarGenerator*>& avatars,
                               const std::vector<const Inbox*>& inboxes);

  /// The newest block, before it became 8-bit: latents [1, F, C, h, w], frames [T, 3, H, W] in [-1, 1].
  struct BlockTensors {
    at::Tensor latents, frames;
  };
  const BlockTensors& newest() const { return newest_; }
  const CausalPipeline& pipeline() const { return pipeline_; }

 private:
  enum class Phase {
    picture,  // becomes the first latent frame
    border,   // between blocks: prompts are taken over, speech is heard
    block,    // model calls, until the block is clean
    decode,   // its latents become frames
    rerun,    // the clean block passes the model once more
    finished,
  };

  CausalAvatarGenerator(const CausalAvatarGenerator& other);
  void take(const Inbox& inbox);
  void end_utterance();
  void end_speech();
  void hear_clip(int64_t blocks);
  bool take_over_prompt(StepResult& result);
  bool is_silent() const { return track_.ended() && spoken_until_ == 0; }
  bool is_over() const { return total_frames_ && video_frames_ >= *total_frames_; }
  bool may_begin(int64_t heard) const;
  bool is_last(int64_t block, int64_t heard) const;
  wan::FrameAdditions speech_of_block(const SpeechTrack& track) const;
  at::Tensor features_of_block(const SpeechTrack& track) const;
  void begin_block();
  void advance(StepResult& result);
  FrameBlock decode_block();

  std::shared_ptr<const OmniAvatarParts> parts_;
  std::shared_ptr<const OmniAvatarPlan> plan_;
  std::unique_ptr<NoiseSource> noise_;
  CausalPipeline pipeline_;
  std::unique_ptr<wan::StreamDecoder> decoder_;
  omniavatar::SpeechWindows windows_;

  Phase phase_;
  at::Tensor picture_;  // until it is encoded
  SpeechTrack track_;
  UtteranceEnds utterances_;
  int64_t spoken_until_ = 0;             // samples that the video shows, silence behind utterances included
  std::optional<int64_t> total_frames_;  // of the video, as soon as that is known
  at::Tensor clip_features_;             // of all the speech, where it is heard as one clip: [1, 12 blocks, C]
  wan::FrameAdditions silence_;          // what a block of zero features adds
  /// Of a block that was computed together with others: where its noise leaves the generator.
  std::unique_ptr<NoiseSource> noise_behind_;

  std::optional<std::string> live_prompt_;  // set by the inbox
  std::string prompt_;                      // that text_ is of
  std::shared_ptr<const wan::TextContext> text_;
  BlockTensors newest_;
  Step newest_step_;
  int64_t video_frames_ = 0;  // delivered
  StageTimes times_;          // of the block in work
};

}  // namespace rushes::generation
