#include "rushes/models/ltx/vae_decoder.h"

#include <fmt/ranges.h>

#include "rushes/base/error.h"
#include "rushes/tensor/ops.h"

namespace rushes::ltx {

VaeDecoder::VaeDecoder(const VaeConfig& config, const tensor::WeightMap& weights)
    : config_(config), compute_(vae_compute(weights, "conv_in.conv.weight")) {
  const std::size_t blocks = config.decoder_block_out_channels.size();
  const auto backwards = [](const auto& list, std::size_t i) { return list.at(list.size() - 1 - i); };
  ResnetOptions options{.causality = config.decoder_causal ? Causality::causal : Causality::centred,
                        .is_timed = config.timestep_conditioning,
                        .shortcut_eps = config.resnet_norm_eps};
  const auto add_resnets = [&](std::vector<ResnetBlock>& to, const tensor::WeightMap& own, int64_t channels,
                               int64_t count) {
    for (int64_t i = 0; i < count; ++i)
      to.emplace_back(own.under(fmt::format("resnets.{}.", i)), channels, channels, options, compute_);
  };
  int64_t channels = config.decoder_block_out_channels.back();
  conv_in_ = Conv(weights, "conv_in", config.latent_channels, channels, 3, options.causality, compute_);
  options.injects_noise = backwards(config.decoder_inject_noise, 0);
  add_resnets(mid_block_, weights.under("mid_block."), channels, backwards(config.decoder_layers_per_block, 0));
  if (options.is_timed) mid_time_.emplace(weights.under("mid_block.time_embedder."), 4 * channels, compute_);
  for (std::size_t i = 0; i < blocks; ++i) {
    const auto own = weights.under(fmt::format("up_blocks.{}.", i));
    const int64_t factor = backwards(config.upsample_factor, i), in = channels / factor;
    channels = backwards(config.decoder_block_out_channels, i) / factor;
    options.injects_noise = backwards(config.decoder_inject_noise, i + 1);
    UpBlock block;
    if (in != channels) block.conv_in.emplace(own.under("conv_in."), in, channels, options, compute_);
    if (options.is_timed) block.time.emplace(own.under("time_embedder."), 4 * in, compute_);
    if (backwards(config.decoder_spatio_temporal_scaling, i))
      block.upsampler.emplace(own.under("upsamplers.0."), channels * factor, factor,
                              backwards(config.upsample_residual, i), options.causality, compute_);
    add_resnets(block.resnets, own, channels, backwards(config.decoder_layers_per_block, i + 1));
    up_blocks_.push_back(std::move(block));
  }
  const int64_t pixels = config.out_channels * config.patch_size * config.patch_size * config.patch_size_t;
  conv_out_ = Conv(weights, "conv_out", channels, pixels, 3, options.causality, compute_);
  if (options.is_timed) {
    time_.emplace(weights.under("time_embedder."), 2 * channels, compute_);
    const at::Tensor& table = weights.at("scale_shift_table", {2, channels});
    scale_shift_table_ = compute_.trainable ? table : table.to(compute_.dtype);
    timestep_scale_ = weights.at("timestep_scale_multiplier").item<double>();
  }
}

at::Tensor VaeDecoder::forward(const at::Tensor& latents, const DecodeCondition& condition) const {
  require(latents.dim() == 5 && latents.size(1) == config_.latent_channels && latents.numel() > 0,
          ErrorCode::invalid_argument, "latents have shape [{}], the VAE decodes [B, {}, F, h, w]",
          fmt::join(latents.sizes(), ", "), config_.latent_channels);
  at::Tensor timestep;  // [B]
  if (time_)
    timestep = at::full({latents.size(0)}, condition.timestep * timestep_scale_,
                        at::TensorOptions(at::kFloat).device(latents.device()));
  const auto embedded = [&](const std::optional<TimeEmbedder>& of) { return of ? (*of)(timestep) : at::Tensor(); };

  at::Tensor x = conv_in_(latents.to(compute_.dtype));
  at::Tensor time = embedded(mid_time_);
  for (const ResnetBlock& resnet : mid_block_) x = resnet(x, time, condition.noise);
  for (const UpBlock& block : up_blocks_) {
    time = embedded(block.time);
    if (block.conv_in) x = (*block.conv_in)(x, time, condition.noise);
    if (block.upsampler) x = (*block.upsampler)(x);
    for (const ResnetBlock& resnet : block.resnets) x = resnet(x, time, condition.noise);
  }
  Modulation last;
  if (time_) {
    const auto m = (embedded(time_).unflatten(1, {2, -1}) + scale_shift_table_).unbind(1);  // shift, scale
    last = {m[0], m[1]};
  }
  return unpatchify(conv_out_(norm_silu(x, last, compute_)), config_.patch_size, config_.patch_size_t);
}

}  // namespace rushes::ltx
