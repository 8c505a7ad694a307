#include "rushes/models/ltx/rope.h"

#include <cmath>

#include "rushes/tensor/ops.h"

namespace rushes::ltx {

std::array<double, 3> rope_scale(const VaeConfig& vae, double frame_rate) {
  const auto side = static_cast<double>(vae.spatial_compression());
  return {static_cast<double>(vae.temporal_compression()) / frame_rate, side, side};
}

RopeTable rope_table(const TransformerConfig& config, const LatentGrid& grid, const std::array<double, 3>& scale,
                     at::Device device) {
  const at::TensorOptions floats(at::kFloat);
  const double bases[] = {config.base_num_frames, config.base_height, config.base_width};
  const int64_t extents[] = {grid.latent_frames, grid.height, grid.width};
  std::vector<at::Tensor> coordinates;
  for (std::size_t axis = 0; axis < 3; ++axis) {
    std::vector<int64_t> own(3, 1);
    own[axis] = extents[axis];
    coordinates.push_back((at::arange(extents[axis], floats) * scale[axis] / bases[axis])
                              .view(own)
                              .expand({extents[0], extents[1], extents[2]})
                              .flatten());
  }
  const at::Tensor place = at::stack(coordinates, 1);  // [S, 3]
  const int64_t C = config.dim(), n = C / 6, rest = C % 6;
  // theta^linspace(0, 1), then times pi / 2: in this order each step rounds as in the published tables.
  const at::Tensor frequencies =
      at::pow(at::full({}, config.rope_theta, floats), at::linspace(0.0, 1.0, n, floats)) * M_PI / 2.0;
  const at::Tensor angles = (frequencies * (place.unsqueeze(-1) * 2 - 1)).transpose(1, 2).flatten(1);  // [S, 3 n]
  const at::Tensor still = at::zeros({place.size(0), rest}, floats);
  const auto pairs = [&](const at::Tensor& values) { return values.repeat_interleave(2, -1); };
  const at::Tensor cos = at::cat({at::ones_like(still), pairs(angles.cos())}, 1).to(device),
                   sin = at::cat({still, pairs(angles.sin())}, 1).to(device);
  const at::Tensor signs = at::tensor({-1.0f, 1.0f}).to(device).repeat({C / 2});
  return {cos, sin, sin * signs};
}

at::Tensor rotate(const at::Tensor& x, const RopeTable& table) {
  const at::Tensor wide = x.to(at::kFloat), pairs = wide.unflatten(-1, {-1, 2});
  const at::Tensor swapped = at::stack({-pairs.select(-1, 1), pairs.select(-1, 0)}, -1).flatten(-2);
  return (wide * table.cos + swapped * table.sin).to(x.scalar_type());
}

}  // namespace rushes::ltx
