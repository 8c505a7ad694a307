#include "rushes/models/omniavatar/avatar_transformer.h"

#include <fmt/ranges.h>

#include "rushes/base/error.h"
#include "rushes/nn/attention.h"
#include "rushes/tensor/ops.h"

namespace rushes::omniavatar {
namespace {

/// Latents and what stands beside them, as the patch convolution takes them.
at::Tensor joined(const TransformerConfig& config, const at::Tensor& latents, const at::Tensor& y) {
  require(latents.dim() == 5 && latents.size(1) == config.wan.out_dim, ErrorCode::invalid_argument,
          "latents have shape [{}], expected [B, {}, F, h, w]", fmt::join(latents.sizes(), ", "), config.wan.out_dim);
  const auto [pt, ph, pw] = config.wan.patch_size;
  require(latents.size(2) > 0 && latents.size(2) % pt == 0 && latents.size(3) % ph == 0 && latents.size(4) % pw == 0,
          ErrorCode::invalid_argument, "latents of {} x {} x {} cannot be cut into patches of {} x {} x {}",
          latents.size(2), latents.size(3), latents.size(4), pt, ph, pw);
  const bool fits = y.dim() == 5 && (y.size(0) == 1 || y.size(0) == latents.size(0)) &&
                    y.size(1) == config.condition_channels() && y.sizes().slice(2) == latents.sizes().slice(2);
  require(fits, ErrorCode::invalid_argument,
          "the condition of latents [{}] has shape [{}], expected {} channels of the same latent frames",
          fmt::join(latents.sizes(), ", "), fmt::join(y.sizes(), ", "), config.condition_channels());
  return at::cat({latents, y.to(latents.scalar_type()).expand({latents.size(0), -1, -1, -1, -1})}, 1);
}

const tensor::WeightMap& checked(const TransformerConfig& config, const tensor::WeightMap& weights) {
  require(config.wan.in_dim > config.wan.out_dim, ErrorCode::invalid_argument,
          "an avatar's transformer takes a picture and a mask beside {} latent channels, not {} channels",
          config.wan.out_dim, config.wan.in_dim);
  require(config.speech.group > 0 && config.speech.feature_dim > 0 && config.speech.hidden_size > 0,
          ErrorCode::invalid_argument, "sizes of speech must be at least 1, not {} x {} and {}", config.speech.group,
          config.speech.feature_dim, config.speech.hidden_size);
  return weights;
}

}  // namespace

at::Tensor condition_channels(const at::Tensor& reference, int64_t latent_frames, int64_t known_frames) {
  require(reference.dim() == 5 && reference.size(2) == 1 && known_frames >= 0 && known_frames <= latent_frames,
          ErrorCode::invalid_argument, "a picture of shape [{}], of which {} of {} latent frames are known",
          fmt::join(reference.sizes(), ", "), known_frames, latent_frames);
  const int64_t B = reference.size(0), h = reference.size(3), w = reference.size(4);
  at::Tensor mask = at::ones({B, 1, latent_frames, h, w}, reference.options());
  mask.narrow(2, 0, known_frames).zero_();
  return at::cat({reference.expand({-1, -1, latent_frames, -1, -1}), mask}, 1);
}

AvatarTransformer::AvatarTransformer(const TransformerConfig& config, const tensor::WeightMap& weights)
    : config_(config), core_(config.wan, checked(config, weights)), speech_(config, weights) {}

AvatarTransformer::Step AvatarTransformer::begin(const at::Tensor& latents, const at::Tensor& t,
                                                 const at::Tensor& y) const {
  const at::Tensor channels = joined(config_, latents, y);
  require(t.dim() == 1 && t.size(0) == latents.size(0), ErrorCode::invalid_argument,
          "t must be [{}], one time per sample", latents.size(0));
  return {core_.embed(channels), core_.embed_time(t.unsqueeze(1)), core_.grid(channels, 0)};
}

at::Tensor AvatarTransformer::finish(Step& step, const wan::TextContext& text,
                                     const wan::FrameAdditions& speech) const {
  const auto attend = [](int64_t, const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
    return nn::attention(q, k, v);
  };
  return core_.flow_of_tokens(step.tokens, step.time, text, step.grid, attend, speech);
}

at::Tensor AvatarTransformer::forward(const at::Tensor& latents, const at::Tensor& t, const wan::TextContext& text,
                                      const at::Tensor& y, const wan::FrameAdditions& speech) const {
  Step step = begin(latents, t, y);
  return finish(step, text, speech);
}

CausalAvatarTransformer::CausalAvatarTransformer(const TransformerConfig& config, const tensor::WeightMap& weights)
    : config_(config), transformer_(config.wan, checked(config, weights)), speech_(config, weights) {}

nn::KvCache::Options CausalAvatarTransformer::storage_of(const CacheOptions& options) const {
  return {.layers = config_.wan.num_layers,
          .heads = config_.wan.num_heads,
          .head_size = config_.wan.head_size(),
          .tokens_per_frame = config_.wan.tokens_per_frame(options.height, options.width),
          .capacity_tokens = options.capacity_tokens,
          .sink_latent_frames = options.sink_latent_frames,
          .evicts = options.evicts,
          .batch = options.batch};
}

nn::KvCache CausalAvatarTransformer::make_cache(const CacheOptions& options) const {
  return nn::KvCache(storage_of(options), this->options().requires_grad(false));
}

int64_t CausalAvatarTransformer::working_bytes(const CacheOptions& options, int64_t latent_frames) const {
  const nn::KvCache::Options storage = storage_of(options);
  return nn::KvCache::bytes_of(storage, this->options().dtype().toScalarType()) +
         transformer_.core().pass_bytes(options.batch * latent_frames * storage.tokens_per_frame);
}

at::Tensor CausalAvatarTransformer::forward(const at::Tensor& latents, const at::Tensor& t,
                                            const wan::TextContext& text, const at::Tensor& y,
                                            const wan::FrameAdditions& speech, nn::KvCache& past) const {
  return transformer_.forward(joined(config_, latents, y), t, text, past, speech);
}

at::Tensor CausalAvatarTransformer::forward_together(const at::Tensor& latents, const at::Tensor& t,
                                                     const wan::TextContext& text, const at::Tensor& y,
                                                     const wan::FrameAdditions& speech,
                                                     const std::vector<nn::KvCache*>& pasts) const {
  return transformer_.forward_together(joined(config_, latents, y), t, text, pasts, speech);
}

}  // namespace rushes::omniavatar
