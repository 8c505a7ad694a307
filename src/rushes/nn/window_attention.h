// Attention inside the windows of a map (Swin transformer, arXiv:2103.14030).
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>

namespace rushes::nn {

struct Windows {
  int64_t side;   // of a window, in cells; divides the side of the map
  int64_t shift;  // cells from the map's edge to the first window; windows wrap around the edge
};

/// softmax(q k^T / sqrt(D) + bias) v inside each window. q, k, v [B, S, S, C], bias [N, side^2, side^2] float32 with N
/// heads, which divide C. Cells that share a window only because it wraps around the edge do not see each other (their
/// scores get -100). Returns [B, S, S, C]. On the CPU without gradients by our kernel, elsewhere by libtorch's
/// operators. Throws Error(invalid_argument) if the windows do not tile the map.
at::Tensor window_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const at::Tensor& bias,
                            const Windows& windows);

/// libtorch's operators: the path of training, and the yardstick of tests and benchmarks.
at::Tensor stock_window_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const at::Tensor& bias,
                                  const Windows& windows);

}  // namespace rushes::nn
