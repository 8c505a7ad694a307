#include "rushes/models/wan/vae.h"

#include <fmt/ranges.h>

#include "rushes/base/error.h"
#include "rushes/tensor/ops.h"

namespace rushes::wan {
namespace {

/// Where each part of the network lies and how wide it is; index = position in "downsamples" or "upsamples".
struct StagePlan {
  enum class Kind { residual, resample } kind;
  int64_t in, out;
  bool temporal = false;
};

std::vector<StagePlan> encoder_plan(const VaeConfig& config) {
  std::vector<StagePlan> plan;
  int64_t in = config.dim;
  for (std::size_t level = 0; level < config.dim_mult.size(); ++level) {
    const int64_t out = config.dim * config.dim_mult[level];
    for (int64_t i = 0; i < config.num_res_blocks; ++i, in = out) plan.push_back({StagePlan::Kind::residual, in, out});
    if (level + 1 < config.dim_mult.size())
      plan.push_back({StagePlan::Kind::resample, out, out, config.temporal_downsample[level]});
  }
  return plan;
}

std::vector<StagePlan> decoder_plan(const VaeConfig& config) {
  std::vector<StagePlan> plan;
  const std::size_t levels = config.dim_mult.size();
  int64_t in = config.dim * config.dim_mult.back();
  for (std::size_t i = 0; i < levels; ++i) {
    const std::size_t level = levels - 1 - i;
    const int64_t out = config.dim * config.dim_mult[level];
    for (int64_t b = 0; b <= config.num_res_blocks; ++b, in = out) plan.push_back({StagePlan::Kind::residual, in, out});
    if (level > 0) {
      plan.push_back({StagePlan::Kind::resample, out, out / 2, config.temporal_downsample[level - 1]});
      in = out / 2;
    }
  }
  return plan;
}

const VaeConfig& checked(const VaeConfig& config) {
  const auto channels = static_cast<std::size_t>(config.z_dim);
  require(!config.dim_mult.empty() && config.temporal_downsample.size() + 1 == config.dim_mult.size(),
          ErrorCode::invalid_argument,
          "a VAE with {} levels needs {} entries in temporal_downsample, but the config has {}", config.dim_mult.size(),
          config.dim_mult.size() - 1, config.temporal_downsample.size());
  require(config.mean.size() == channels && config.std.size() == channels, ErrorCode::invalid_argument,
          "z_dim is {}, but the config has {} means and {} standard deviations", channels, config.mean.size(),
          config.std.size());
  return config;
}

using Shapes = std::map<std::string, std::vector<int64_t>>;

void add_conv(Shapes& shapes, const std::string& key, std::vector<int64_t> shape) {
  shapes[key + ".bias"] = {shape[0]};
  shapes[key + ".weight"] = std::move(shape);
}

void add_residual(Shapes& shapes, const std::string& prefix, int64_t in, int64_t out) {
  shapes[prefix + "residual.0.gamma"] = {in, 1, 1, 1};
  shapes[prefix + "residual.3.gamma"] = {out, 1, 1, 1};
  add_conv(shapes, prefix + "residual.2", {out, in, 3, 3, 3});
  add_conv(shapes, prefix + "residual.6", {out, out, 3, 3, 3});
  if (in != out) add_conv(shapes, prefix + "shortcut", {out, in, 1, 1, 1});
}

void add_middle(Shapes& shapes, const std::string& prefix, int64_t width) {
  add_residual(shapes, prefix + "0.", width, width);
  shapes[prefix + "1.norm.gamma"] = {width, 1, 1};
  add_conv(shapes, prefix + "1.to_qkv", {3 * width, width, 1, 1});
  add_conv(shapes, prefix + "1.proj", {width, width, 1, 1});
  add_residual(shapes, prefix + "2.", width, width);
}

/// The three layers between the levels: residual, attention, residual.
template <typename Stage>
void append_middle(std::vector<Stage>& stages, const tensor::WeightMap& weights, int64_t width, ConvCompute compute) {
  stages.emplace_back(ResidualBlock(weights.under("0."), width, width, compute));
  stages.emplace_back(FrameAttention(weights.under("1."), width, compute));
  stages.emplace_back(ResidualBlock(weights.under("2."), width, width, compute));
}

/// Published checkpoints have no attention in their levels; where a checkpoint has it, it follows its residual block.
template <typename Stage, typename Resample>
void append_levels(std::vector<Stage>& stages, const std::vector<StagePlan>& plan, const tensor::WeightMap& weights,
                   ConvCompute compute) {
  int64_t index = 0;
  for (const StagePlan& p : plan) {
    const auto own = weights.under(fmt::format("{}.", index++));
    if (p.kind == StagePlan::Kind::resample) {
      stages.emplace_back(Resample(own, p.in, p.temporal, compute));
      continue;
    }
    stages.emplace_back(ResidualBlock(own, p.in, p.out, compute));
    const auto after = weights.under(fmt::format("{}.", index));
    if (!after.contains("to_qkv.weight")) continue;
    stages.emplace_back(FrameAttention(after, p.out, compute));
    ++index;
  }
}

template <typename Stages>
at::Tensor through(const Stages& stages, at::Tensor x, Pass& pass) {
  for (const auto& stage : stages)
    x = std::visit(
        [&](const auto& layer) {
          if constexpr (std::is_same_v<std::decay_t<decltype(layer)>, FrameAttention>)
            return layer.forward(x);
          else
            return layer.forward(x, pass);
        },
        stage);
  return x;
}

/// Many small frames in one pass cost less than one by one; large ones would only need more memory.
int64_t latent_frames_per_pass(int64_t height, int64_t width) {
  constexpr int64_t kPositions = 256;
  return std::max<int64_t>(1, kPositions / (height * width));
}

at::Tensor in_layout(const at::Tensor& x, ConvCompute compute) {
  return x.to(compute.dtype).contiguous(at::MemoryFormat::ChannelsLast3d);
}

}  // namespace

Shapes parameter_shapes(const VaeConfig& config) {
  checked(config);
  Shapes shapes;
  const int64_t narrow = config.dim * config.dim_mult.front(), wide = config.dim * config.dim_mult.back();
  add_conv(shapes, "conv1", {2 * config.z_dim, 2 * config.z_dim, 1, 1, 1});
  add_conv(shapes, "conv2", {config.z_dim, config.z_dim, 1, 1, 1});
  add_conv(shapes, "encoder.conv1", {config.dim, 3, 3, 3, 3});
  add_conv(shapes, "decoder.conv1", {wide, config.z_dim, 3, 3, 3});
  const auto add_levels = [&](const std::string& prefix, const std::vector<StagePlan>& plan) {
    for (std::size_t i = 0; i < plan.size(); ++i) {
      const std::string own = fmt::format("{}{}.", prefix, i);
      if (plan[i].kind == StagePlan::Kind::residual) {
        add_residual(shapes, own, plan[i].in, plan[i].out);
      } else {
        add_conv(shapes, own + "resample.1", {plan[i].out, plan[i].in, 3, 3});
        const int64_t grown = plan[i].in == plan[i].out ? plan[i].in : 2 * plan[i].in;
        if (plan[i].temporal) add_conv(shapes, own + "time_conv", {grown, plan[i].in, 3, 1, 1});
      }
    }
  };
  add_levels("encoder.downsamples.", encoder_plan(config));
  add_levels("decoder.upsamples.", decoder_plan(config));
  for (const std::string part : {"encoder.", "decoder."}) {
    const bool encodes = part == "encoder.";
    add_middle(shapes, part + "middle.", wide);
    shapes[part + "head.0.gamma"] = {encodes ? wide : narrow, 1, 1, 1};
    add_conv(shapes, part + "head.2", {encodes ? 2 * config.z_dim : 3, encodes ? wide : narrow, 3, 3, 3});
  }
  return shapes;
}

LatentScale::LatentScale(const VaeConfig& config, at::Device device) {
  const auto as_channels = [&](const std::vector<double>& values) {
    return at::tensor(values, at::kFloat).view({1, -1, 1, 1, 1}).to(device);
  };
  mean = as_channels(config.mean);
  inverse_std = at::reciprocal(as_channels(config.std));
}

VaeDecoder::VaeDecoder(const VaeConfig& config, const tensor::WeightMap& weights)
    : config_(checked(config)),
      compute_(conv_compute(weights, "decoder.conv1.weight")),
      scale_(config, weights.at("decoder.conv1.weight").device()) {
  const auto own = weights.under("decoder.");
  const int64_t wide = config.dim * config.dim_mult.back(), narrow = config.dim * config.dim_mult.front();
  from_latent_ = Conv3d(weights, "conv2", {config.z_dim, config.z_dim, 1, 1, 1}, compute_);
  conv_in_ = Conv3d(own, "conv1", {wide, config.z_dim, 3, 3, 3}, compute_);
  append_middle(stages_, own.under("middle."), wide, compute_);
  append_levels<Stage, Upsample>(stages_, decoder_plan(config), own.under("upsamples."), compute_);
  norm_out_ = ChannelNorm(own, "head.0", narrow, 4, compute_);
  conv_out_ = Conv3d(own, "head.2", {3, narrow, 3, 3, 3}, compute_);
}

at::Tensor VaeDecoder::run(const at::Tensor& z, VaeState& state) const {
  Pass pass(state);
  at::Tensor x = conv_in_.forward(with_history(z, pass.next_cache()));
  x = through(stages_, std::move(x), pass);
  x = conv_out_.forward(norm_out_.forward_silu_padded(x, pass.next_cache()));
  state.latent_frames += z.size(2);
  return x;
}

at::Tensor VaeDecoder::forward(const at::Tensor& latents, VaeState& state) const {
  require(latents.dim() == 5 && latents.size(1) == config_.z_dim && latents.size(2) > 0, ErrorCode::invalid_argument,
          "latents have shape [{}], the VAE decodes [B, {}, F, h, w]", fmt::join(latents.sizes(), ", "), config_.z_dim);
  VaeState next = state;
  at::Tensor z = latents.to(at::kFloat) / scale_.inverse_std + scale_.mean;
  z = from_latent_.forward(in_layout(z, compute_));
  std::vector<at::Tensor> pieces;
  const int64_t per_pass = latent_frames_per_pass(z.size(3), z.size(4));
  for (int64_t f = 0; f < z.size(2);) {
    const bool alone = next.latent_frames == 0 && next.start == StreamStart::first_frame_alone;
    const int64_t count = alone ? 1 : std::min(per_pass, z.size(2) - f);
    pieces.push_back(run(z.narrow(2, f, count), next));
    f += count;
  }
  state = std::move(next);
  return (pieces.size() == 1 ? pieces[0] : at::cat(pieces, 2)).to(latents.scalar_type());
}

VaeEncoder::VaeEncoder(const VaeConfig& config, const tensor::WeightMap& weights)
    : config_(checked(config)),
      compute_(conv_compute(weights, "encoder.conv1.weight")),
      scale_(config, weights.at("encoder.conv1.weight").device()) {
  const auto own = weights.under("encoder.");
  const int64_t wide = config.dim * config.dim_mult.back(), both = 2 * config.z_dim;
  conv_in_ = Conv3d(own, "conv1", {config.dim, 3, 3, 3, 3}, compute_);
  append_levels<Stage, Downsample>(stages_, encoder_plan(config), own.under("downsamples."), compute_);
  append_middle(stages_, own.under("middle."), wide, compute_);
  norm_out_ = ChannelNorm(own, "head.0", wide, 4, compute_);
  conv_out_ = Conv3d(own, "head.2", {both, wide, 3, 3, 3}, compute_);
  to_latent_ = Conv3d(weights, "conv1", {both, both, 1, 1, 1}, compute_);
}

at::Tensor VaeEncoder::run(const at::Tensor& video, VaeState& state) const {
  Pass pass(state);
  at::Tensor x = conv_in_.forward(with_history(video, pass.next_cache()));
  x = through(stages_, std::move(x), pass);
  x = conv_out_.forward(norm_out_.forward_silu_padded(x, pass.next_cache()));
  state.latent_frames += x.size(2);
  return x;
}

at::Tensor VaeEncoder::forward(const at::Tensor& video, VaeState& state) const {
  const int64_t stride = config_.temporal_stride(), side = config_.spatial_stride();
  const int64_t alone = state.latent_frames == 0 ? 1 : 0;
  require(video.dim() == 5 && video.size(1) == 3 && video.size(3) % side == 0 && video.size(4) % side == 0,
          ErrorCode::invalid_argument,
          "the video has shape [{}], the VAE encodes [B, 3, T, H, W] with H and W multiples of {}",
          fmt::join(video.sizes(), ", "), side);
  require(video.size(2) > 0 && (video.size(2) - alone) % stride == 0, ErrorCode::invalid_argument,
          "{} video frames do not map to a whole number of latent frames; give {}a multiple of {}", video.size(2),
          alone == 1 ? "1 and " : "", stride);
  VaeState next = state;
  const at::Tensor frames = in_layout(video, compute_);
  std::vector<at::Tensor> pieces;
  const int64_t per_pass = stride * latent_frames_per_pass(video.size(3) / side, video.size(4) / side);
  for (int64_t t = 0; t < video.size(2);) {
    const int64_t count = next.latent_frames == 0 ? 1 : std::min(per_pass, video.size(2) - t);
    pieces.push_back(run(frames.narrow(2, t, count), next));
    t += count;
  }
  const at::Tensor moments = to_latent_.forward(pieces.size() == 1 ? pieces[0] : at::cat(pieces, 2));
  const at::Tensor mu = moments.narrow(1, 0, config_.z_dim).to(at::kFloat);
  state = std::move(next);
  return ((mu - scale_.mean) * scale_.inverse_std).contiguous().to(video.scalar_type());
}

VaeStreamDecoder::VaeStreamDecoder(std::shared_ptr<const VaeDecoder> decoder, StreamStart start)
    : decoder_(std::move(decoder)), state_{start, {}, 0} {}

at::Tensor VaeStreamDecoder::decode(const at::Tensor& latents) {
  require(latents.dim() == 4, ErrorCode::invalid_argument, "latents have shape [{}], expected [F, C, h, w]",
          fmt::join(latents.sizes(), ", "));
  const at::Tensor z = latents.to(decoder_->device(), at::kFloat).transpose(0, 1).unsqueeze(0);
  return decoder_->forward(z, state_).squeeze(0).transpose(0, 1).clamp(-1, 1);
}

Vae::Vae(const VaeConfig& config, const tensor::WeightMap& weights)
    : config_(config), decoder_(std::make_shared<VaeDecoder>(config, weights)) {
  if (weights.contains("encoder.conv1.weight")) encoder_ = std::make_shared<VaeEncoder>(config, weights);
}

const VaeEncoder& Vae::video_encoder() const {
  require(encoder_ != nullptr, ErrorCode::unsupported,
          "this VAE was loaded without an encoder (no tensor 'encoder.*')");
  return *encoder_;
}

int64_t Vae::decoding_bytes(int64_t latent_frames, int64_t height, int64_t width) const {
  const int64_t side = config_.spatial_stride(), stride = config_.temporal_stride();
  const int64_t at_once = std::min(latent_frames, latent_frames_per_pass(height / side, width / side)) * stride;
  // Of the level of full size: what goes through a residual block, and the two frames that each convolution keeps,
  // those of the call before until this one ends. The levels below, each half as much, together keep as much again.
  const int64_t kept = 2 * 2 * 2 * (2 * (config_.num_res_blocks + 1) + 1);
  const int64_t values = config_.dim * config_.dim_mult[0] * (6 * at_once + kept);
  return height * width * (values * decoder_->value_bytes() + kFrameBytes * latent_frames * stride);
}

at::Tensor Vae::encode(const at::Tensor& video) const {
  const VaeEncoder& encoder = video_encoder();
  VaeState state;
  return encoder.forward(video.to(decoder_->device(), at::kFloat), state).transpose(1, 2);
}

}  // namespace rushes::wan
