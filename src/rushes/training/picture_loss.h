// How an autoencoder's pictures are judged while it learns.
#pragma once
#include <ATen/core/Tensor.h>

namespace rushes::training {

struct PictureLoss {
  at::Tensor total;  // differentiable
  double l1, psnr;   // plain mean difference, and dB
};

/// Absolute and squared differences, four times as heavy at outlines, and differences of neighbouring pixels: of flat
/// pictures the outlines are two pixels in a hundred and all that is hard. made, drawn [N, T, 3, H, W] in [0, 1].
PictureLoss picture_loss(const at::Tensor& made, const at::Tensor& drawn);

}  // namespace rushes::training
