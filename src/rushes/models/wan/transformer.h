// The Wan diffusion transformer: causal by blocks of latent frames (Self-Forcing) and bidirectional (text-to-video and
// image-to-video). Weights have the published key names; both kinds have the same ones. No state: caches are the
// caller's. Any thread, as long as each call has its own cache.
#pragma once
#include <ATen/core/Tensor.h>

#include <memory>
#include <vector>

#include "rushes/models/wan/block.h"
#include "rushes/models/wan/config.h"
#include "rushes/models/wan/embeddings.h"
#include "rushes/models/wan/frame_additions.h"
#include "rushes/models/wan/fused_transformer.h"
#include "rushes/nn/kv_cache.h"
#include "rushes/nn/rope.h"
#include "rushes/tensor/weight_map.h"

namespace rushes::wan {

/// A prompt as the blocks see it: keys and values of every layer's cross-attention. Made once per prompt by context(),
/// immutable, shared by steps and sessions. B = 1 serves any batch.
using TextContext = nn::CrossKeyValues;

/// Those of several samples as a batch; of one prompt that all have itself. Without image tokens.
TextContext side_by_side(const std::vector<const TextContext*>& samples);

/// Embeddings, blocks and head, which all kinds of transformer share.
class TransformerCore {
 public:
  /// Throws Error(corrupt_data) naming a missing or misshapen tensor.
  TransformerCore(const TransformerConfig& config, const tensor::WeightMap& weights);

  /// text [B, L <= text_len, text_dim] output of the text encoder; image [B, 257, image_dim] CLIP tokens, undefined
  /// without. Throws Error(invalid_argument) for other shapes.
  TextContext context(const at::Tensor& text, const at::Tensor& image = {}) const;

  /// latents [B, in_dim, F, h, w] to tokens [B, L, C] of the weights' dtype.
  at::Tensor embed(const at::Tensor& latents) const;
  TimeEmbedding embed_time(const at::Tensor& t) const { return time_.forward(t); }
  /// Flow [B, out_dim, F, h, w] of latents [B, in_dim, F, h, w] on `grid`, whose layers attend by `attend`. By fused
  /// kernels where these weights and no wanted gradient allow it, else block by block. Throws Error(invalid_argument)
  /// for additions that do not fit.
  at::Tensor flow(const at::Tensor& latents, const TimeEmbedding& time, const TextContext& text,
                  const nn::TokenGrid& grid, const LayerAttend& attend, const FrameAdditions& additions = {}) const;
  /// The same of samples that begin at `start_frames` each, instead of grid.start_frame, and at the time of the first.
  at::Tensor flow_of_samples(const at::Tensor& latents, const at::Tensor& t, const TextContext& text,
                             const nn::TokenGrid& grid, const std::vector<int64_t>& start_frames,
                             const LayerAttend& attend, const FrameAdditions& additions) const;
  /// The same from tokens [B, L, C] of embed(), contiguous, which are overwritten by those that leave the last block.
  /// What they gained there, added to other tokens, replaces the blocks: head() makes the flow of them.
  at::Tensor flow_of_tokens(at::Tensor& tokens, const TimeEmbedding& time, const TextContext& text,
                            const nn::TokenGrid& grid, const LayerAttend& attend,
                            const FrameAdditions& additions = {}) const;
  /// Flow [B, out_dim, F, h, w] from tokens [B, L, C] and the time embedding e [B, F, C] (or [B, 1, C]).
  at::Tensor head(const at::Tensor& x, const at::Tensor& e, const nn::TokenGrid& grid) const;
  /// What becomes of a sample in flow() does not depend on those beside it: to the bit on CPUs, where products do not
  /// always keep that; elsewhere up to rounding.
  bool samples_are_independent() const;
  /// Rotary table for a grid: complex128, or complex64 while gradients are recorded.
  at::Tensor rope(const nn::TokenGrid& grid) const;
  /// Tokens of latents [.., F, h, w] whose first latent frame is start_frame.
  nn::TokenGrid grid(const at::Tensor& latents, int64_t start_frame) const;
  const std::vector<Block>& blocks() const noexcept { return blocks_; }
  const TransformerConfig& config() const noexcept { return config_; }
  at::TensorOptions options() const { return patch_w_.options(); }

  /// As nn::pass_bytes().
  int64_t pass_bytes(int64_t tokens) const;

 private:
  at::Tensor flow_of_tokens(at::Tensor& tokens, const TimeEmbedding& time, const TextContext& text,
                            const nn::TokenGrid& grid, const at::Tensor& rope, const LayerAttend& attend,
                            const FrameAdditions& additions) const;
  at::Tensor to_latents(const at::Tensor& patches, const nn::TokenGrid& grid) const;

  TransformerConfig config_;
  at::Tensor patch_w_, patch_b_;
  TimeEmbedder time_;
  TextEmbedder text_;
  std::vector<ImageEmbedder> image_;  // none or one
  std::vector<Block> blocks_;
  nn::Linear head_;
  at::Tensor head_modulation_;
  std::shared_ptr<const FusedTransformer> fused_;  // null where it does not serve the weights
};

/// Denoises one block of latent frames after those that a cache holds.
class CausalTransformer {
 public:
  CausalTransformer(const TransformerConfig& config, const tensor::WeightMap& weights) : core_(config, weights) {}

  TextContext context(const at::Tensor& text) const { return core_.context(text); }

  struct CacheOptions {
    int64_t height, width;  // latent size h, w
    /// Longest segment. A model with a local window (local_attn_size) holds that window instead, without end.
    int64_t capacity_latent_frames = 21;
    int64_t batch = 1;
  };
  /// An empty cache of the weights' dtype and device, with the window and sink of the configuration.
  nn::KvCache make_cache(const CacheOptions& options) const;
  /// Memory that a cache and forward() of a block of `latent_frames` with it take, about.
  int64_t working_bytes(const CacheOptions& options, int64_t latent_frames) const;

  /// Flow (noise - clean) of the block that follows `past`. Its keys and values are written to `past`, provisional
  /// until past.commit(): call again for the next denoising step, then with the clean latents, then commit.
  ///   latents  [B, in_dim, F, h, w] any floating dtype
  ///   t        [B, F] time of each latent frame, 0..1000, float32 (bfloat16 rounds the times)
  ///   text     of context(), batch 1 or B
  ///   additions  of these F latent frames
  /// Returns [B, out_dim, F, h, w], dtype of the weights. Throws Error(invalid_argument, exhausted), see
  /// KvCache::write. Source: arXiv:2506.08009.
  at::Tensor forward(const at::Tensor& latents, const at::Tensor& t, const TextContext& text, nn::KvCache& past,
                     const FrameAdditions& additions = {}) const;
  /// The same of several videos in one pass, each after its own past of batch 1, wherever that ends: samples of
  /// latents, of the text and of the additions are theirs; t [1, F] is the same for all.
  at::Tensor forward_together(const at::Tensor& latents, const at::Tensor& t, const TextContext& text,
                              const std::vector<nn::KvCache*>& pasts, const FrameAdditions& additions = {}) const;

  const TransformerCore& core() const noexcept { return core_; }
  const TransformerConfig& config() const noexcept { return core_.config(); }

 private:
  nn::KvCache::Options storage_of(const CacheOptions& options) const;

  TransformerCore core_;
};

/// The bidirectional model: all tokens see each other.
class Transformer {
 public:
  Transformer(const TransformerConfig& config, const tensor::WeightMap& weights) : core_(config, weights) {}

  TextContext context(const at::Tensor& text, const at::Tensor& image = {}) const { return core_.context(text, image); }

  /// Flow of whole clips: latents [B, in_dim - condition channels, F, h, w], t [B], condition [B, .., F, h, w],
  /// channels that follow those of the latents: of i2v_condition(), undefined for text-to-video. Returns [B, out_dim,
  /// F, h, w], dtype of the weights. seq_len is the reference's padded length; its padding rows are neither seen by
  /// others nor returned, so they are not computed, but as there more tokens than seq_len are an
  /// Error(invalid_argument). 0: no limit.
  at::Tensor forward(const at::Tensor& latents, const at::Tensor& t, const TextContext& text,
                     const at::Tensor& condition = {}, int64_t seq_len = 0, const FrameAdditions& additions = {}) const;

  const TransformerCore& core() const noexcept { return core_; }
  const TransformerConfig& config() const noexcept { return core_.config(); }

 private:
  TransformerCore core_;
};

}  // namespace rushes::wan
