#include "rushes/nn/rope.h"

#include <cmath>

#include "rushes/base/error.h"
#include "rushes/tensor/ops.h"

namespace rushes::nn {

std::array<int64_t, 3> rope_split(int64_t head_size) {
  require(head_size > 0 && head_size % 2 == 0, ErrorCode::invalid_argument,
          "rotary embedding needs an even head size, got {}", head_size);
  const int64_t pairs = head_size / 2, third = pairs / 3;
  return {pairs - 2 * third, third, third};
}

at::Tensor rope_angles(const at::Tensor& positions, int64_t pairs) {
  const at::Tensor j = at::arange(pairs, at::TensorOptions(at::kDouble));
  const at::Tensor frequency = at::pow(10000.0, j / static_cast<double>(-pairs));
  return at::outer(positions.to(at::kCPU, at::kDouble), frequency);
}

at::Tensor rope_grid_angles(const TokenGrid& grid, int64_t head_size) {
  const auto [frame_pairs, row_pairs, column_pairs] = rope_split(head_size);
  const int64_t F = grid.latent_frames, H = grid.height, W = grid.width;
  const auto count = [](int64_t from, int64_t n) { return at::arange(from, from + n, at::TensorOptions(at::kDouble)); };
  const at::Tensor frames = rope_angles(count(grid.start_frame, F), frame_pairs).view({F, 1, 1, frame_pairs});
  const at::Tensor rows = rope_angles(count(0, H), row_pairs).view({1, H, 1, row_pairs});
  const at::Tensor columns = rope_angles(count(0, W), column_pairs).view({1, 1, W, column_pairs});
  return at::cat({frames.expand({F, H, W, frame_pairs}), rows.expand({F, H, W, row_pairs}),
                  columns.expand({F, H, W, column_pairs})},
                 -1)
      .view({grid.tokens(), head_size / 2});
}

at::Tensor rope_table(const TokenGrid& grid, int64_t head_size, at::Device device) {
  const at::Tensor angles = rope_grid_angles(grid, head_size);
  return at::complex(at::cos(angles), at::sin(angles)).to(device);
}

at::Tensor rotate(const at::Tensor& x, const at::Tensor& table) {
  const int64_t rotated = table.size(-2), pair_count = table.size(-1), tail = x.size(1) - rotated;
  require(tail >= 0 && 2 * pair_count == x.size(3) && (table.dim() == 2 || table.size(0) == x.size(0)),
          ErrorCode::invalid_argument, "rotary table of {} tokens x {} pairs does not fit {} tokens of head size {}",
          rotated, pair_count, x.size(1), x.size(3));
  const auto real = table.scalar_type() == at::kComplexDouble ? at::kDouble : at::kFloat;
  const at::Tensor pairs = x.narrow(1, 0, rotated).to(real).reshape({x.size(0), rotated, x.size(2), pair_count, 2});
  const at::Tensor turned = at::view_as_real(at::view_as_complex(pairs) * table.unsqueeze(-2))
                                .reshape({x.size(0), rotated, x.size(2), x.size(3)})
                                .to(x.scalar_type());
  return tail == 0 ? turned : at::cat({turned, x.narrow(1, rotated, tail)}, 1);
}

}  // namespace rushes::nn
