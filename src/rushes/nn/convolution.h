// Convolutions as inference on a CPU is quickest.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>

namespace rushes::nn {

/// Over two or three space axes with stride 1; padding with zeros keeps the sides: x [B, in, (D,) H, W],
/// weight [out, in / groups, (kd,) kh, kw] with odd sides, bias [out] or undefined. Returns [B, out, (D,) H, W].
/// Differentiable where gradients are wanted. On CPUs by Winograd's filtering where it pays (many channels and
/// positions, kernels of 3 x 3 or 7 x 7): then in float32 whatever the dtype, with channels last in memory, and to
/// about 1e-6 (7 x 7: 3e-6) of the results' size. Else by oneDNN whatever the size is: for small images and one thread
/// libtorch takes a slow path of its own. bfloat16 on CPUs without AVX512-BF16: products and sums in float32, one
/// rounding of the result.
at::Tensor same_conv(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias = {}, int64_t groups = 1);

/// What of time an output sees besides its own frame.
enum class TimeView { both_sides, past };

/// same_conv() over frames, height and width whose time is padded by repeating the first frame and, where both sides
/// are seen, the last one: x [B, in, T, H, W], weight [out, in, kt, kh, kw]. Returns [B, out, T, H, W].
at::Tensor frames_conv(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, TimeView view);

/// same_conv() of x whose values are repeated along height and width, `repeats` times each (nearest neighbours). Where
/// it pays on CPUs, 3 x 3 after 2 or 4 repeats, what repeats is multiplied once and the large input is never made.
at::Tensor repeated_conv(const at::Tensor& x, int64_t repeats, const at::Tensor& weight, const at::Tensor& bias = {});

}  // namespace rushes::nn
