// Doubling of height and width by repetition and the 3x3 convolution after it, as one 2x2 convolution of the small
// picture: the taps that meet the same source pixel are summed beforehand, separately for each of the four phases of
// the output. 2.25 times fewer products, and the large input is never made. Inference in float32 on the CPU.
#pragma once
#include <ATen/core/Tensor.h>

namespace rushes::wan {

class UpsampleConv {
 public:
  UpsampleConv() = default;
  /// weight [S*O, C, 3, 3], bias [S*O] or undefined, float32: of the convolution that follows the doubling. Its outputs
  /// are S frames of O channels.
  UpsampleConv(const at::Tensor& weight, const at::Tensor& bias, int64_t frames = 1);
  /// x [T*N, C, h, w] channels last, `batch` = N innermost. Returns [T*S*N, O, 2h, 2w] channels last.
  at::Tensor forward(const at::Tensor& x, int64_t batch = 1) const;
  bool defined() const { return weight_.defined(); }

 private:
  at::Tensor weight_, bias_;  // [S*2*2*O, C, 2, 2]
  int64_t frames_ = 1;
};

}  // namespace rushes::wan
