#include "rushes/models/ltx/video_sampler.h"

#include <fmt/ranges.h>

#include "rushes/base/error.h"
#include "rushes/tensor/ops.h"

namespace rushes::ltx {

at::Tensor pack(const at::Tensor& latents) { return latents.flatten(2).transpose(1, 2).contiguous(); }

at::Tensor unpack(const at::Tensor& tokens, const LatentGrid& grid) {
  return tokens.transpose(1, 2).reshape({tokens.size(0), tokens.size(2), grid.latent_frames, grid.height, grid.width});
}

VideoSampler::VideoSampler(std::shared_ptr<const Transformer> transformer, const SchedulerConfig& scheduler,
                           const VaeConfig& vae, const VideoPlan& plan, TextContext text, const at::Tensor& noise,
                           const at::Tensor& first_frame)
    : transformer_(std::move(transformer)),
      plan_(plan),
      scheduler_(scheduler, plan.grid.tokens(), plan.steps),
      text_(std::move(text)),
      rope_(rope_table(transformer_->config(), plan.grid, rope_scale(vae, plan.frame_rate), transformer_->device())),
      conditioned_(first_frame.defined()) {
  const auto [latent_frames, height, width] = plan.grid;
  const int64_t C = transformer_->config().in_channels;
  require(noise.sizes() == at::IntArrayRef({1, C, latent_frames, height, width}), ErrorCode::invalid_argument,
          "noise has shape [{}], the plan needs [1, {}, {}, {}, {}]", fmt::join(noise.sizes(), ", "), C, latent_frames,
          height, width);
  require(text_.batch() == plan.guidance.passes(), ErrorCode::invalid_argument,
          "{} prompts; with guidance {} the sampler needs {}", text_.batch(), plan.guidance.scale,
          plan.guidance.is_active() ? "a negative and a positive one" : "one");
  latents_ = noise.to(transformer_->device(), at::kFloat).clone();
  if (conditioned_) {
    require(first_frame.sizes() == at::IntArrayRef({1, C, 1, height, width}), ErrorCode::invalid_argument,
            "the picture's latent has shape [{}], the plan needs [1, {}, 1, {}, {}]",
            fmt::join(first_frame.sizes(), ", "), C, height, width);
    latents_.narrow(2, 0, 1).copy_(first_frame);
  }
}

at::Tensor VideoSampler::timesteps() const {
  const double now = scheduler_.timesteps().at(static_cast<std::size_t>(done_));
  const at::TensorOptions floats = latents_.options();
  if (!conditioned_) return at::full({plan_.guidance.passes(), 1}, now, floats);
  const at::Tensor each = at::full({plan_.guidance.passes(), plan_.grid.latent_frames}, now, floats);
  each.select(1, 0).fill_(0);
  return each;
}

void VideoSampler::step() {
  require(!is_finished(), ErrorCode::conflict, "all {} denoising steps are done", steps());
  const at::Tensor tokens = pack(latents_).expand({plan_.guidance.passes(), -1, -1});
  velocities_ = transformer_->forward(tokens, timesteps(), text_, rope_);
  const at::Tensor velocity = unpack(plan_.guidance(velocities_), plan_.grid);
  clean_ = scheduler_.clean(done_, velocity, latents_);
  at::Tensor next = scheduler_.step(done_, velocity, latents_);
  if (conditioned_) {
    const at::Tensor picture = latents_.narrow(2, 0, 1);
    clean_.narrow(2, 0, 1).copy_(picture);
    next.narrow(2, 0, 1).copy_(picture);
  }
  latents_ = std::move(next);
  ++done_;
}

at::Tensor VideoSampler::preview() const { return clean_.defined() ? clean_ : latents_; }

}  // namespace rushes::ltx
