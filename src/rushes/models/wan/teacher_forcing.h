// Training of the causal transformer in one pass over [clean | noisy] tokens with the block mask, instead of one pass
// per block through a cache: each noisy block sees the clean blocks before it and itself.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "rushes/models/wan/transformer.h"

namespace rushes::wan {

struct TeacherForcing {
  /// Latent frames of each block, in order; their sum is F. uniform_blocks() makes the usual ones.
  std::vector<int64_t> block_latent_frames;
  /// As in the cache with eviction: a block sees the sink and the newest latent frames, itself included. 0: all.
  int64_t window_latent_frames = 0;
  int64_t sink_latent_frames = 0;
  /// Time that the clean tokens carry.
  double context_time = 0.0;
};

/// {n, n, ...} with the sum latent_frames. Throws Error(invalid_argument) if n does not divide it.
std::vector<int64_t> uniform_blocks(int64_t latent_frames, int64_t n);

/// Flow of every noisy block given the clean blocks before it. Equals CausalTransformer::forward block after block,
/// each committed with its clean latents at context_time. Differentiable in the weights, `noisy` and `text`.
///   clean, noisy  [B, in_dim, F, h, w]
///   t             [B, F] times of the noisy latent frames
///   text          of core.context(), in the same graph when the text projections train
///   additions     of the F latent frames, the same for clean and noisy ones
/// Returns [B, out_dim, F, h, w].
at::Tensor forward_teacher_forcing(const TransformerCore& core, const at::Tensor& clean, const at::Tensor& noisy,
                                   const at::Tensor& t, const TextContext& text, const TeacherForcing& options,
                                   const FrameAdditions& additions = {});

/// Additions of F latent frames for the tokens of teacher forcing: the first `context_frames`, then all F.
FrameAdditions for_clean_and_noisy(const FrameAdditions& additions, int64_t context_frames);

}  // namespace rushes::wan
