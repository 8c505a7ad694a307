#include "rushes/models/wan/frame_additions.h"

#include <fmt/ranges.h>

#include "rushes/base/error.h"
#include "rushes/tensor/ops.h"

namespace rushes::wan {

at::Tensor FrameAdditions::before(int64_t layer) const {
  const bool given = values.defined() && layer >= first_layer && layer < first_layer + values.size(0);
  return given ? values.select(0, layer - first_layer) : at::Tensor();
}

void FrameAdditions::check(int64_t batch, int64_t latent_frames, int64_t channels, int64_t layers) const {
  if (!values.defined()) return;
  const bool fits = values.dim() == 4 && (values.size(1) == 1 || values.size(1) == batch) &&
                    values.size(2) == latent_frames && values.size(3) == channels;
  require(fits, ErrorCode::invalid_argument,
          "additions to latent frames have shape [{}]; these latents need [P, {} or 1, {}, {}]",
          fmt::join(values.sizes(), ", "), batch, latent_frames, channels);
  require(first_layer >= 0 && first_layer + values.size(0) <= layers, ErrorCode::invalid_argument,
          "additions before the blocks {} to {} do not fit a transformer of {} blocks", first_layer,
          first_layer + values.size(0) - 1, layers);
}

at::Tensor add_to_frames(const at::Tensor& x, const at::Tensor& addition) {
  if (!addition.defined()) return x;
  const int64_t F = addition.size(1);
  return (x.reshape({x.size(0), F, x.size(1) / F, x.size(2)}) + addition.unsqueeze(2).to(x.scalar_type()))
      .view(x.sizes());
}

}  // namespace rushes::wan
