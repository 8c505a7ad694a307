#include "rushes/models/ltx/vae_tiling.h"

#include <algorithm>

#include "rushes/base/error.h"
#include "rushes/tensor/ops.h"

namespace rushes::ltx {

void Tiling::validate(const VaeConfig& vae) const {
  const auto check = [](int64_t size, int64_t stride, int64_t unit, const char* axis) {
    require(stride > 0 && size > 0 && size % unit == 0 && stride % unit == 0, ErrorCode::invalid_argument,
            "tiles of {} {} at a distance of {}: both must be multiples of {}", size, axis, stride, unit);
    require(stride <= size, ErrorCode::invalid_argument, "tiles of {} {} at a distance of {} leave gaps", size, axis,
            stride);
  };
  if (spatial) {
    check(tile_sample_min_height, tile_sample_stride_height, vae.spatial_compression(), "rows");
    check(tile_sample_min_width, tile_sample_stride_width, vae.spatial_compression(), "columns");
  }
  if (framewise) check(tile_sample_min_num_frames, tile_sample_stride_num_frames, vae.temporal_compression(), "frames");
}

at::Tensor cross_fade(const at::Tensor& previous, const at::Tensor& next, int64_t axis, int64_t extent) {
  extent = std::min({extent, previous.size(axis), next.size(axis)});
  if (extent == 0) return next;
  std::vector<int64_t> shape(static_cast<std::size_t>(next.dim()), 1);
  shape[static_cast<std::size_t>(axis)] = extent;
  const at::Tensor share =
      (at::arange(extent, at::TensorOptions(at::kFloat).device(next.device())) / static_cast<double>(extent))
          .view(shape)
          .to(next.scalar_type());
  const at::Tensor before = previous.narrow(axis, previous.size(axis) - extent, extent),
                   after = next.narrow(axis, 0, extent);
  return at::cat({before * (1 - share) + after * share, next.narrow(axis, extent, next.size(axis) - extent)}, axis);
}

at::Tensor in_spatial_tiles(const at::Tensor& x, const TileAxis& rows, const TileAxis& columns, const TilePass& pass) {
  constexpr int64_t kRows = 3, kColumns = 4;
  const auto tile_of = [](const at::Tensor& from, int64_t axis, int64_t first, int64_t size) {
    return from.narrow(axis, first, std::min(size, from.size(axis) - first));
  };
  std::vector<at::Tensor> above, strips;  // the tiles of the row before, faded
  for (int64_t y = 0; y < x.size(kRows); y += rows.stride) {
    std::vector<at::Tensor> row, kept;
    for (int64_t left = 0; left < x.size(kColumns); left += columns.stride) {
      at::Tensor tile = pass(tile_of(tile_of(x, kRows, y, rows.size), kColumns, left, columns.size));
      if (!above.empty()) tile = cross_fade(above[row.size()], tile, kRows, rows.faded);
      if (!row.empty()) tile = cross_fade(row.back(), tile, kColumns, columns.faded);
      row.push_back(tile);
      kept.push_back(tile_of(tile_of(tile, kRows, 0, rows.kept), kColumns, 0, columns.kept));
    }
    strips.push_back(at::cat(kept, kColumns));
    above = std::move(row);
  }
  return at::cat(strips, kRows);
}

}  // namespace rushes::ltx
