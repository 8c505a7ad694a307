// How a time becomes the input of a network.
#pragma once
#include <ATen/core/Tensor.h>

namespace rushes::ltx {

inline constexpr int64_t kTimeSinusoid = 256;  // values

/// [cos, sin] of t 10000^(-i / 128), i = 0 .. 127. t [...] any dtype. Returns [..., 256] float32, rounded at each step
/// as in the published code.
at::Tensor time_sinusoid(const at::Tensor& t);

}  // namespace rushes::ltx
