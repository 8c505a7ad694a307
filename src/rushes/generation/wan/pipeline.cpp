#include "rushes/generation/wan/pipeline.h"

#include <algorithm>
#include <utility>

#include "rushes/base/error.h"
#include "rushes/tensor/ops.h"

namespace rushes::generation {

SegmentPipeline::SegmentPipeline(std::shared_ptr<const wan::CausalTransformer> model, SamplingOptions sampling,
                                 BlockLayout layout, const Shape& shape)
    : model_(std::move(model)),
      sampling_(std::move(sampling)),
      layout_(layout),
      shape_(shape),
      schedule_({.shift = sampling_.timestep_shift,
                 .steps = sampling_.train_timesteps,
                 .train_timesteps = sampling_.train_timesteps}) {
  for (int prompt = 0; prompt < (sampling_.few_step() ? 1 : 2); ++prompt)
    caches_.push_back(model_->make_cache({.height = shape.height,
                                          .width = shape.width,
                                          .capacity_latent_frames = shape.capacity_latent_frames,
                                          .batch = shape.batch}));
}

SegmentPipeline::SegmentPipeline(const SegmentPipeline& other)
    : model_(other.model_),
      sampling_(other.sampling_),
      layout_(other.layout_),
      shape_(other.shape_),
      schedule_(other.schedule_),
      caches_(other.caches_),
      segment_(other.segment_),
      given_(other.given_),
      finished_(other.finished_),
      blocks_(other.blocks_),
      noise_(other.noise_),
      noise_used_(other.noise_used_),
      next_(other.next_),
      block_(other.block_),
      step_(other.step_),
      model_calls_(other.model_calls_),
      x_(other.x_),
      solver_(other.solver_ ? other.solver_->clone() : nullptr) {}

void SegmentPipeline::begin(int64_t segment, const at::Tensor& given, int64_t latent_frames, NoiseSource& noise) {
  const int64_t given_frames = given.defined() ? given.size(1) : 0;
  require(latent_frames > given_frames && latent_frames <= shape_.capacity_latent_frames, ErrorCode::invalid_argument,
          "a segment of {} latent frames does not fit {} given ones and a capacity of {}", latent_frames, given_frames,
          shape_.capacity_latent_frames);
  segment_ = segment;
  for (nn::KvCache& cache : caches_) cache.reset();
  const auto device = model_->core().options().device();
  noise_ = noise
               .segment_noise(
                   segment, {shape_.batch, latent_frames - given_frames, shape_.channels, shape_.height, shape_.width})
               .to(device, at::kFloat);
  noise_used_ = 0;
  given_.clear();
  finished_.clear();
  int64_t at = 0;
  for (const int64_t size : layout_.blocks(0, given_frames)) {
    given_.push_back(given.narrow(1, at, size).to(device, at::kFloat));
    at += size;
  }
  std::reverse(given_.begin(), given_.end());
  blocks_ = layout_.blocks(given_frames, latent_frames);
  block_ = 0;
  next_ = Work::context;
  if (given_.empty()) start_block();
}

void SegmentPipeline::start_block() {
  next_ = block_ < static_cast<int64_t>(blocks_.size()) ? Work::denoise : Work::done;
  if (next_ == Work::done) return;
  const int64_t size = blocks_[static_cast<size_t>(block_)];
  x_ = noise_.narrow(1, noise_used_, size);
  noise_used_ += size;
  step_ = 0;
  if (!sampling_.few_step())
    solver_ = nn::make_solver(sampling_.solver, sampling_.solver_steps, sampling_.timestep_shift);
}

Work SegmentPipeline::next() const { return next_; }

std::optional<at::Tensor> SegmentPipeline::step(const PromptContext& prompt, NoiseSource& noise) {
  switch (next_) {
    case Work::context:
      pass_through(given_.back(), 0, prompt);
      finished_.push_back(given_.back());
      given_.pop_back();
      if (given_.empty()) start_block();
      return std::nullopt;
    case Work::denoise:
      if (sampling_.few_step()) {
        denoise_few_step(prompt, noise);
      } else {
        denoise_many_steps(prompt);
      }
      if (++step_ < sampling_.steps_per_block()) return std::nullopt;
      finished_.push_back(x_);
      next_ = Work::rerun;
      return x_;
    case Work::rerun:
      pass_through(x_, sampling_.few_step() ? sampling_.context_noise : 0, prompt);
      ++block_;
      start_block();
      return std::nullopt;
    case Work::done: break;
  }
  fail(ErrorCode::internal, "step() of a finished segment");
}

double SegmentPipeline::timestep() const {
  RUSHES_ASSERT(next_ == Work::denoise);
  return sampling_.few_step() ? sampling_.denoising_steps[static_cast<size_t>(step_)] : solver_->timestep(step_);
}

void SegmentPipeline::skip_rerun() {
  RUSHES_ASSERT(next_ == Work::rerun);
  ++block_;
  start_block();
}

void SegmentPipeline::pass_through(const at::Tensor& latents, double timestep, const PromptContext& prompt) {
  flow(latents, timestep, prompt, /*guided=*/false);
  for (nn::KvCache& cache : caches_) cache.commit();
}

void SegmentPipeline::denoise_few_step(const PromptContext& prompt, NoiseSource& noise) {
  const auto& times = sampling_.denoising_steps;
  const auto i = static_cast<size_t>(step_);
  x_ = schedule_.to_x0(flow(x_, times[i], prompt, false), x_, times[i]);
  if (i + 1 == times.size()) return;
  const at::Tensor fresh =
      noise.renoise(segment_, block_, step_, {x_.size(0) * x_.size(1), x_.size(2), x_.size(3), x_.size(4)});
  x_ = schedule_.add_noise(x_, fresh.to(x_.device(), at::kFloat).view(x_.sizes()), times[i + 1]);
}

void SegmentPipeline::denoise_many_steps(const PromptContext& prompt) {
  x_ = solver_->step(flow(x_, solver_->timestep(step_), prompt, /*guided=*/true), x_);
}

/// Velocity of latents [B, f, C, h, w], same layout, float32. All caches get their keys and values.
at::Tensor SegmentPipeline::flow(const at::Tensor& latents, double timestep, const PromptContext& prompt, bool guided) {
  const at::Tensor input = latents.transpose(1, 2);
  const at::Tensor t = at::full({latents.size(0), latents.size(1)}, timestep, latents.options().dtype(at::kFloat));
  const auto call = [&](const wan::TextContext& text, nn::KvCache& cache) {
    ++model_calls_;
    return model_->forward(input, t, text, cache).transpose(1, 2).to(at::kFloat);
  };
  const at::Tensor positive = call(*prompt.positive, caches_[0]);
  if (caches_.size() == 1) return positive;
  const at::Tensor negative = call(*prompt.negative, caches_[1]);
  return guided ? negative + (positive - negative) * sampling_.guidance_scale : positive;
}

at::Tensor SegmentPipeline::latents() const { return at::cat(finished_, 1); }

int64_t SegmentPipeline::bytes() const {
  int64_t total = noise_.defined() ? static_cast<int64_t>(noise_.nbytes()) : 0;
  for (const nn::KvCache& cache : caches_) total += cache.bytes();
  for (const at::Tensor& latents : finished_) total += static_cast<int64_t>(latents.nbytes());
  return total;
}

}  // namespace rushes::generation
