// Convolutions with fewer products, by Winograd's minimal filtering (arXiv:1509.09308): the input of a tile of outputs
// and the weights become values of polynomials at a few points along each axis, where a convolution is a product value
// by value. Sums in float32; each image's result is the same, bit by bit, whatever images it comes with.
#pragma once
#include <cstdint>

#include "rushes/tensor/kernels/cpu/simd.h"

namespace rushes::tensor::kernels {

/// Stride 1, padding that keeps the sides, of zeros but where repeats_ends says otherwise; channels last.
struct WinogradConv {
  int64_t images, depth, height, width;  // of x; depth 1: pictures, not volumes
  int64_t in, out;                       // channels
  int64_t kernel_depth;                  // odd; no products are saved along it
  int64_t side;                          // of the kernel, 3 or 7
  int64_t repeats = 1;                   // of each value of x along height and width, before the convolution: with
                                         // side 3 also 2 and 4
  bool repeats_ends = false;             // before and after the slices the first and the last one are seen, not zeros
  bool causal = false;                   // an output sees its own slice and those before it, else as many after it
};

/// x [images, depth, height, width, in], weight [out, in, kernel_depth, side, side], bias [out] or null, to
/// out [images, depth, repeats * height, repeats * width, out]. T is the storage, float or Bf16. Uses the intra-op
/// threads of libtorch. Holds the transformed weights while it runs: 4 times their size, of 7 x 7 and of repeated
/// values 4 times and once.
///   side 3     36 products for 16 outputs and each input channel, not 144; error 1e-6 of the outputs' size
///   side 7     as four kernels of 4 x 4: 196, not 784; error 3e-6
///   repeats 2  9 products for 4 outputs, not 36; repeats 4: 9 for 16, not 144
template <typename T>
void winograd_conv(const WinogradConv& conv, const T* x, const T* weight, const float* bias, T* out);

}  // namespace rushes::tensor::kernels
