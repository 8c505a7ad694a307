// Blocks of video that stream, one after the other, as a state machine: each step() is one call of the transformer.
//
//   for each block:  denoise it step by step                                     Work::denoise
//                    pass the clean block through once more                      Work::rerun
//
// Note: clean re-run. While a block is denoised its cache entries are those of noisy latents; without the last pass the
// later blocks would look back on the noise. It sees the block's own speech and picture.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "rushes/generation/wan/noise.h"
#include "rushes/models/omniavatar/avatar_transformer.h"
#include "rushes/nn/flow_match.h"
#include "rushes/nn/kv_cache.h"

namespace rushes::generation {

inline constexpr int64_t kBlockLatentFrames = 3;

class CausalPipeline {
 public:
  enum class Work { nothing, denoise, rerun };
  struct Options {
    int64_t height, width;  // of latents
    int64_t steps = 4;
    double timestep_shift = 5;
    /// Tokens that a block looks back on, itself included. Need be no whole latent frames.
    int64_t capacity_tokens = 32'760;
    int64_t sink_latent_frames = 0;
    /// The published engine rounds times to bfloat16 before the network sees them, sigmas not.
    bool rounds_times = false;
    /// Without a picture the blocks after the first see the first latent frame of the video as if it were one.
    bool own_reference = false;
  };
  /// Allocates the cache.
  CausalPipeline(std::shared_ptr<const omniavatar::CausalAvatarTransformer> model, const Options& options);
  CausalPipeline(const CausalPipeline& other) =
      default;  // goes on from here independently; the cache is copied on write
  CausalPipeline& operator=(const CausalPipeline&) = delete;

  /// The picture's latents [1, C, 1, h, w], before the first block: its first latent frame is that, and all blocks see
  /// it.
  void set_picture(const at::Tensor& latents);

  /// Starts the next block. `speech`: of its latent frames.
  void begin(const wan::FrameAdditions& speech, NoiseSource& noise);
  Work next() const { return next_; }
  /// Blocks that are done.
  int64_t block() const { return block_; }
  int64_t steps_done() const { return step_; }
  /// Of the denoising step that is next.
  double timestep() const { return schedule_.timesteps()[static_cast<std::size_t>(step_)]; }

  /// Does next(). Returns the block's clean latents [1, F, C, h, w] float32 when this was its last denoising step.
  std::optional<at::Tensor> step(const wan::TextContext& text, NoiseSource& noise);
  /// Leaves out the re-run that would be next: nothing looks back on the last block.
  void skip_rerun();

  /// The blocks of pipelines of one model that have just been begun, each step of all of them in one forward: all of
  /// their work is kept for their step()s, which then compute nothing. Their sizes, steps and shifts are equal.
  /// `texts`, `noise`: of each. After a throw they can only give up().
  static void compute_together(const std::vector<CausalPipeline*>& blocks,
                               const std::vector<const wan::TextContext*>& texts,
                               const std::vector<NoiseSource*>& noise);
  /// As if the block had never been begun, in whichever step it is.
  void give_up();

  const nn::KvCache& cache() const { return cache_; }
  int64_t bytes() const;

 private:
  at::Tensor flow(double time, const wan::TextContext& text);
  double rounded(double time) const;
  void denoise(const at::Tensor& flow, int64_t step, NoiseSource& noise);
  void hold_picture();
  void end_block();

  std::shared_ptr<const omniavatar::CausalAvatarTransformer> model_;
  Options options_;
  nn::FlowMatchSchedule schedule_;
  nn::KvCache cache_;
  at::Tensor picture_;  // undefined: none
  Work next_ = Work::nothing;
  int64_t block_ = 0, step_ = 0;
  wan::FrameAdditions speech_;  // of the block in work
  at::Tensor condition_;        // the same
  at::Tensor x_;                // its noisy latents [1, F, C, h, w] float32; clean where it is computed
  bool is_computed_ = false;    // all of it, together with others; its clean keys are in the cache
};

}  // namespace rushes::generation
