#include "rushes/models/ltx/vae.h"

#include <fmt/ranges.h>

#include "rushes/base/error.h"
#include "rushes/models/ltx/clip_size.h"
#include "rushes/tensor/ops.h"

namespace rushes::ltx {
namespace {

/// Tiles of an axis from what is put in (of `in_unit` per latent) to what comes out (of `out_unit`).
TileAxis tile_axis(int64_t size, int64_t stride, int64_t compression, bool decodes) {
  const int64_t in = decodes ? compression : 1, out = decodes ? 1 : compression;
  return {.size = size / in, .stride = stride / in, .kept = stride / out, .faded = (size - stride) / out};
}

struct SpatialTiles {
  TileAxis rows, columns;
  SpatialTiles(const Tiling& tiling, const VaeConfig& vae, bool decodes)
      : rows(tile_axis(tiling.tile_sample_min_height, tiling.tile_sample_stride_height, vae.spatial_compression(),
                       decodes)),
        columns(tile_axis(tiling.tile_sample_min_width, tiling.tile_sample_stride_width, vae.spatial_compression(),
                          decodes)) {}
  /// Whether `x` is larger than one tile.
  at::Tensor operator()(const at::Tensor& x, const TilePass& pass) const {
    const bool fits = x.size(3) <= rows.size && x.size(4) <= columns.size;
    return fits ? pass(x) : in_spatial_tiles(x, rows, columns, pass);
  }
};

/// Frames that begin at `first`: one more than a tile's size, so that every tile has a first frame of its own.
at::Tensor frames_of_tile(const at::Tensor& x, int64_t first, const TileAxis& axis) {
  return x.narrow(2, first, std::min(axis.size + 1, x.size(2) - first));
}

at::Tensor first_frames(const at::Tensor& x, int64_t count) { return x.narrow(2, 0, std::min(count, x.size(2))); }

}  // namespace

Vae::Vae(const VaeConfig& config, const tensor::WeightMap& weights) : config_(config) {
  config_.validate();
  const bool encodes = weights.contains("encoder.conv_in.conv.weight"),
             decodes = weights.contains("decoder.conv_in.conv.weight");
  require(encodes || decodes, ErrorCode::corrupt_data, "the VAE's weights have neither 'encoder.*' nor 'decoder.*'");
  const auto part = [&](const char* prefix) {
    tensor::WeightMap own = weights.under(prefix);
    own.set_trainable(weights.trainable());
    return own;
  };
  if (encodes) encoder_ = std::make_shared<const VaeEncoder>(config_, part("encoder."));
  if (decodes) decoder_ = std::make_shared<const VaeDecoder>(config_, part("decoder."));
  const at::Tensor& any = weights.at(encodes ? "encoder.conv_in.conv.weight" : "decoder.conv_in.conv.weight");
  dtype_ = any.scalar_type();
  const int64_t C = config_.latent_channels;
  const auto statistic = [&](const char* key, double standard) {
    const at::Tensor own =
        weights.contains(key) ? weights.at(key, {C}).detach() : at::full({C}, standard, at::TensorOptions(at::kFloat));
    return own.to(any.device(), at::kFloat).reshape({1, C, 1, 1, 1});
  };
  mean_ = statistic("latents_mean", 0);
  std_ = statistic("latents_std", 1);
}

const VaeEncoder& Vae::encoder() const {
  require(encoder_ != nullptr, ErrorCode::unsupported,
          "this VAE was loaded without an encoder (no tensor 'encoder.*')");
  return *encoder_;
}

const VaeDecoder& Vae::decoder() const {
  require(decoder_ != nullptr, ErrorCode::unsupported, "this VAE was loaded without a decoder (no tensor 'decoder.*')");
  return *decoder_;
}

Posterior Vae::encode(const at::Tensor& video) const {
  const at::Tensor given = video.to(device());
  return encoder().forward(given);
}

Posterior Vae::encode(const at::Tensor& video, const Tiling& tiling) const {
  tiling.validate(config_);
  encoder().check(video);
  const at::Tensor given = video.to(device());
  const SpatialTiles tiles(tiling, config_, /*decodes=*/false);
  const auto pass = [&](const at::Tensor& x) {
    const auto one = [&](const at::Tensor& tile) { return encoder().moments(tile); };
    return tiling.spatial ? tiles(x, one) : one(x);
  };
  if (!tiling.framewise || given.size(2) <= tiling.tile_sample_min_num_frames)
    return encoder().distribution(pass(given));
  const TileAxis axis = tile_axis(tiling.tile_sample_min_num_frames, tiling.tile_sample_stride_num_frames,
                                  config_.temporal_compression(), false);
  std::vector<at::Tensor> kept;
  at::Tensor previous;
  for (int64_t first = 0; first < given.size(2); first += axis.stride) {
    at::Tensor tile = pass(frames_of_tile(given, first, axis));
    if (first > 0) {  // without the latent of the tile's own first frame
      tile = tile.narrow(2, 1, tile.size(2) - 1);
      tile = cross_fade(previous, tile, 2, axis.faded);
    }
    kept.push_back(first_frames(tile, first > 0 ? axis.kept : axis.kept + 1));
    previous = tile;
  }
  const int64_t wanted = latent_frames(given.size(2), config_.temporal_compression());
  return encoder().distribution(first_frames(at::cat(kept, 2), wanted));
}

at::Tensor Vae::decode(const at::Tensor& latents, const DecodeCondition& condition) const {
  return decoder().forward(latents.to(device(), dtype_), condition).to(dtype_);
}

at::Tensor Vae::decode(const at::Tensor& latents, const Tiling& tiling, const DecodeCondition& condition) const {
  tiling.validate(config_);
  if (tiling.framewise && latents.dim() == 5 &&
      latents.size(2) > tiling.tile_sample_min_num_frames / config_.temporal_compression()) {
    std::vector<at::Tensor> kept;
    TemporalTiles tiles(*this, latents, tiling, condition);
    for (at::Tensor next = tiles.next(); next.defined(); next = tiles.next()) kept.push_back(std::move(next));
    return at::cat(kept, 2);
  }
  return decode_frames(latents, tiling, condition);
}

at::Tensor Vae::decode_frames(const at::Tensor& latents, const Tiling& tiling, const DecodeCondition& condition) const {
  if (!tiling.spatial) return decode(latents, condition);
  return SpatialTiles(tiling, config_, /*decodes=*/true)(
      latents, [&](const at::Tensor& tile) { return decode(tile, condition); });
}

int64_t Vae::decoding_bytes(int64_t video_frames, int64_t height, int64_t width, const Tiling& tiling) const {
  constexpr int64_t kBuffers = 4;                   // what a residual block of full size reads, works with, and yields
  constexpr int64_t kFrameBytes = 3 * (4 * 4 + 1);  // of a pixel: RGB in float32, four times, and as bytes
  const int64_t patch = config_.patch_size * config_.patch_size * config_.patch_size_t;
  const int64_t frames =
      tiling.framewise ? std::min(video_frames, tiling.tile_sample_min_num_frames + 1) : video_frames;
  const int64_t rows = tiling.spatial ? std::min(height, tiling.tile_sample_min_height) : height;
  const int64_t columns = tiling.spatial ? std::min(width, tiling.tile_sample_min_width) : width;
  const int64_t values = kBuffers * config_.decoder_block_out_channels.front() * frames * rows * columns / patch;
  return values * static_cast<int64_t>(c10::elementSize(dtype_)) + frames * height * width * kFrameBytes;
}

at::Tensor Vae::normalise(const at::Tensor& z) const {
  return (z.to(mean_.device(), at::kFloat) - mean_) * config_.scaling_factor / std_;
}

at::Tensor Vae::denormalise(const at::Tensor& z) const {
  return z.to(mean_.device(), at::kFloat) * std_ / config_.scaling_factor + mean_;
}

TemporalTiles::TemporalTiles(const Vae& vae, at::Tensor latents, const Tiling& tiling, DecodeCondition condition)
    : vae_(&vae), latents_(std::move(latents)), tiling_(tiling), condition_(std::move(condition)) {
  tiling.validate(vae.config());
  left_ = video_frames(latents_.size(2), vae.config().temporal_compression());
}

at::Tensor TemporalTiles::next() {
  const TileAxis axis = tile_axis(tiling_.tile_sample_min_num_frames, tiling_.tile_sample_stride_num_frames,
                                  vae_->config().temporal_compression(), true);
  // The last tile may begin with the last latent, of which the tile before has given all frames.
  if (left_ == 0 || first_ >= latents_.size(2)) return {};
  at::Tensor tile = vae_->decode_frames(frames_of_tile(latents_, first_, axis), tiling_, condition_);
  if (first_ > 0) tile = cross_fade(previous_, first_frames(tile, tile.size(2) - 1), 2, axis.faded);
  const at::Tensor kept = first_frames(tile, std::min(left_, first_ > 0 ? axis.kept : axis.kept + 1));
  first_ += axis.stride;
  left_ -= kept.size(2);
  previous_ = tile;
  return kept;
}

}  // namespace rushes::ltx
