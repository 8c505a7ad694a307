// What turns times, texts, pictures and latents into the transformer's tokens and back.
#pragma once
#include <ATen/core/Tensor.h>

#include "rushes/models/wan/config.h"
#include "rushes/tensor/weight_map.h"

namespace rushes::wan {

/// [cos(t w_k), sin(t w_k)], w_k = 10000^(-k / (freq_dim / 2)), of times t [..] (any real). Returns float64 [..,
/// freq_dim].
at::Tensor time_sinusoid(const at::Tensor& t, int64_t freq_dim);

/// Time embedding of a step. e [B, F, C] feeds the head, e0 [B, F, 6, C] every block.
struct TimeEmbedding {
  at::Tensor e, e0;
};

/// Keys time_embedding.{0,2}.*, time_projection.1.*.
class TimeEmbedder {
 public:
  TimeEmbedder(const TransformerConfig& config, const tensor::WeightMap& weights);
  /// t [B, F] any dtype, one time in [0, 1000] per latent frame. The sinusoid is float64, the rest the weights' dtype.
  TimeEmbedding forward(const at::Tensor& t) const;

 private:
  int64_t freq_dim_, dim_;
  at::Tensor in_w_, in_b_, out_w_, out_b_, projection_w_, projection_b_;
};

/// Keys text_embedding.{0,2}.*: zero-pads to text_len rows, then a two-layer MLP. Padding rows become a constant
/// non-zero vector and are attended, as in the reference.
class TextEmbedder {
 public:
  TextEmbedder(const TransformerConfig& config, const tensor::WeightMap& weights);
  /// text [B, L <= text_len, text_dim]. Returns [B, text_len, C]. Throws Error(invalid_argument) on other shapes.
  at::Tensor forward(const at::Tensor& text) const;

 private:
  int64_t text_len_, text_dim_;
  at::Tensor in_w_, in_b_, out_w_, out_b_;
};

/// Keys img_emb.proj.{0,1,3,4}.*: CLIP tokens [B, 257, image_dim] to [B, 257, C].
class ImageEmbedder {
 public:
  ImageEmbedder(const TransformerConfig& config, const tensor::WeightMap& weights);
  at::Tensor forward(const at::Tensor& tokens) const;

 private:
  at::Tensor norm_in_w_, norm_in_b_, in_w_, in_b_, out_w_, out_b_, norm_out_w_, norm_out_b_;
};

/// Latents [B, C, F, h, w] cut into patches, in token order (frame, row, column). Returns [B, L, C * pt * ph * pw] with
/// the patch's values in the order of the patch convolution's weight: channel, frame, row, column.
at::Tensor patchify(const at::Tensor& latents, const TransformerConfig& config);

/// Inverse for the head's output: tokens [B, L, pt * ph * pw * out_dim], channel fastest. Returns [B, out_dim, F, h,
/// w].
at::Tensor unpatchify(const at::Tensor& tokens, int64_t latent_frames, int64_t height, int64_t width,
                      const TransformerConfig& config);

/// Conditioning channels of an image-to-video model: image_latent [16, F, h, w] is the VAE code of the picture followed
/// by black frames. Returns [20, F, h, w]: 4 mask channels (1 at latent frame 0, else 0), then the latent.
at::Tensor i2v_condition(const at::Tensor& image_latent);

}  // namespace rushes::wan
