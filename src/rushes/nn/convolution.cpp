#include "rushes/nn/convolution.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/mkldnn_convolution.h>

#include <vector>

#include "rushes/tensor/kernels/cpu/flash_attention.h"
#include "rushes/tensor/ops.h"

namespace rushes::nn {

at::Tensor same_conv(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, int64_t groups) {
  const std::vector<int64_t> ones(static_cast<std::size_t>(weight.dim() - 2), 1);
  std::vector<int64_t> padding;
  for (int64_t axis = 2; axis < weight.dim(); ++axis) padding.push_back(weight.size(axis) / 2);
  const bool trains = at::GradMode::is_enabled() && (x.requires_grad() || weight.requires_grad());
  if (!x.is_cpu() || trains)
    return weight.dim() == 5 ? at::conv3d(x, weight, bias, ones, padding, ones, groups)
                             : at::conv2d(x, weight, bias, ones, padding, ones, groups);
  if (x.scalar_type() == at::kBFloat16 && !tensor::kernels::has_bf16_products())
    return same_conv(x.to(at::kFloat), weight.to(at::kFloat), bias.defined() ? bias.to(at::kFloat) : bias, groups)
        .to(at::kBFloat16);
  return at::mkldnn_convolution(x.contiguous(), weight, bias, padding, ones, ones, groups);
}

}  // namespace rushes::nn
