#include "rushes/models/ltx/guidance.h"

#include "rushes/base/error.h"
#include "rushes/tensor/ops.h"

namespace rushes::ltx {

at::Tensor Guidance::operator()(const at::Tensor& velocities) const {
  require(velocities.dim() > 1 && velocities.size(0) == passes(), ErrorCode::invalid_argument,
          "guidance of {} velocities, {} are needed", velocities.dim() > 0 ? velocities.size(0) : 0, passes());
  const at::Tensor wide = velocities.to(at::kFloat);
  if (!is_active()) return wide;
  const at::Tensor negative = wide.narrow(0, 0, 1), positive = wide.narrow(0, 1, 1);
  const at::Tensor guided = negative + (positive - negative) * scale;
  if (rescale <= 0) return guided;
  const at::Tensor spread = positive.std() / guided.std();  // unbiased, over everything: there is one sample
  return guided * (spread * rescale + (1 - rescale));
}

}  // namespace rushes::ltx
