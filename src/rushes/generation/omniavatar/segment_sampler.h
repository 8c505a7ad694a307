// A segment of video from noise, all of its latent frames at once, with guidance. As a state machine: each step() is
// one call of the transformer, which takes all passes of guidance as one batch.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "rushes/models/omniavatar/avatar_transformer.h"
#include "rushes/models/omniavatar/guidance.h"
#include "rushes/models/omniavatar/tea_cache.h"
#include "rushes/nn/euler.h"

namespace rushes::generation {

/// What a segment is told. Immutable, shared.
struct SegmentPrompts {
  std::shared_ptr<const wan::TextContext> positive, negative;  // negative: with guidance only
};

class SegmentSampler {
 public:
  struct Options {
    int64_t steps = 50;
    double timestep_shift = 5;
    omniavatar::Guidance guidance;
    double teacache = 0;        // threshold; 0: every step is computed
    bool rounds_times = false;  // as CausalPipeline::Options
  };
  struct Segment {
    at::Tensor noise;             // [1, C, F, h, w]
    at::Tensor known;             // [1, C, F0, h, w]: its first latent frames; undefined: none
    at::Tensor condition;         // [1, channels, F, h, w] of condition_channels()
    wan::FrameAdditions speech;   // of its F latent frames
    wan::FrameAdditions silence;  // the same of zero features; with guidance only
    SegmentPrompts prompts;
  };
  SegmentSampler(std::shared_ptr<const omniavatar::AvatarTransformer> model, const Options& options, Segment segment);
  SegmentSampler(const SegmentSampler&) = default;  // goes on from here independently
  SegmentSampler& operator=(const SegmentSampler&) = delete;

  int64_t steps_done() const { return solver_.done(); }
  double timestep() const { return solver_.timestep(solver_.done()); }
  /// Returns the clean latents [1, C, F, h, w] float32 after the last step.
  std::optional<at::Tensor> step();

  /// Of the steps so far: those that repeated what the step before had added.
  const std::vector<bool>& skipped() const { return skipped_; }
  int64_t bytes() const;

 private:
  at::Tensor velocity(double time);
  void hold_known();

  std::shared_ptr<const omniavatar::AvatarTransformer> model_;
  Options options_;
  Segment segment_;
  wan::TextContext text_;       // of all passes
  wan::FrameAdditions speech_;  // the same
  nn::Euler solver_;
  omniavatar::TeaCache teacache_;
  at::Tensor gain_;  // what the blocks added at the last step that was computed: [passes, L, C]
  at::Tensor x_;
  std::vector<bool> skipped_;
};

}  // namespace rushes::generation
