// Leaves out denoising steps that would change little: the change of the step before is repeated (arXiv:2411.19108).
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>

namespace rushes::omniavatar {

/// Decides for each of a segment's steps, in their order. The decision depends on the time alone, so that all passes of
/// a step have the same one.
class TeaCache {
 public:
  TeaCache(double threshold, int64_t steps) : threshold_(threshold), steps_(steps) {}

  /// modulation: the blocks' time modulation of this step, any shape, the same in each. The first and the last step are
  /// never skipped.
  bool skips(const at::Tensor& modulation);

 private:
  double threshold_;
  int64_t steps_, step_ = 0;
  double change_ = 0;  // since the last step that was computed, as the polynomial estimates it
  at::Tensor previous_;
};

}  // namespace rushes::omniavatar
