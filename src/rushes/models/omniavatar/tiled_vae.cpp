#include "rushes/models/omniavatar/tiled_vae.h"

#include <fmt/ranges.h>

#include "rushes/base/error.h"
#include "rushes/tensor/ops.h"

namespace rushes::omniavatar {
namespace {

/// One tile along one axis, in its own pixels or latents.
struct Span {
  int64_t begin, extent;
};

/// Sums of tiles and of their weights over a picture.
class Blend {
 public:
  Blend(at::IntArrayRef shape, at::TensorOptions options)
      : values_(at::zeros(shape, options)), weights_(at::zeros({shape[3], shape[4]}, options)) {}

  void add(const at::Tensor& tile, const at::Tensor& mask, Span rows, Span columns) {
    const auto part = [&](const at::Tensor& whole) {
      return whole.narrow(-2, rows.begin, rows.extent).narrow(-1, columns.begin, columns.extent);
    };
    const at::Tensor weight = mask.to(weights_.device());
    part(values_).add_(tile * weight);
    part(weights_).add_(weight);
  }
  at::Tensor finish() const { return values_ / weights_; }

 private:
  at::Tensor values_, weights_;
};

void check(const Tiling& tiling) {
  for (const std::size_t axis : {0, 1})
    require(tiling.stride[axis] >= 1 && tiling.stride[axis] <= tiling.size[axis], ErrorCode::invalid_argument,
            "tiles of {} latents need a stride from 1 to {}, not {}", tiling.size[axis], tiling.size[axis],
            tiling.stride[axis]);
}

/// What an axis of tiles is in latents, and its weights in units of `scale` latents each.
struct Axis {
  int64_t extent, size, stride, scale;
  Span span(int64_t origin) const { return {origin, std::min(size, extent - origin)}; }
  Span scaled(int64_t origin) const { return {origin * scale, span(origin).extent * scale}; }
  at::Tensor ramp(int64_t origin) const {
    return blend_ramp(span(origin).extent * scale, (size - stride) * scale, origin == 0, origin + size >= extent);
  }
};

/// Runs `tile` over all tiles and blends what it returns.
template <typename Tile>
at::Tensor blended(const Axis& rows, const Axis& columns, at::IntArrayRef shape, at::Device device, Tile tile) {
  Blend blend(shape, at::TensorOptions(at::kFloat).device(device));
  for (const int64_t row : tile_origins(rows.extent, rows.size, rows.stride))
    for (const int64_t column : tile_origins(columns.extent, columns.size, columns.stride))
      blend.add(tile(rows.span(row), columns.span(column)), blend_mask(rows.ramp(row), columns.ramp(column)),
                rows.scaled(row), columns.scaled(column));
  return blend.finish();
}

}  // namespace

std::vector<int64_t> tile_origins(int64_t extent, int64_t size, int64_t stride) {
  std::vector<int64_t> origins;
  for (int64_t origin = 0; origin < extent; origin += stride)
    if (origin < stride || origin - stride + size < extent) origins.push_back(origin);
  return origins;
}

at::Tensor blend_ramp(int64_t size, int64_t ramp, bool touches_begin, bool touches_end) {
  at::Tensor weights = at::ones({size}, at::kFloat);
  float* values = weights.mutable_data_ptr<float>();
  // A tile that is cut at the border is shorter than its ramp may be.
  const int64_t length = std::min(ramp, size);
  const auto value = [&](int64_t k) { return static_cast<float>(k + 1) / static_cast<float>(ramp); };
  if (!touches_begin)
    for (int64_t k = 0; k < length; ++k) values[k] = value(k);
  if (!touches_end)
    for (int64_t k = 0; k < length; ++k) values[size - 1 - k] = value(k);
  return weights;
}

at::Tensor blend_mask(const at::Tensor& rows, const at::Tensor& columns) {
  return at::minimum(rows.unsqueeze(1), columns.unsqueeze(0));
}

at::Tensor decode_tiled(const wan::VaeDecoder& decoder, const at::Tensor& latents, const Tiling& tiling) {
  check(tiling);
  const wan::VaeConfig& config = decoder.config();
  require(latents.dim() == 5 && latents.size(1) == config.z_dim && latents.numel() > 0, ErrorCode::invalid_argument,
          "latents have shape [{}], the VAE decodes [B, {}, F, h, w]", fmt::join(latents.sizes(), ", "), config.z_dim);
  const int64_t side = config.spatial_stride(), T = 1 + config.temporal_stride() * (latents.size(2) - 1);
  const Axis rows{latents.size(3), tiling.size[0], tiling.stride[0], side};
  const Axis columns{latents.size(4), tiling.size[1], tiling.stride[1], side};
  const std::array<int64_t, 5> shape{latents.size(0), 3, T, rows.extent * side, columns.extent * side};
  return blended(rows, columns, shape, decoder.device(),
                 [&](Span row, Span column) {
                   wan::VaeState state;
                   const at::Tensor part =
                       latents.narrow(3, row.begin, row.extent).narrow(4, column.begin, column.extent);
                   return decoder.forward(part.to(decoder.device(), at::kFloat), state);
                 })
      .clamp(-1, 1);
}

at::Tensor encode_tiled(const wan::VaeEncoder& encoder, const at::Tensor& video, const Tiling& tiling) {
  check(tiling);
  const wan::VaeConfig& config = encoder.config();
  const int64_t side = config.spatial_stride(), stride = config.temporal_stride();
  require(video.dim() == 5 && video.size(1) == 3 && video.numel() > 0 && video.size(3) % side == 0 &&
              video.size(4) % side == 0 && video.size(2) % stride == 1 % stride,
          ErrorCode::invalid_argument,
          "the video has shape [{}], the VAE encodes [B, 3, 1 + {} k, H, W] with H and W multiples of {}",
          fmt::join(video.sizes(), ", "), stride, side);
  const Axis rows{video.size(3) / side, tiling.size[0], tiling.stride[0], 1};
  const Axis columns{video.size(4) / side, tiling.size[1], tiling.stride[1], 1};
  const std::array<int64_t, 5> shape{video.size(0), config.z_dim, 1 + (video.size(2) - 1) / stride, rows.extent,
                                     columns.extent};
  return blended(rows, columns, shape, encoder.device(), [&](Span row, Span column) {
    wan::VaeState state;
    const at::Tensor part =
        video.narrow(3, row.begin * side, row.extent * side).narrow(4, column.begin * side, column.extent * side);
    return encoder.forward(part.to(encoder.device(), at::kFloat), state);
  });
}

}  // namespace rushes::omniavatar
