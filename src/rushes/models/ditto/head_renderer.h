// Keypoints to pixels.
#pragma once
#include <ATen/core/Tensor.h>

#include "rushes/models/ditto/retargeting.h"
#include "rushes/models/ditto/spade_decoder.h"
#include "rushes/models/ditto/warp_network.h"

namespace rushes::ditto {

/// Any thread: no state.
class HeadRenderer {
 public:
  /// Borrows both.
  HeadRenderer(const WarpNetwork& warp, const SpadeDecoder& decoder) : warp_(warp), decoder_(decoder) {}

  struct Drawn {
    at::Tensor feature;  // [1, C, h, w], bent
    at::Tensor render;   // [S, S, 3] float32 in 0..255
  };
  /// feature [1, C, D, h, w] of the source's frame.
  Drawn draw(const at::Tensor& feature, const Retargeting::Keypoints& points) const;

 private:
  const WarpNetwork& warp_;
  const SpadeDecoder& decoder_;
};

}  // namespace rushes::ditto
