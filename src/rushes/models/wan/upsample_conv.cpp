#include "rushes/models/wan/upsample_conv.h"

#include "rushes/base/error.h"
#include "rushes/tensor/kernels/cpu/channel_norm.h"
#include "rushes/tensor/ops.h"

namespace rushes::wan {
namespace {

/// The two taps that output phase 0 or 1 has on one axis, from the three of the convolution: phase 0 sees the pixel
/// before (tap 0) and its own (taps 1 and 2); phase 1 its own (taps 0 and 1) and the next (tap 2).
at::Tensor fold_axis(const at::Tensor& weight, int64_t axis, int64_t phase) {
  const auto tap = [&](int64_t i) { return weight.select(axis, i); };
  return phase == 0 ? at::stack({tap(0), tap(1) + tap(2)}, axis) : at::stack({tap(0) + tap(1), tap(2)}, axis);
}

}  // namespace

UpsampleConv::UpsampleConv(const at::Tensor& weight, const at::Tensor& bias, int64_t frames) : frames_(frames) {
  RUSHES_ASSERT(weight.dim() == 4 && weight.size(0) % frames == 0 && weight.size(2) == 3 && weight.size(3) == 3);
  const at::Tensor exact = weight.to(at::kDouble).unflatten(0, {frames, weight.size(0) / frames});  // [S, O, C, 3, 3]
  std::vector<at::Tensor> phases;
  for (const int64_t a : {0, 1})
    for (const int64_t b : {0, 1}) phases.push_back(fold_axis(fold_axis(exact, 3, a), 4, b));
  weight_ = at::stack(phases, 1).flatten(0, 2).to(at::kFloat).contiguous(at::MemoryFormat::ChannelsLast);
  if (bias.defined()) bias_ = bias.to(at::kFloat).view({frames, 1, -1}).expand({frames, 4, -1}).flatten().contiguous();
}

at::Tensor UpsampleConv::forward(const at::Tensor& x, int64_t batch) const {
  const int64_t height = x.size(2), width = x.size(3), channels = weight_.size(0) / (4 * frames_);
  const at::Tensor phases = at::conv2d(x, weight_, bias_, 1, 1).permute({0, 2, 3, 1}).contiguous();
  at::Tensor out = at::empty({x.size(0) * frames_, 2 * height, 2 * width, channels}, x.options());
  tensor::kernels::interleave_phases(x.size(0), batch, height, width, frames_, channels, phases.const_data_ptr<float>(),
                                     out.mutable_data_ptr<float>());
  return out.permute({0, 3, 1, 2});
}

}  // namespace rushes::wan
