#include "rushes/training/psnr.h"

#include <cmath>

#include "rushes/tensor/ops.h"

namespace rushes::training {

double psnr(const at::Tensor& made, const at::Tensor& truth) {
  return -10 * std::log10((made - truth).square().mean().item<double>());
}

}  // namespace rushes::training
