#include "rushes/generation/omniavatar/frame_block.h"

#include <memory>

#include "rushes/models/wan/pixels.h"
#include "rushes/tensor/ops.h"

namespace rushes::generation {

FrameBlock frame_block(const at::Tensor& frames, double fps) {
  const at::Tensor rgb = wan::frames_to_uint8(frames);
  FrameBlock block;
  block.rgb = std::shared_ptr<const uint8_t>(std::make_shared<at::Tensor>(rgb), rgb.const_data_ptr<uint8_t>());
  block.video_frames = rgb.size(0);
  block.height = rgb.size(1);
  block.width = rgb.size(2);
  block.fps = fps;
  return block;
}

}  // namespace rushes::generation
