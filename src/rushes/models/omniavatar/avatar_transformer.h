// The diffusion transformer of an avatar: Wan's, which also sees a reference picture beside the latents and speech
// between its blocks. Bidirectional for segments, causal for blocks that stream. No state: caches are the caller's. Any
// thread, as long as each call has its own cache.
#pragma once
#include <ATen/core/Tensor.h>

#include "rushes/models/omniavatar/config.h"
#include "rushes/models/omniavatar/speech_conditioner.h"
#include "rushes/models/wan/transformer.h"
#include "rushes/nn/kv_cache.h"
#include "rushes/tensor/weight_map.h"

namespace rushes::omniavatar {

/// The channels y beside the latents: the reference picture's latent in every latent frame, then the mask, which is 0
/// in latent frames that are given and 1 in those to be made (Wan's image-to-video has it the other way round).
///   reference     [B, C, 1, h, w]: the code of the picture
///   known_frames  first latent frames that are given
/// Returns [B, C + 1, latent_frames, h, w], like the reference.
at::Tensor condition_channels(const at::Tensor& reference, int64_t latent_frames, int64_t known_frames);

/// Segments at once: all latent frames see each other.
class AvatarTransformer {
 public:
  /// Throws Error(corrupt_data) naming a missing or misshapen tensor.
  AvatarTransformer(const TransformerConfig& config, const tensor::WeightMap& weights);

  /// text [B, L <= text_len, text_dim] of the text encoder; padded with zeros to text_len rows, which are attended.
  wan::TextContext context(const at::Tensor& text) const { return core_.context(text); }
  wan::FrameAdditions speech(const at::Tensor& features) const { return speech_.forward(features); }

  /// Flow of a whole segment.
  ///   latents  [B, out_dim, F, h, w] any floating dtype
  ///   t        [B] times, 0..1000, float32 (bfloat16 rounds them)
  ///   text     of context(), batch 1 or B; speech, of these F latent frames, and y the same
  ///   y        [B, config().condition_channels(), F, h, w], see condition_channels()
  /// Returns [B, out_dim, F, h, w], dtype of the weights. Throws Error(invalid_argument) for shapes that do not fit.
  at::Tensor forward(const at::Tensor& latents, const at::Tensor& t, const wan::TextContext& text, const at::Tensor& y,
                     const wan::FrameAdditions& speech) const;

  /// forward() in parts, so that what the blocks add to the tokens can be kept and added again in their place: flow is
  /// finish() of begin(), and also head() of a step whose tokens have gained what they gain in finish().
  struct Step {
    at::Tensor tokens;  // [B, L, C]; finish() makes those that leave the last block of them
    wan::TimeEmbedding time;
    nn::TokenGrid grid;
  };
  Step begin(const at::Tensor& latents, const at::Tensor& t, const at::Tensor& y) const;
  at::Tensor finish(Step& step, const wan::TextContext& text, const wan::FrameAdditions& speech) const;
  at::Tensor head(const Step& step) const { return core_.head(step.tokens, step.time.e, step.grid); }

  const TransformerConfig& config() const noexcept { return config_; }
  at::TensorOptions options() const { return core_.options(); }
  /// Activations of a pass over latents [batch, C, latent_frames, height, width], about.
  int64_t working_bytes(int64_t batch, int64_t latent_frames, int64_t height, int64_t width) const {
    return core_.pass_bytes(batch * latent_frames * config_.wan.tokens_per_frame(height, width));
  }

 private:
  TransformerConfig config_;
  wan::TransformerCore core_;
  SpeechConditioner speech_;
};

/// Latent frames block after block: each sees those before it through a cache.
class CausalAvatarTransformer {
 public:
  CausalAvatarTransformer(const TransformerConfig& config, const tensor::WeightMap& weights);

  wan::TextContext context(const at::Tensor& text) const { return transformer_.context(text); }
  wan::FrameAdditions speech(const at::Tensor& features) const { return speech_.forward(features); }

  struct CacheOptions {
    int64_t height, width;           // latent size h, w
    int64_t capacity_tokens;         // what a block can look back on, itself included; need be no whole latent frames
    int64_t sink_latent_frames = 0;  // first latent frames that are never evicted
    bool evicts = true;              // else a full cache is an error
    int64_t batch = 1;
  };
  nn::KvCache make_cache(const CacheOptions& options) const;
  /// Memory that a cache and forward() of a block of `latent_frames` with it take, about.
  int64_t working_bytes(const CacheOptions& options, int64_t latent_frames) const;

  /// Flow of the block that follows `past`, see wan::CausalTransformer::forward.
  ///   latents  [B, out_dim, F, h, w]
  ///   t        [B, F] time of each latent frame, 0..1000, float32
  ///   y        [B, condition channels, F, h, w] of this block's latent frames
  ///   speech   of this block's latent frames
  at::Tensor forward(const at::Tensor& latents, const at::Tensor& t, const wan::TextContext& text, const at::Tensor& y,
                     const wan::FrameAdditions& speech, nn::KvCache& past) const;
  /// The same of several avatars in one pass, see wan::CausalTransformer::forward_together: y and speech of each.
  at::Tensor forward_together(const at::Tensor& latents, const at::Tensor& t, const wan::TextContext& text,
                              const at::Tensor& y, const wan::FrameAdditions& speech,
                              const std::vector<nn::KvCache*>& pasts) const;

  const TransformerConfig& config() const noexcept { return config_; }
  const wan::CausalTransformer& transformer() const noexcept { return transformer_; }
  const SpeechConditioner& conditioner() const noexcept { return speech_; }
  at::TensorOptions options() const { return transformer_.core().options(); }

 private:
  nn::KvCache::Options storage_of(const CacheOptions& options) const;

  TransformerConfig config_;
  wan::CausalTransformer transformer_;
  SpeechConditioner speech_;
};

}  // namespace rushes::omniavatar
