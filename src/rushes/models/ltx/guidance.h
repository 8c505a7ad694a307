// Classifier-free guidance with the spread of the conditional velocity.
#pragma once
#include <ATen/core/Tensor.h>

namespace rushes::ltx {

struct Guidance {
  double scale = 3.0;    // 1 or less: without a negative prompt, one pass
  double rescale = 0.0;  // share of the result that gets the standard deviation of the conditional velocity
  bool is_active() const { return scale > 1.0; }
  int64_t passes() const { return is_active() ? 2 : 1; }

  /// Of velocities [passes(), ...], negative prompt first. Returns [1, ...] float32. Source: arXiv:2305.08891, 3.4.
  at::Tensor operator()(const at::Tensor& velocities) const;
};

}  // namespace rushes::ltx
