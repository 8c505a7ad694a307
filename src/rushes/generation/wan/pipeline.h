// One segment of block-causal video generation as a state machine: each step() is one model call (two with guidance).
// The few-step sampler of Self-Forcing and the many-step solvers differ only in how a block is denoised.
//
//   given latents pass through the model at time 0 and fill the cache            Work::context
//   for each block:  denoise it step by step                                     Work::denoise
//                    pass the clean block through once more                      Work::rerun
//
// Note: clean re-run. While a block is denoised its cache entries are those of noisy latents; without the last pass the
// later blocks would look back on the noise.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "rushes/generation/wan/block_layout.h"
#include "rushes/generation/wan/noise.h"
#include "rushes/models/wan/transformer.h"
#include "rushes/nn/flow_match.h"
#include "rushes/nn/solver.h"

namespace rushes::generation {

struct SamplingOptions {
  std::vector<double> denoising_steps;  // timesteps of the few-step sampler, warped already; empty: many steps
  double context_noise = 0;             // timestep of the few-step sampler's clean re-run
  double timestep_shift = 5.0;
  int64_t train_timesteps = 1000;
  std::string solver = "unipc";  // of many steps
  int64_t solver_steps = 50;
  double guidance_scale = 3.0;  // of many steps: v_negative + scale (v_positive - v_negative)

  bool few_step() const { return !denoising_steps.empty(); }
  int64_t steps_per_block() const { return few_step() ? static_cast<int64_t>(denoising_steps.size()) : solver_steps; }
};

/// What the model is told to show. Immutable, shared by sessions.
struct PromptContext {
  std::shared_ptr<const wan::TextContext> positive;
  std::shared_ptr<const wan::TextContext> negative;  // many steps only
};

enum class Work { context, denoise, rerun, done };

class SegmentPipeline {
 public:
  struct Shape {
    int64_t batch, channels, height, width;  // of latents
    int64_t capacity_latent_frames;          // longest segment
  };
  /// Allocates the caches.
  SegmentPipeline(std::shared_ptr<const wan::CausalTransformer> model, SamplingOptions sampling, BlockLayout layout,
                  const Shape& shape);
  SegmentPipeline(const SegmentPipeline& other);  // continues from here independently; caches are copied on write
  SegmentPipeline& operator=(const SegmentPipeline&) = delete;

  /// Starts a segment of `latent_frames`, which begins with `given` [B, F0, C, h, w] (undefined: with nothing).
  /// Draws the noise of all new latent frames. Throws Error(invalid_argument) if it does not fit the shape.
  void begin(int64_t segment, const at::Tensor& given, int64_t latent_frames, NoiseSource& noise);

  Work next() const;
  /// Blocks of the segment, their sizes in latent frames; given ones not counted.
  const std::vector<int64_t>& blocks() const { return blocks_; }
  /// The block that step() works on, and its denoising steps done.
  int64_t block() const { return block_; }
  int64_t steps_done() const { return step_; }
  /// Of the denoising step that is next.
  double timestep() const;

  /// Does next(). Returns the block's clean latents [B, f, C, h, w] float32 when this was its last denoising step.
  std::optional<at::Tensor> step(const PromptContext& prompt, NoiseSource& noise);
  /// Leaves out the re-run that would be next: nothing looks back on the last block.
  void skip_rerun();

  /// Given and finished latent frames of the segment, in order: [B, F, C, h, w] float32.
  at::Tensor latents() const;
  int64_t model_calls() const { return model_calls_; }
  int64_t bytes() const;

 private:
  at::Tensor flow(const at::Tensor& latents, double timestep, const PromptContext& prompt, bool guided);
  void pass_through(const at::Tensor& latents, double timestep, const PromptContext& prompt);
  void denoise_few_step(const PromptContext& prompt, NoiseSource& noise);
  void denoise_many_steps(const PromptContext& prompt);
  void start_block();

  std::shared_ptr<const wan::CausalTransformer> model_;
  SamplingOptions sampling_;
  BlockLayout layout_;
  Shape shape_;
  nn::FlowMatchSchedule schedule_;
  std::vector<nn::KvCache> caches_;  // positive; with many steps also negative

  int64_t segment_ = 0;
  std::vector<at::Tensor> given_;  // context passes to do, oldest last
  std::vector<at::Tensor> finished_;
  std::vector<int64_t> blocks_;
  at::Tensor noise_;        // [B, F, C, h, w]
  int64_t noise_used_ = 0;  // latent frames
  Work next_ = Work::done;
  int64_t block_ = 0, step_ = 0, model_calls_ = 0;
  at::Tensor x_;  // the block's noisy latents
  std::unique_ptr<nn::Solver> solver_;
};

}  // namespace rushes::generation
