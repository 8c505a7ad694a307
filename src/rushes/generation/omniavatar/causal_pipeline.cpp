#include "rushes/generation/omniavatar/causal_pipeline.h"

#include "rushes/base/error.h"
#include "rushes/base/interruption.h"
#include "rushes/tensor/ops.h"

namespace rushes::generation {

CausalPipeline::CausalPipeline(std::shared_ptr<const omniavatar::CausalAvatarTransformer> model, const Options& options)
    : model_(std::move(model)),
      options_(options),
      schedule_({.shift = options.timestep_shift, .steps = options.steps}),
      cache_(model_->make_cache({.height = options.height,
                                 .width = options.width,
                                 .capacity_tokens = options.capacity_tokens,
                                 .sink_latent_frames = options.sink_latent_frames})) {}

void CausalPipeline::set_picture(const at::Tensor& latents) {
  RUSHES_ASSERT(block_ == 0 && next_ == Work::nothing);
  picture_ = latents.to(model_->options().device(), at::kFloat);
}

void CausalPipeline::begin(const wan::FrameAdditions& speech, NoiseSource& noise) {
  RUSHES_ASSERT(next_ == Work::nothing);
  const int64_t C = model_->config().wan.out_dim;
  speech_ = speech;
  const at::Tensor none = at::zeros({1, C, 1, options_.height, options_.width}, model_->options().dtype(at::kFloat));
  condition_ = omniavatar::condition_channels(picture_.defined() ? picture_ : none, kBlockLatentFrames,
                                              /*known_frames=*/block_ == 0 && picture_.defined() ? 1 : 0);
  x_ = noise.segment_noise(block_, {1, kBlockLatentFrames, C, options_.height, options_.width})
           .to(model_->options().device(), at::kFloat)
           .clone();  // the picture is written into it
  step_ = 0;
  next_ = Work::denoise;
}

/// The picture itself is the first latent frame of the first block, whatever was predicted for it.
void CausalPipeline::hold_picture() {
  if (block_ == 0 && picture_.defined()) x_.narrow(1, 0, 1).copy_(picture_.transpose(1, 2));
}

std::optional<at::Tensor> CausalPipeline::step(const wan::TextContext& text, NoiseSource& noise) {
  RUSHES_ASSERT(next_ != Work::nothing);
  if (next_ == Work::rerun) {
    if (!is_computed_) flow(0, text);
    cache_.commit();
    end_block();
    return std::nullopt;
  }
  if (!is_computed_) {
    hold_picture();
    denoise(flow(rounded(timestep()), text), step_, noise);
  }
  if (++step_ < options_.steps) return std::nullopt;
  next_ = Work::rerun;
  return x_;
}

double CausalPipeline::rounded(double time) const {
  return options_.rounds_times ? static_cast<double>(c10::BFloat16(static_cast<float>(time))) : time;
}

/// x_ from one step to the next, or to the end.
void CausalPipeline::denoise(const at::Tensor& flow, int64_t step, NoiseSource& noise) {
  const std::vector<double>& times = schedule_.timesteps();
  x_ = schedule_.to_x0(flow, x_, times[static_cast<std::size_t>(step)]);
  if (step + 1 == options_.steps) {
    hold_picture();
    return;
  }
  const at::Tensor fresh = noise.renoise(0, block_, step, {kBlockLatentFrames, x_.size(2), x_.size(3), x_.size(4)});
  x_ = schedule_.add_noise(x_, fresh.to(x_.device(), at::kFloat).view(x_.sizes()),
                           times[static_cast<std::size_t>(step + 1)]);
}

void CausalPipeline::compute_together(const std::vector<CausalPipeline*>& blocks,
                                      const std::vector<const wan::TextContext*>& texts,
                                      const std::vector<NoiseSource*>& noise) {
  const CausalPipeline& any = *blocks.front();
  const wan::TextContext text = wan::side_by_side(texts);
  std::vector<at::Tensor> conditions;
  std::vector<wan::FrameAdditions> said;
  std::vector<nn::KvCache*> caches;
  for (CausalPipeline* block : blocks) {
    RUSHES_ASSERT(block->next_ == Work::denoise && block->step_ == 0);
    conditions.push_back(block->condition_);
    said.push_back(block->speech_);
    caches.push_back(&block->cache_);
  }
  const at::Tensor condition = at::cat(conditions);
  const wan::FrameAdditions speech = omniavatar::batch_of(said);
  const auto flow = [&](double time) {
    base::interruption_point();
    std::vector<at::Tensor> x;
    for (const CausalPipeline* block : blocks) x.push_back(block->x_);
    const at::Tensor t = at::full({1, kBlockLatentFrames}, time, any.x_.options());
    return any.model_->forward_together(at::cat(x).transpose(1, 2), t, text, condition, speech, caches)
        .transpose(1, 2)
        .to(at::kFloat);
  };
  for (int64_t step = 0; step < any.options_.steps; ++step) {
    for (CausalPipeline* block : blocks) block->hold_picture();
    const at::Tensor flows = flow(any.rounded(any.schedule_.timesteps()[static_cast<std::size_t>(step)]));
    for (std::size_t i = 0; i < blocks.size(); ++i)
      blocks[i]->denoise(flows.narrow(0, static_cast<int64_t>(i), 1), step, *noise[i]);
  }
  flow(0);
  for (CausalPipeline* block : blocks) block->is_computed_ = true;
}

void CausalPipeline::give_up() {
  cache_.cancel();
  next_ = Work::nothing;
  is_computed_ = false;
}

void CausalPipeline::skip_rerun() {
  RUSHES_ASSERT(next_ == Work::rerun);
  end_block();
}

void CausalPipeline::end_block() {
  if (options_.own_reference && !picture_.defined()) picture_ = x_.narrow(1, 0, 1).transpose(1, 2).clone();
  ++block_;
  next_ = Work::nothing;
  is_computed_ = false;
}

/// Velocity of x_, [1, F, C, h, w] float32. The cache gets the block's keys and values.
at::Tensor CausalPipeline::flow(double time, const wan::TextContext& text) {
  const at::Tensor t = at::full({1, x_.size(1)}, time, x_.options());
  return model_->forward(x_.transpose(1, 2), t, text, condition_, speech_, cache_).transpose(1, 2).to(at::kFloat);
}

int64_t CausalPipeline::bytes() const {
  int64_t total = cache_.bytes();
  for (const at::Tensor* tensor : {&picture_, &condition_, &x_, &speech_.values})
    if (tensor->defined()) total += static_cast<int64_t>(tensor->nbytes());
  return total;
}

}  // namespace rushes::generation
