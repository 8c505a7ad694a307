// Layers of the LTX VAE. Activations are [B, C, T, H, W] with channels last in memory; time is padded by repeating the
// first frame and, where the module may look ahead, the last one.
#pragma once
#include <ATen/core/Tensor.h>

#include <array>
#include <functional>
#include <optional>
#include <string>

#include "rushes/models/ltx/config.h"
#include "rushes/nn/linear.h"
#include "rushes/tensor/weight_map.h"

namespace rushes::ltx {

/// In what type a VAE computes: a choice of the machine. Inputs are widened at its border and outputs rounded there.
struct VaeCompute {
  at::ScalarType dtype = at::kFloat;
  bool trainable = false;  // autograd: weights as they are, nothing in place
  bool fused = false;      // own CPU kernels
};
/// For all of `weights`, judged by the tensor `any_key`.
VaeCompute vae_compute(const tensor::WeightMap& weights, std::string_view any_key);

/// A map [height, width] of standard normal noise.
using SpatialNoise = std::function<at::Tensor(int64_t height, int64_t width)>;

enum class Causality { causal, centred };

/// Convolution with a cubic kernel of side 1 or 3, zeros around each frame. Key {conv.weight, conv.bias}.
class Conv {
 public:
  Conv() = default;
  Conv(const tensor::WeightMap& weights, const std::string& key, int64_t in, int64_t out, int64_t side,
       Causality causality, VaeCompute compute);
  /// stride 2: halves the frames (T = 2k + 1 to k + 1), height and width.
  at::Tensor operator()(const at::Tensor& x, int64_t stride = 1) const;
  /// Outputs in another order: of `groups` in each of them first all firsts, then all seconds, ... Not where trained.
  void transpose_outputs(int64_t groups);

 private:
  at::Tensor weight_, bias_;
  Causality causality_ = Causality::causal;
  VaeCompute compute_;
};

/// x / sqrt(mean over channels of x^2 + 1e-8), modulated x (1 + scale) + shift where given ([B, C]), then SiLU.
struct Modulation {
  at::Tensor shift, scale;  // undefined: none
};
at::Tensor norm_silu(const at::Tensor& x, const Modulation& modulation, VaeCompute compute);

/// Embedding of a time for the shifts and scales of a block: sinusoid of 256 values, two linear layers.
class TimeEmbedder {
 public:
  /// Keys timestep_embedder.linear_{1,2}.*.
  TimeEmbedder(const tensor::WeightMap& weights, int64_t out, VaeCompute compute);
  /// timestep [B] float32. Returns [B, out].
  at::Tensor operator()(const at::Tensor& timestep) const;

 private:
  nn::Linear in_, out_;
};

struct ResnetOptions {
  Causality causality = Causality::causal;
  bool injects_noise = false, is_timed = false;
  double shortcut_eps = 1e-6;
};

/// conv2(silu(norm(conv1(silu(norm(x)))))) + shortcut; the shortcut is a layer norm and a 1x1x1 convolution where the
/// channels change.
class ResnetBlock {
 public:
  ResnetBlock(const tensor::WeightMap& weights, int64_t in, int64_t out, const ResnetOptions& options,
              VaeCompute compute);
  /// time [B, 4 in], of timed blocks: shift1, scale1, shift2, scale2 before the block's own table is added.
  at::Tensor operator()(const at::Tensor& x, const at::Tensor& time = {}, const SpatialNoise& noise = {}) const;

 private:
  at::Tensor noised(const at::Tensor& x, const at::Tensor& strength, const SpatialNoise& noise) const;

  Conv conv1_, conv2_;
  std::optional<Conv> shortcut_;
  at::Tensor norm3_weight_, norm3_bias_;  // of the shortcut
  at::Tensor noise1_, noise2_;            // [in, 1, 1]
  at::Tensor table_;                      // [4, in]
  double shortcut_eps_;
  VaeCompute compute_;
};

/// 0.9.5: moves pixels to channels after a convolution, plus the mean of groups of the input's moved pixels.
class PixelDownsampler {
 public:
  /// stride: frames, rows, columns.
  PixelDownsampler(const tensor::WeightMap& weights, int64_t in, int64_t out, std::array<int64_t, 3> stride,
                   Causality causality, VaeCompute compute);
  at::Tensor operator()(const at::Tensor& x) const;

 private:
  std::array<int64_t, 3> stride_;
  int64_t group_;
  Conv conv_;
};

/// A convolution to more channels, which become pixels: doubles frames (2 T - 1), height and width.
class PixelUpsampler {
 public:
  /// in channels to in / factor; residual: adds the input's own channels as pixels, repeated.
  PixelUpsampler(const tensor::WeightMap& weights, int64_t in, int64_t factor, bool residual, Causality causality,
                 VaeCompute compute);
  at::Tensor operator()(const at::Tensor& x) const;

 private:
  int64_t factor_;
  bool residual_, pixels_first_;  // of the convolution's outputs: where they move, runs of memory stay whole
  Conv conv_;
};

/// Pixels of patches to channels, [B, C, T, H, W] to [B, C pt p p, T / pt, H / p, W / p], in the order c, t, column,
/// row, and back.
at::Tensor patchify(const at::Tensor& video, int64_t patch, int64_t patch_t);
at::Tensor unpatchify(const at::Tensor& x, int64_t patch, int64_t patch_t);

}  // namespace rushes::ltx
