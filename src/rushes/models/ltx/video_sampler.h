// Denoising of one clip, a step at a call: what lies between is plain tensors, so that a copy continues by itself and a
// sampler that is dropped leaves nothing behind.
#pragma once
#include <ATen/core/Tensor.h>

#include <memory>

#include "rushes/models/ltx/clip_size.h"
#include "rushes/models/ltx/guidance.h"
#include "rushes/models/ltx/scheduler.h"
#include "rushes/models/ltx/transformer.h"

namespace rushes::ltx {

/// What is sampled. Everything random comes from outside.
struct VideoPlan {
  LatentGrid grid;
  double frame_rate = 25;  // that the model is told; the published pipelines say 25 whatever the playback
  int64_t steps = 30;
  Guidance guidance;
};

/// One owner, one thread at a time; copies share only what never changes.
class VideoSampler {
 public:
  ///   text         of the prompt; with guidance of {negative prompt, prompt} (joined())
  ///   noise        [1, C, F, h, w] standard normal
  ///   first_frame  [1, C, 1, h, w] normalised latent of the picture that the clip begins with; undefined: text only.
  ///                It stays as it is, its tokens are told time 0
  /// Throws Error(invalid_argument) for shapes or numbers of prompts that do not fit the plan.
  VideoSampler(std::shared_ptr<const Transformer> transformer, const SchedulerConfig& scheduler, const VaeConfig& vae,
               const VideoPlan& plan, TextContext text, const at::Tensor& noise, const at::Tensor& first_frame = {});

  int64_t steps() const { return scheduler_.steps(); }
  int64_t done() const { return done_; }
  bool is_finished() const { return done_ == steps(); }
  /// Time of the next step as a share of all noise, 1 to 0.
  double sigma() const { return scheduler_.sigma(done_); }

  /// One denoising step: one pass of the transformer over both halves of the guidance. Not after the last.
  void step();

  /// Normalised latents [1, C, F, h, w] float32 as they are now.
  at::Tensor latents() const { return latents_; }
  /// The clean sample that the last step's velocity pointed to, [1, C, F, h, w] float32: a preview, better from step to
  /// step and after the last one the result itself. Before the first step what is known: the picture's latent, or
  /// noise.
  at::Tensor preview() const;
  /// What the transformer said in the last step, [passes, S, C] in its dtype: negative prompt first. Undefined before.
  const at::Tensor& velocities() const { return velocities_; }
  const VideoPlan& plan() const { return plan_; }

 private:
  at::Tensor timesteps() const;

  std::shared_ptr<const Transformer> transformer_;
  VideoPlan plan_;
  Scheduler scheduler_;
  TextContext text_;
  RopeTable rope_;
  bool conditioned_;
  int64_t done_ = 0;
  at::Tensor latents_, clean_, velocities_;
};

/// Latents [B, C, F, h, w] to tokens [B, S, C] and back.
at::Tensor pack(const at::Tensor& latents);
at::Tensor unpack(const at::Tensor& tokens, const LatentGrid& grid);

}  // namespace rushes::ltx
