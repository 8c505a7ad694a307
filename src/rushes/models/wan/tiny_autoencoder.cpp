#include "rushes/models/wan/tiny_autoencoder.h"

#include <fmt/ranges.h>

#include "rushes/base/error.h"
#include "rushes/tensor/ops.h"

namespace rushes::wan {
namespace {

using Kind = TinyLayer::Kind;

/// A stage of the architecture before it has weights; index in the vector = index in the key names.
struct Plan {
  Kind kind;
  int64_t in = 0, out = 0, factor = 1;
  bool bias = true;
};

void add_memory_blocks(std::vector<Plan>& plan, int64_t width) {
  for (int i = 0; i < 3; ++i) plan.push_back({Kind::memory, width, width});
}

std::vector<Plan> encoder_plan(const TinyAutoencoderConfig& config) {
  const int64_t width = config.encoder_width;
  std::vector<Plan> plan = {{Kind::conv, 3, width}, {Kind::relu}};
  for (const int64_t pooled : {2, 2, 1}) {
    plan.push_back({Kind::pool, width, width, pooled});
    plan.push_back({Kind::conv, width, width, 2, false});
    add_memory_blocks(plan, width);
  }
  plan.push_back({Kind::conv, width, config.latent_channels});
  return plan;
}

std::vector<Plan> decoder_plan(const TinyAutoencoderConfig& config) {
  const auto& widths = config.decoder_widths;
  require(widths.size() == 4 && config.decoder_time_upscale.size() == 2 && config.decoder_space_upscale.size() == 3,
          ErrorCode::invalid_argument,
          "a tiny decoder needs 4 widths, 2 time and 3 space up-scalings, but the config has {}, {} and {}",
          widths.size(), config.decoder_time_upscale.size(), config.decoder_space_upscale.size());
  std::vector<Plan> plan = {{Kind::clamp}, {Kind::conv, config.latent_channels, widths[0]}, {Kind::relu}};
  for (std::size_t stage = 0; stage < 3; ++stage) {
    const bool grows = stage > 0 && config.decoder_time_upscale[stage - 1];
    add_memory_blocks(plan, widths[stage]);
    plan.push_back({Kind::upsample, 0, 0, config.decoder_space_upscale[stage] ? 2 : 1});
    plan.push_back({Kind::grow, widths[stage], widths[stage], grows ? 2 : 1});
    plan.push_back({Kind::conv, widths[stage], widths[stage + 1], 1, false});
  }
  plan.push_back({Kind::relu});
  plan.push_back({Kind::conv, widths[3], 3});
  return plan;
}

using Shapes = std::map<std::string, std::vector<int64_t>>;

void add_shapes(Shapes& shapes, const std::string& prefix, const std::vector<Plan>& plan) {
  for (std::size_t i = 0; i < plan.size(); ++i) {
    const Plan& p = plan[i];
    const std::string key = fmt::format("{}{}.", prefix, i);
    if (p.kind == Kind::conv) {
      shapes[key + "weight"] = {p.out, p.in, 3, 3};
      if (p.bias) shapes[key + "bias"] = {p.out};
    } else if (p.kind == Kind::memory) {
      for (const int conv : {0, 2, 4}) {
        shapes[fmt::format("{}conv.{}.weight", key, conv)] = {p.out, conv == 0 ? 2 * p.in : p.out, 3, 3};
        shapes[fmt::format("{}conv.{}.bias", key, conv)] = {p.out};
      }
      if (p.in != p.out) shapes[key + "skip.weight"] = {p.out, p.in, 1, 1};
    } else if (p.kind == Kind::pool) {
      shapes[key + "conv.weight"] = {p.out, p.in * p.factor, 1, 1};
    } else if (p.kind == Kind::grow) {
      shapes[key + "conv.weight"] = {p.out * p.factor, p.in, 1, 1};
    }
  }
}

std::vector<TinyLayer> build(const std::vector<Plan>& plan, const tensor::WeightMap& weights,
                             const ConvCompute& compute) {
  // Packed once into the layout of the activations; trainable weights stay the leaves that the optimiser holds.
  const auto packed = [&](const at::Tensor& weight) {
    return compute.trainable ? weight : weight.to(compute.dtype).contiguous(at::MemoryFormat::ChannelsLast);
  };
  const auto bias_of = [&](const std::string& key, int64_t size) { return weights.at(key, {size}).to(compute.dtype); };
  std::vector<TinyLayer> layers;
  for (std::size_t i = 0; i < plan.size(); ++i) {
    const Plan& p = plan[i];
    TinyLayer layer{p.kind, p.factor, {}, {}, {}};
    const std::string key = fmt::format("{}.", i);
    if (p.kind == Kind::conv) {
      layer.weight.push_back(packed(weights.at(key + "weight", {p.out, p.in, 3, 3})));
      layer.bias.push_back(p.bias ? bias_of(key + "bias", p.out) : at::Tensor());
    } else if (p.kind == Kind::memory) {
      for (const int conv : {0, 2, 4}) {
        const std::string part = fmt::format("{}conv.{}.", key, conv);
        layer.weight.push_back(packed(weights.at(part + "weight", {p.out, conv == 0 ? 2 * p.in : p.out, 3, 3})));
        layer.bias.push_back(bias_of(part + "bias", p.out));
      }
      if (p.in != p.out) layer.weight.push_back(packed(weights.at(key + "skip.weight", {p.out, p.in, 1, 1})));
    } else if (p.kind == Kind::pool) {
      layer.weight.push_back(packed(weights.at(key + "conv.weight", {p.out, p.in * p.factor, 1, 1})));
    } else if (p.kind == Kind::grow) {
      const at::Tensor& weight = weights.at(key + "conv.weight", {-1, p.in, 1, 1});
      const int64_t needed = p.out * p.factor;
      require(weight.size(0) >= needed, ErrorCode::corrupt_data,
              "tensor '{}conv.weight' has {} output channels, but the configured time up-scaling needs at least {}",
              key, weight.size(0), needed);
      layer.weight.push_back(packed(weight.narrow(0, weight.size(0) - needed, needed)));
    }
    layers.push_back(std::move(layer));
  }
  return layers;
}

/// Doubling, growth in time and the convolution after them have nothing non-linear between them: one convolution of the
/// small picture does the work of three layers. Other layers stay as they are.
std::vector<TinyLayer> fold(std::vector<TinyLayer> layers) {
  std::vector<TinyLayer> folded;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const bool folds = layers[i].kind == Kind::upsample && layers[i].factor == 2 && i + 2 < layers.size() &&
                       layers[i + 1].kind == Kind::grow && layers[i + 2].kind == Kind::conv;
    if (!folds) {
      folded.push_back(std::move(layers[i]));
      continue;
    }
    const int64_t frames = layers[i + 1].factor;
    const at::Tensor grow =
        layers[i + 1].weight[0].to(at::kDouble).flatten(1).unflatten(0, {frames, -1});  // [S, C', C]
    const at::Tensor conv = layers[i + 2].weight[0].to(at::kDouble);                    // [O, C', 3, 3]
    const at::Tensor both =
        at::tensordot(grow, conv, {1}, {1}).permute({0, 2, 1, 3, 4}).flatten(0, 1);  // [S*O, C, 3, 3]
    TinyLayer layer{Kind::folded, frames, {}, {}, UpsampleConv(both, {}, frames)};
    folded.push_back(std::move(layer));
    i += 2;
  }
  return folded;
}

bool folds(const ConvCompute& compute) { return compute.fused && compute.dtype == at::kFloat; }

at::Tensor conv(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias = {}, int64_t stride = 1) {
  return at::conv2d(x, weight, bias, stride, weight.size(2) / 2);
}

/// ReLU in place where nobody needs the input again.
at::Tensor relu(at::Tensor x, bool trainable) { return trainable ? at::relu(x) : x.relu_(); }

// Inside, frames are time-major and channels-last: [T*N, C, H, W], batch innermost. So the previous frames of all
// frames are the same rows moved by N, and no operator falls back to the contiguous layout.

/// [.., H, W, C] in memory, seen as [frames, C, H, W].
at::Tensor channels_last_view(const at::Tensor& x_nhwc) {
  const int64_t d = x_nhwc.dim();
  return x_nhwc.reshape({-1, x_nhwc.size(d - 3), x_nhwc.size(d - 2), x_nhwc.size(d - 1)}).permute({0, 3, 1, 2});
}

at::Tensor from_video(const at::Tensor& video) {
  return channels_last_view(video.permute({1, 0, 3, 4, 2}).contiguous());
}

/// [T*N, C, H, W] to [N, T, C, H, W]: a view.
at::Tensor to_video(const at::Tensor& x, int64_t batch) {
  return x.unflatten(0, {x.size(0) / batch, batch}).transpose(0, 1);
}

/// ReLU(f(x_t, x_{t-1}) + skip(x_t)) for all frames at once; `previous` is the frame before the first, and becomes
/// the last frame of x.
at::Tensor memory_block(const TinyLayer& layer, const at::Tensor& x, int64_t batch, at::Tensor& previous,
                        bool trainable) {
  if (!previous.defined()) previous = at::zeros_like(x.narrow(0, 0, batch));
  const int64_t earlier = x.size(0) - batch;
  const at::Tensor past = earlier > 0 ? at::cat({previous, x.narrow(0, 0, earlier)}, 0) : previous;
  at::Tensor y = at::cat({x, past}, 1);
  y = relu(conv(y, layer.weight[0], layer.bias[0]), trainable);
  y = relu(conv(y, layer.weight[1], layer.bias[1]), trainable);
  y = conv(y, layer.weight[2], layer.bias[2]);
  const at::Tensor skip = layer.weight.size() > 3 ? conv(x, layer.weight[3]) : x;
  // A copy, not a view: a view would keep the frames before it alive for as long as the stream lives.
  previous = x.narrow(0, earlier, batch).clone();
  return trainable ? at::relu(y + skip) : y.add_(skip).relu_();
}

/// Joins groups of `count` frames into one; `waiting` holds those of an incomplete group. Undefined if none is full.
at::Tensor pool(const TinyLayer& layer, const at::Tensor& x, int64_t batch, at::Tensor& waiting) {
  const int64_t count = layer.factor;
  if (count == 1) return conv(x, layer.weight[0]);
  const at::Tensor all = waiting.defined() && waiting.size(0) > 0 ? at::cat({waiting, x}, 0) : x;
  const int64_t groups = all.size(0) / (count * batch), used = groups * count * batch;
  waiting = all.narrow(0, used, all.size(0) - used).clone();
  if (groups == 0) return {};
  // [T, s, N, C, H, W] -> [T, N, H, W, s, C]: the frames of a group side by side on the channel axis.
  const at::Tensor grouped =
      all.narrow(0, 0, used).unflatten(0, {groups, count, batch}).permute({0, 2, 4, 5, 1, 3}).flatten(4, 5);
  return conv(channels_last_view(grouped), layer.weight[0]);
}

at::Tensor grow(const TinyLayer& layer, const at::Tensor& x, int64_t batch) {
  const int64_t count = layer.factor;
  const at::Tensor y = conv(x, layer.weight[0]);
  if (count == 1) return y;
  // [T, N, s, C, H, W] -> [T, s, N, H, W, C]: the channel groups one after the other in time.
  return channels_last_view(y.unflatten(1, {count, y.size(1) / count})
                                .unflatten(0, {y.size(0) / batch, batch})
                                .permute({0, 2, 1, 4, 5, 3})
                                .contiguous());
}

at::Tensor upsample(const at::Tensor& x, int64_t factor) {
  return factor == 1 ? x : at::upsample_nearest2d(x, {x.size(2) * factor, x.size(3) * factor});
}

/// All layers in order on x [N, T, C, H, W]. Undefined when the frames so far do not fill a group of a pooling layer.
at::Tensor run(const std::vector<TinyLayer>& layers, const at::Tensor& video, TinyState& state, bool trainable) {
  const int64_t batch = video.size(0);
  if (state.memory.empty()) state.memory.resize(layers.size());
  if (state.waiting.empty()) state.waiting.resize(layers.size());
  at::Tensor x = from_video(video);
  for (std::size_t i = 0; i < layers.size() && x.defined(); ++i) {
    const TinyLayer& layer = layers[i];
    switch (layer.kind) {
      case Kind::clamp: x = at::tanh(x / 3) * 3; break;
      case Kind::conv: x = conv(x, layer.weight[0], layer.bias[0], layer.factor); break;
      case Kind::relu: x = relu(x, trainable); break;
      case Kind::memory: x = memory_block(layer, x, batch, state.memory[i], trainable); break;
      case Kind::upsample: x = upsample(x, layer.factor); break;
      case Kind::pool: x = pool(layer, x, batch, state.waiting[i]); break;
      case Kind::grow: x = grow(layer, x, batch); break;
      case Kind::folded: x = layer.upsample.forward(x, batch); break;
    }
  }
  return x.defined() ? to_video(x, batch) : x;
}

void require_video(const at::Tensor& x, int64_t channels, std::string_view what, std::string_view axes) {
  require(x.dim() == 5 && x.size(1) > 0 && x.size(2) == channels, ErrorCode::invalid_argument,
          "{} have shape [{}], expected {} with {} channels and at least one frame", what, fmt::join(x.sizes(), ", "),
          axes, channels);
}

/// All at once, but for large ones: these would need more memory, and take long without an interruption point.
int64_t latent_frames_per_pass(int64_t height, int64_t width) {
  constexpr int64_t kPositions = 20'000;
  return std::max<int64_t>(1, kPositions / (height * width));
}

class TinyStreamDecoder final : public StreamDecoder {
 public:
  explicit TinyStreamDecoder(std::shared_ptr<const TinyDecoder> decoder) : decoder_(std::move(decoder)) {}

  at::Tensor decode(const at::Tensor& latents) override {
    require(latents.dim() == 4, ErrorCode::invalid_argument, "latents have shape [{}], expected [F, C, h, w]",
            fmt::join(latents.sizes(), ", "));
    const at::Tensor rgb = decoder_->forward_trimmed(latents.to(decoder_->device(), at::kFloat).unsqueeze(0), state_);
    return rgb.squeeze(0).mul_(2).sub_(1).clamp_(-1, 1);
  }
  std::unique_ptr<StreamDecoder> clone() const override { return std::make_unique<TinyStreamDecoder>(*this); }
  int64_t bytes() const override { return state_.bytes(); }

 private:
  std::shared_ptr<const TinyDecoder> decoder_;
  TinyState state_;
};

}  // namespace

int64_t TinyState::bytes() const {
  int64_t total = 0;
  for (const auto* kept : {&memory, &waiting})
    for (const at::Tensor& frames : *kept) total += frames.defined() ? static_cast<int64_t>(frames.nbytes()) : 0;
  return total;
}

std::map<std::string, std::vector<int64_t>> parameter_shapes(const TinyAutoencoderConfig& config) {
  Shapes shapes;
  add_shapes(shapes, "encoder.", encoder_plan(config));
  add_shapes(shapes, "decoder.", decoder_plan(config));
  return shapes;
}

TinyEncoder::TinyEncoder(const TinyAutoencoderConfig& config, const tensor::WeightMap& weights)
    : compute_(conv_compute(weights, "0.weight")), layers_(build(encoder_plan(config), weights, compute_)) {}

at::Tensor TinyEncoder::forward(const at::Tensor& video, TinyState& state) const {
  require_video(video, 3, "video frames", "[N, T, 3, H, W]");
  require(video.size(3) % 8 == 0 && video.size(4) % 8 == 0, ErrorCode::invalid_argument,
          "video frames of {}x{}: height and width must be multiples of 8", video.size(3), video.size(4));
  TinyState next = state;
  const at::Tensor latents = run(layers_, video.to(compute_.dtype), next, compute_.trainable);
  state = std::move(next);
  if (latents.defined()) return latents.to(video.scalar_type());
  const int64_t channels = layers_.back().weight[0].size(0);
  return at::empty({video.size(0), 0, channels, video.size(3) / 8, video.size(4) / 8}, video.options());
}

at::Tensor TinyEncoder::encode(const at::Tensor& video) const {
  require_video(video, 3, "video frames", "[N, T, 3, H, W]");
  require(video.size(1) % 4 == 1, ErrorCode::invalid_argument,
          "a video of {} frames cannot be encoded: the count must be 1 + 4k", video.size(1));
  TinyState state;
  return forward(at::cat({video.narrow(1, 0, 1).expand({-1, 3, -1, -1, -1}), video}, 1), state);
}

TinyDecoder::TinyDecoder(const TinyAutoencoderConfig& config, const tensor::WeightMap& weights)
    : config_(config),
      compute_(conv_compute(weights, "1.weight")),
      layers_(build(decoder_plan(config), weights, compute_)),
      device_(weights.at("1.weight").device()) {
  if (folds(compute_)) layers_ = fold(std::move(layers_));
}

at::Tensor TinyDecoder::forward(const at::Tensor& latents, TinyState& state) const {
  require_video(latents, config_.latent_channels, "latents", "[N, F, C, h, w]");
  TinyState next = state;
  const at::Tensor z = latents.to(compute_.dtype);
  const int64_t per_pass = latent_frames_per_pass(latents.size(3), latents.size(4));
  std::vector<at::Tensor> pieces;
  for (int64_t f = 0; f < z.size(1); f += per_pass)
    pieces.push_back(run(layers_, z.narrow(1, f, std::min(per_pass, z.size(1) - f)), next, compute_.trainable));
  const at::Tensor rgb = (pieces.size() == 1 ? pieces[0] : at::cat(pieces, 1)).to(latents.scalar_type());
  next.video_frames_seen += rgb.size(1);
  state = std::move(next);
  return rgb;
}

at::Tensor TinyDecoder::forward_trimmed(const at::Tensor& latents, TinyState& state) const {
  const int64_t before = state.video_frames_seen;
  const at::Tensor rgb = forward(latents, state);
  const int64_t trimmed = std::clamp<int64_t>(config_.frames_to_trim - before, 0, rgb.size(1));
  return rgb.narrow(1, trimmed, rgb.size(1) - trimmed);
}

TinyAutoencoder::TinyAutoencoder(const TinyAutoencoderConfig& config, const tensor::WeightMap& weights)
    : config_(config), decoder_(std::make_shared<TinyDecoder>(config, weights.under("decoder."))) {
  if (const auto encoder = weights.under("encoder."); !encoder.tensors().empty())
    encoder_ = std::make_shared<TinyEncoder>(config, encoder);
}

int64_t TinyAutoencoder::decoding_bytes(int64_t latent_frames, int64_t height, int64_t width) const {
  const int64_t side = spatial_stride(), stride = temporal_stride();
  const int64_t at_once = std::min(latent_frames, latent_frames_per_pass(height / side, width / side)) * stride;
  // Of full size is what the last convolutions read and yield.
  const int64_t values = 3 * config_.decoder_widths[3] * at_once;
  return height * width * (values * decoder_->value_bytes() + kFrameBytes * latent_frames * stride);
}

std::unique_ptr<StreamDecoder> TinyAutoencoder::decoder() const {
  return std::make_unique<TinyStreamDecoder>(decoder_);
}

at::Tensor TinyAutoencoder::encode(const at::Tensor& video) const {
  require(encoder_ != nullptr, ErrorCode::unsupported,
          "this tiny autoencoder was loaded without an encoder (no tensor 'encoder.*')");
  require(video.dim() == 5, ErrorCode::invalid_argument, "the video has shape [{}], expected [B, 3, T, H, W]",
          fmt::join(video.sizes(), ", "));
  return encoder_->encode(video.transpose(1, 2).to(decoder_->device(), at::kFloat).mul(0.5).add_(0.5));
}

}  // namespace rushes::wan
