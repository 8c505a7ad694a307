// An avatar segment by segment, of speech that has ended: each segment begins with the end of the one before, and all
// of them see the picture. Each is delivered as soon as it is there.
#pragma once
#include <ATen/core/Tensor.h>

#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "rushes/generation/generator.h"
#include "rushes/generation/introspection.h"
#include "rushes/generation/omniavatar/parts.h"
#include "rushes/generation/omniavatar/plan.h"
#include "rushes/generation/omniavatar/segment_sampler.h"
#include "rushes/generation/omniavatar/speech_track.h"
#include "rushes/generation/utterances.h"
#include "rushes/generation/wan/noise.h"
#include "rushes/models/omniavatar/segments.h"

namespace rushes::generation {

class SegmentAvatarGenerator final : public Generator, public DescribesSteps {
 public:
  /// `picture` [1, 3, 1, H, W] float32 in [-1, 1], or undefined.
  SegmentAvatarGenerator(std::shared_ptr<const OmniAvatarParts> parts, std::shared_ptr<const OmniAvatarPlan> plan,
                         std::unique_ptr<NoiseSource> noise, at::Tensor picture);

  /// Plan::working_bytes of such a plan.
  static int64_t working_bytes(const OmniAvatarParts& parts, const OmniAvatarPlan& plan);

  VideoFormat format() const override { return plan_->format(); }
  /// A step is: the picture; the speech; a prompt; a denoising step of a segment; its frames; or their encoding for the
  /// next segment.
  StepResult step(const Inbox& inbox) override;
  bool at_block_border() const override { return phase_ == Phase::border; }
  std::unique_ptr<Generator> fork() const override;
  int64_t bytes() const override;
  Step newest_step() const override { return newest_step_; }

  /// The newest segment, before it became 8-bit: latents [1, C, F, h, w], frames [T, 3, H, W] in [-1, 1], its overlap
  /// included.
  struct SegmentTensors {
    at::Tensor latents, frames;
    std::vector<bool> skipped;  // steps that repeated the change of the one before
  };
  const SegmentTensors& newest() const { return newest_; }

 private:
  enum class Phase {
    picture,    // becomes latents
    border,     // between segments: prompts are taken over; before the first one the speech is waited for and heard
    segment,    // model calls, until the segment is clean
    decode,     // its latents become frames
    re_encode,  // its last frames become the first latents of the next one
    finished,
  };

  /// Samples of speech that are heard together, [first, end), and of the silence behind them, up to `padded`.
  struct Clip {
    int64_t first, end, padded;
  };

  SegmentAvatarGenerator(const SegmentAvatarGenerator& other);
  void take(const Inbox& inbox);
  void end_utterance();
  void at_border(StepResult& result);
  Clip rest_of_speech();
  void hear(const Clip& clip);
  void begin_silence();
  bool take_over_prompt(StepResult& result);
  void begin_segment();
  wan::FrameAdditions speech_of_segment();
  void advance(StepResult& result);
  FrameBlock decode_segment();
  void re_encode();
  /// Frames of speech up to the end of the first segment that holds so many.
  int64_t whole_segments(int64_t speech_frames) const;
  bool is_over() const { return total_frames_ && video_frames_ >= *total_frames_; }

  std::shared_ptr<const OmniAvatarParts> parts_;
  std::shared_ptr<const OmniAvatarPlan> plan_;
  std::unique_ptr<NoiseSource> noise_;

  Phase phase_;
  at::Tensor picture_;                // until it is encoded
  at::Tensor reference_;              // latents that all segments see: [1, C, 1, h, w]; undefined: none
  at::Tensor known_;                  // latents that the next segment begins with: [1, C, F0, h, w]; undefined: none
  const omniavatar::Segments shape_;  // of a segment
  const int64_t frame_samples_;       // of a video frame
  SpeechTrack track_;
  UtteranceEnds utterances_;
  std::deque<Clip> clips_;  // that have ended and not been heard
  int64_t clip_begin_ = 0;  // of the one that is coming
  bool silent_ = false;     // the speech has ended before it began
  at::Tensor features_;     // of video frames from features_begin_ on: [1, T, C]
  int64_t features_begin_ = 0;
  std::optional<int64_t> total_frames_;  // of the video, as soon as that is known

  std::optional<std::string> live_prompt_;  // set by the inbox: stays for the rest of the video
  std::string prompt_;                      // that prompts_ is of
  SegmentPrompts prompts_;
  std::optional<SegmentSampler> sampler_;  // of the segment in work
  SegmentTensors newest_;
  Step newest_step_;
  int64_t segment_ = 0;
  int64_t video_frames_ = 0;  // delivered
  StageTimes times_;          // of the segment in work
};

}  // namespace rushes::generation
