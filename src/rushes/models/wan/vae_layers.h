// Layers of the Wan VAE: causal 3-d convolutions with a feature cache, so that a video can pass in pieces. Activations
// are [B, C, T, H, W] in memory order channels_last_3d. A layer has weights only; what it remembers of a stream is in
// the VaeState that a Pass carries along. Source: the Wan 2.1 VAE (arXiv:2503.20314, section 4.1).
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "rushes/models/wan/conv_compute.h"
#include "rushes/models/wan/upsample_conv.h"
#include "rushes/tensor/weight_map.h"

namespace rushes::wan {

enum class StreamStart {
  first_frame_alone,  // the first latent frame is one video frame (the trained behaviour)
  zero_caches,        // all caches begin as zeros: the first latent frame gives as many frames as the others
};

/// What an encoder or decoder remembers between pieces. Default-constructed at the start of a stream; a copy is a fork:
/// passes replace the tensors and never write into them.
struct VaeState {
  StreamStart start = StreamStart::first_frame_alone;
  std::vector<at::Tensor> caches;  // last two input frames of each cached convolution [B, C, 2, H, W]; undefined: zeros
  int64_t latent_frames = 0;       // that passed so far
  int64_t bytes() const;
};

/// One run of a piece through all layers, in order: every cached convolution takes the next slot of the state.
class Pass {
 public:
  explicit Pass(VaeState& state)
      : state_(state), alone_(state.latent_frames == 0 && state.start == StreamStart::first_frame_alone) {}
  /// The piece is the first frame, which is not resampled in time.
  bool first_frame_alone() const { return alone_; }
  at::Tensor& next_cache();

 private:
  VaeState& state_;
  std::size_t next_ = 0;
  bool alone_;
};

/// Convolution of [B, I, T, H, W]; causal in time: output frame t sees input frames t - kt + 1 to t.
struct Conv3d {
  at::Tensor weight, bias;
  Conv3d() = default;
  Conv3d(const tensor::WeightMap& weights, const std::string& key, std::vector<int64_t> shape, ConvCompute compute);
  /// `x` with kt - 1 frames of history in front. Returns as many frames as came without them, divided by the stride.
  at::Tensor forward(const at::Tensor& x, int64_t time_stride = 1) const;
};

/// Convolution 3x3 of each frame.
struct FrameConv {
  at::Tensor weight, bias;
  FrameConv() = default;
  FrameConv(const tensor::WeightMap& weights, const std::string& key, int64_t in, int64_t out, ConvCompute compute);
};

/// x / max(|x|, 1e-12) * sqrt(C) * gamma, the norm over channels.
struct ChannelNorm {
  at::Tensor gamma;  // [C]; float32 where fused
  ConvCompute compute;
  ChannelNorm() = default;
  ChannelNorm(const tensor::WeightMap& weights, const std::string& key, int64_t channels, int64_t axes,
              ConvCompute compute);
  at::Tensor forward(const at::Tensor& x) const;
  /// SiLU of the norm with the cached frames of the following convolution in front; the cache moves on.
  at::Tensor forward_silu_padded(const at::Tensor& x, at::Tensor& cache) const;
};

/// The cached frames (two, or zeros) and then x; the cache becomes the last two frames of both.
at::Tensor with_history(const at::Tensor& x, at::Tensor& cache);

struct ResidualBlock {
  ChannelNorm norm1, norm2;
  Conv3d conv1, conv2;
  std::optional<Conv3d> shortcut;
  ResidualBlock(const tensor::WeightMap& weights, int64_t in, int64_t out, ConvCompute compute);
  at::Tensor forward(const at::Tensor& x, Pass& pass) const;
};

/// Attention over the positions of each frame, one head, with residual.
struct FrameAttention {
  ChannelNorm norm;
  at::Tensor qkv_weight, qkv_bias, proj_weight, proj_bias;
  FrameAttention(const tensor::WeightMap& weights, int64_t channels, ConvCompute compute);
  at::Tensor forward(const at::Tensor& x) const;
};

/// Halves height and width, and with a time convolution the frames (not those of the first piece).
struct Downsample {
  FrameConv conv;
  std::optional<Conv3d> time;
  Downsample(const tensor::WeightMap& weights, int64_t channels, bool temporal, ConvCompute compute);
  at::Tensor forward(const at::Tensor& x, Pass& pass) const;
};

/// Doubles height and width and halves the channels; with a time convolution doubles the frames too (not the first).
struct Upsample {
  FrameConv conv;
  UpsampleConv folded;  // float32 on the CPU: instead of conv. In bf16 the summed taps would be rounded once more
  std::optional<Conv3d> time;
  Upsample(const tensor::WeightMap& weights, int64_t channels, bool temporal, ConvCompute compute);
  at::Tensor forward(const at::Tensor& x, Pass& pass) const;
};

}  // namespace rushes::wan
