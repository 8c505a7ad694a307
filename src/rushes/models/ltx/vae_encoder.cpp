#include "rushes/models/ltx/vae_encoder.h"

#include <fmt/ranges.h>

#include "rushes/base/error.h"
#include "rushes/tensor/ops.h"

namespace rushes::ltx {
namespace {

std::array<int64_t, 3> stride_of(Downsample type) {
  return {type == Downsample::spatial ? 1 : 2, type == Downsample::temporal ? 1 : 2,
          type == Downsample::temporal ? 1 : 2};
}

}  // namespace

at::Tensor Posterior::sample(const at::Tensor& noise) const {
  require(noise.sizes() == mean.sizes(), ErrorCode::invalid_argument,
          "the noise of a posterior has shape [{}], the posterior [{}]", fmt::join(noise.sizes(), ", "),
          fmt::join(mean.sizes(), ", "));
  return mean + at::exp(logvar * 0.5) * noise.to(mean.device(), mean.scalar_type());
}

VaeEncoder::VaeEncoder(const VaeConfig& config, const tensor::WeightMap& weights)
    : config_(config), compute_(vae_compute(weights, "conv_in.conv.weight")) {
  const ResnetOptions options{.causality = config.encoder_causal ? Causality::causal : Causality::centred,
                              .shortcut_eps = config.resnet_norm_eps};
  const int64_t pixels = config.in_channels * config.patch_size * config.patch_size * config.patch_size_t;
  int64_t channels = config.block_out_channels.front();
  conv_in_ = Conv(weights, "conv_in", pixels, channels, 3, options.causality, compute_);
  const auto add_resnets = [&](std::vector<ResnetBlock>& to, const tensor::WeightMap& own, int64_t count) {
    for (int64_t i = 0; i < count; ++i)
      to.emplace_back(own.under(fmt::format("resnets.{}.", i)), channels, channels, options, compute_);
  };
  const std::size_t blocks = config.downsample_type.size();
  for (std::size_t i = 0; i < blocks; ++i) {
    const auto own = weights.under(fmt::format("down_blocks.{}.", i)), down = own.under("downsamplers.0.");
    const int64_t out = config.block_out_channels[std::min(i + 1, config.block_out_channels.size() - 1)];
    DownBlock block;
    add_resnets(block.resnets, own, config.layers_per_block[i]);
    if (config.spatio_temporal_scaling[i]) {
      if (config.downsample_type[i] == Downsample::conv)  // its names lack the convolution's own level
        block.strided.emplace(own, "downsamplers.0", channels, channels, 3, options.causality, compute_);
      else
        block.to_channels.emplace(down, channels, out, stride_of(config.downsample_type[i]), options.causality,
                                  compute_);
    }
    if (!config.has_pixel_downsamplers() && out != channels)
      block.conv_out.emplace(own.under("conv_out."), channels, out, options, compute_);
    channels = out;
    down_blocks_.push_back(std::move(block));
  }
  add_resnets(mid_block_, weights.under("mid_block."), config.layers_per_block.back());
  conv_out_ = Conv(weights, "conv_out", channels, config.latent_channels + 1, 3, options.causality, compute_);
}

at::Tensor VaeEncoder::moments(const at::Tensor& video) const {
  at::Tensor x = conv_in_(patchify(video.to(compute_.dtype), config_.patch_size, config_.patch_size_t));
  for (const DownBlock& block : down_blocks_) {
    for (const ResnetBlock& resnet : block.resnets) x = resnet(x);
    if (block.strided) x = (*block.strided)(x, 2);
    if (block.to_channels) x = (*block.to_channels)(x);
    if (block.conv_out) x = (*block.conv_out)(x);
  }
  for (const ResnetBlock& resnet : mid_block_) x = resnet(x);
  return conv_out_(norm_silu(x, {}, compute_));
}

void VaeEncoder::check(const at::Tensor& video) const {
  const int64_t side = config_.spatial_compression(), stride = config_.temporal_compression();
  require(video.dim() == 5 && video.size(1) == config_.in_channels && video.size(3) % side == 0 &&
              video.size(4) % side == 0 && video.numel() > 0,
          ErrorCode::invalid_argument,
          "a video has shape [{}]; the VAE encodes [B, {}, T, H, W], sides multiples of {}",
          fmt::join(video.sizes(), ", "), config_.in_channels, side);
  require(video.size(2) % stride == 1 || stride == 1, ErrorCode::invalid_argument,
          "{} video frames: the VAE encodes 1 and a multiple of {}", video.size(2), stride);
}

Posterior VaeEncoder::forward(const at::Tensor& video) const {
  check(video);
  return distribution(moments(video));
}

Posterior VaeEncoder::distribution(const at::Tensor& moments) const {
  const at::Tensor wide = moments.to(at::kFloat);
  const at::Tensor mean = wide.narrow(1, 0, config_.latent_channels).contiguous();
  const at::Tensor logvar = wide.narrow(1, config_.latent_channels, 1).clamp(-30, 20).expand_as(mean).contiguous();
  return {mean, logvar};
}

}  // namespace rushes::ltx
