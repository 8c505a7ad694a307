#include "rushes/nn/convolution.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/mkldnn_convolution.h>
#include <ATen/ops/upsample_nearest3d.h>

#include <vector>

#include "rushes/tensor/kernels/cpu/flash_attention.h"
#include "rushes/tensor/kernels/cpu/winograd.h"
#include "rushes/tensor/ops.h"

namespace rushes::nn {
namespace {

using tensor::kernels::Bf16;
using tensor::kernels::WinogradConv;

bool trains(const at::Tensor& x, const at::Tensor& weight) {
  return at::GradMode::is_enabled() && (x.requires_grad() || weight.requires_grad());
}

/// Of fewer channels the transforms take longer than the products that they save; with fewer tiles, that of the
/// weights.
bool winograd_pays(const at::Tensor& x, const at::Tensor& weight, int64_t repeats) {
  constexpr int64_t kFewestIn = 32, kFewestOut = 16, kFewestTiles = 128;
  const int64_t side = weight.size(-1), tile = repeats == 1 ? 4 : 1, tiles = x.numel() / x.size(1) / (tile * tile);
  return x.is_cpu() && (x.scalar_type() == at::kFloat || x.scalar_type() == at::kBFloat16) &&
         weight.scalar_type() == x.scalar_type() && !trains(x, weight) && weight.size(-2) == side &&
         (side == 3 || (side == 7 && repeats == 1)) && (repeats == 1 || repeats == 2 || repeats == 4) &&
         weight.size(1) >= kFewestIn && weight.size(0) >= kFewestOut && tiles >= kFewestTiles;
}

struct TimeEdges {
  bool repeats_ends = false, causal = false;
};

at::Tensor winograd(const at::Tensor& x, int64_t repeats, const at::Tensor& weight, const at::Tensor& bias,
                    TimeEdges edges = {}) {
  const bool is_volume = x.dim() == 5;
  const auto format = is_volume ? at::MemoryFormat::ChannelsLast3d : at::MemoryFormat::ChannelsLast;
  const at::Tensor from = x.contiguous(format), kernel = weight.contiguous(),
                   offset = bias.defined() ? bias.to(at::kFloat).contiguous() : bias;
  std::vector<int64_t> shape = x.sizes().vec();
  shape[1] = weight.size(0);
  for (std::size_t axis = shape.size() - 2; axis < shape.size(); ++axis) shape[axis] *= repeats;
  at::Tensor out = at::empty(shape, x.options().memory_format(format));
  const WinogradConv conv{.images = x.size(0),
                          .depth = is_volume ? x.size(2) : 1,
                          .height = x.size(-2),
                          .width = x.size(-1),
                          .in = x.size(1),
                          .out = weight.size(0),
                          .kernel_depth = is_volume ? weight.size(2) : 1,
                          .side = weight.size(-1),
                          .repeats = repeats,
                          .repeats_ends = edges.repeats_ends,
                          .causal = edges.causal};
  const float* offsets = bias.defined() ? offset.const_data_ptr<float>() : nullptr;
  if (x.scalar_type() == at::kFloat)
    tensor::kernels::winograd_conv(conv, from.const_data_ptr<float>(), kernel.const_data_ptr<float>(), offsets,
                                   out.mutable_data_ptr<float>());
  else
    tensor::kernels::winograd_conv(conv, static_cast<const Bf16*>(from.const_data_ptr()),
                                   static_cast<const Bf16*>(kernel.const_data_ptr()), offsets,
                                   static_cast<Bf16*>(out.mutable_data_ptr()));
  return out;
}

}  // namespace

at::Tensor same_conv(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, int64_t groups) {
  if (groups == 1 && winograd_pays(x, weight, 1)) return winograd(x, 1, weight, bias);
  const std::vector<int64_t> ones(static_cast<std::size_t>(weight.dim() - 2), 1);
  std::vector<int64_t> padding;
  for (int64_t axis = 2; axis < weight.dim(); ++axis) padding.push_back(weight.size(axis) / 2);
  if (!x.is_cpu() || trains(x, weight))
    return weight.dim() == 5 ? at::conv3d(x, weight, bias, ones, padding, ones, groups)
                             : at::conv2d(x, weight, bias, ones, padding, ones, groups);
  if (x.scalar_type() == at::kBFloat16 && !tensor::kernels::has_bf16_products())
    return same_conv(x.to(at::kFloat), weight.to(at::kFloat), bias.defined() ? bias.to(at::kFloat) : bias, groups)
        .to(at::kBFloat16);
  return at::mkldnn_convolution(x.contiguous(x.suggest_memory_format()), weight, bias, padding, ones, ones, groups);
}

at::Tensor frames_conv(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, TimeView view) {
  const int64_t side = weight.size(2), before = view == TimeView::past ? side - 1 : side / 2;
  if (winograd_pays(x, weight, 1)) return winograd(x, 1, weight, bias, {true, view == TimeView::past});
  at::Tensor padded = x;
  if (side > 1) {
    std::vector<at::Tensor> frames(static_cast<std::size_t>(before), x.narrow(2, 0, 1));
    frames.push_back(x);
    frames.insert(frames.end(), static_cast<std::size_t>(side - 1 - before), x.narrow(2, x.size(2) - 1, 1));
    padded = at::cat(frames, 2);
  }
  const std::vector<int64_t> ones(3, 1), padding{0, weight.size(3) / 2, weight.size(4) / 2};
  if (!x.is_cpu() || trains(x, weight)) return at::conv3d(padded, weight, bias, ones, padding);
  if (x.scalar_type() == at::kBFloat16 && !tensor::kernels::has_bf16_products())
    return at::conv3d(padded.to(at::kFloat), weight.to(at::kFloat), bias.defined() ? bias.to(at::kFloat) : bias, ones,
                      padding)
        .to(at::kBFloat16);
  return at::mkldnn_convolution(padded.contiguous(at::MemoryFormat::ChannelsLast3d), weight, bias, padding, ones, ones,
                                1);
}

at::Tensor repeated_conv(const at::Tensor& x, int64_t repeats, const at::Tensor& weight, const at::Tensor& bias) {
  if (repeats == 1) return same_conv(x, weight, bias);
  if (winograd_pays(x, weight, repeats)) return winograd(x, repeats, weight, bias);
  const int64_t height = repeats * x.size(-2), width = repeats * x.size(-1);
  return same_conv(x.dim() == 5 ? at::upsample_nearest3d(x, at::IntArrayRef{x.size(2), height, width})
                                : at::upsample_nearest2d(x, {height, width}),
                   weight, bias);
}

}  // namespace rushes::nn
