// How near pictures are to others.
#pragma once
#include <ATen/core/Tensor.h>

namespace rushes::training {

/// Peak signal-to-noise ratio in dB of pictures in [0, 1], of any one shape: -10 log10 of the mean squared error.
double psnr(const at::Tensor& made, const at::Tensor& truth);

}  // namespace rushes::training
