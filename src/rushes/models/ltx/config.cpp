#include "rushes/models/ltx/config.h"

#include <algorithm>

#include "rushes/base/error.h"

namespace rushes::ltx {
namespace {

/// 2 to the number of encoder blocks that halve the axis.
int64_t compression(const VaeConfig& config, Downsample not_this, int64_t patch) {
  int64_t factor = patch;
  for (std::size_t i = 0; i < config.spatio_temporal_scaling.size(); ++i) {
    const bool halves = config.spatio_temporal_scaling[i] && config.downsample_type.at(i) != not_this;
    factor *= halves ? 2 : 1;
  }
  return factor;
}

void require_length(std::size_t length, std::size_t wanted, const char* name) {
  require(length == wanted, ErrorCode::corrupt_data, "the VAE's config: {} has {} entries, {} are needed", name, length,
          wanted);
}

void require_divides(int64_t channels, int64_t divisor, const char* what) {
  require(divisor > 0 && channels > 0 && channels % divisor == 0, ErrorCode::corrupt_data,
          "the VAE's config: {} channels of {} do not divide by {}", channels, what, divisor);
}

}  // namespace

int64_t VaeConfig::spatial_compression() const {
  return spatial_compression_ratio.value_or(compression(*this, Downsample::temporal, patch_size));
}

int64_t VaeConfig::temporal_compression() const {
  return temporal_compression_ratio.value_or(compression(*this, Downsample::spatial, patch_size_t));
}

void VaeConfig::validate() const {
  require(!downsample_type.empty(), ErrorCode::corrupt_data, "the VAE's config: down_block_types is empty");
  const std::size_t down = downsample_type.size(), up = decoder_block_out_channels.size();
  require_length(block_out_channels.size(), down + (has_pixel_downsamplers() ? 1 : 0), "block_out_channels");
  require_length(layers_per_block.size(), down + 1, "layers_per_block");
  require_length(spatio_temporal_scaling.size(), down, "spatio_temporal_scaling");
  require_length(decoder_layers_per_block.size(), up + 1, "decoder_layers_per_block");
  require_length(decoder_spatio_temporal_scaling.size(), up, "decoder_spatio_temporal_scaling");
  require_length(decoder_inject_noise.size(), up + 1, "decoder_inject_noise");
  require_length(upsample_residual.size(), up, "upsample_residual");
  require_length(upsample_factor.size(), up, "upsample_factor");
  require(up > 0, ErrorCode::corrupt_data, "the VAE's config: decoder_block_out_channels is empty");
  const bool is_mixed = std::any_of(downsample_type.begin(), downsample_type.end(), [&](Downsample type) {
    return (type == Downsample::conv) == has_pixel_downsamplers();
  });
  require(!is_mixed, ErrorCode::unsupported,
          "the VAE's config: strided convolutions and space-to-depth downsamplers in one encoder");
  for (std::size_t i = 0; i < down && has_pixel_downsamplers(); ++i) {
    require(spatio_temporal_scaling[i] || block_out_channels[i] == block_out_channels[i + 1], ErrorCode::corrupt_data,
            "the VAE's config: block {} of the encoder changes {} channels to {} without a downsampler", i,
            block_out_channels[i], block_out_channels[i + 1]);
    const int64_t moved = downsample_type[i] == Downsample::spatial    ? 4
                          : downsample_type[i] == Downsample::temporal ? 2
                                                                       : 8;
    require_divides(block_out_channels[i + 1], moved, "block_out_channels");
    require_divides(block_out_channels[i] * moved, block_out_channels[i + 1], "a downsampler's pixels");
  }
  for (std::size_t i = 0; i < up; ++i) {
    require_divides(decoder_block_out_channels[i], upsample_factor[i], "decoder_block_out_channels");
    require(8 % upsample_factor[i] == 0, ErrorCode::corrupt_data,
            "the VAE's config: upsample_factor {} does not divide the 8 pixels of an upsampler", upsample_factor[i]);
  }
}

}  // namespace rushes::ltx
