// Norms and copies between the convolutions of a video VAE, one pass over memory each; positions are rows, channels
// lie last. T is the storage, float or Bf16; arithmetic is float32. All use the intra-op threads of libtorch.
#pragma once
#include <cstdint>

#include "rushes/tensor/kernels/cpu/simd.h"

namespace rushes::tensor::kernels {

enum class AfterNorm { nothing, silu };

/// out = x / max(|x|, 1e-12) * sqrt(C) * gamma over each row of C values, then y * sigmoid(y) if asked for.
/// x, out [rows, C], gamma [C]; out may be x. Any C from 1 on. Speed is that of memory: no wider path would help.
template <typename T>
void channel_norm(int64_t rows, int64_t channels, const T* x, const float* gamma, AfterNorm after, T* out);

/// Puts the four phases of a convolution fused with a doubling of height and width in their places.
///   phases  [N, h + 1, w + 1, S, 2, 2, C]: the value for pixel (2 y + a, 2 x + b) of output frame s is at
///           (y + a, x + b, s, a, b)
///   out     [N / inner, S, inner, 2 h, 2 w, C]: output frames of a batch of `inner` in order of time
void interleave_phases(int64_t images, int64_t inner, int64_t height, int64_t width, int64_t frames, int64_t channels,
                       const float* phases, float* out);

}  // namespace rushes::tensor::kernels
