#include "rushes/models/wav2vec/encoder.h"

#include <ATen/ops/conv1d.h>
#include <fmt/format.h>

#include <cmath>

#include "rushes/base/error.h"
#include "rushes/nn/attention.h"
#include "rushes/nn/norm.h"
#include "rushes/tensor/ops.h"

namespace rushes::wav2vec {

at::Tensor normalise(const at::Tensor& wave, double eps) {
  const auto [var, mean] =
      at::var_mean(wave, at::OptionalIntArrayRef(at::IntArrayRef{-1}), /*correction=*/0, /*keepdim=*/true);
  return (wave - mean) / at::sqrt(var + eps);
}

int64_t video_frames(int64_t samples, double fps, int64_t sampling_rate) {
  return static_cast<int64_t>(std::ceil(static_cast<double>(samples) * fps / static_cast<double>(sampling_rate)));
}

int64_t samples_of(int64_t video_frames, double fps, int64_t sampling_rate) {
  return static_cast<int64_t>(static_cast<double>(video_frames) * static_cast<double>(sampling_rate) / fps);
}

at::Tensor pad_with_last(const at::Tensor& wave, int64_t samples) {
  require(wave.dim() == 2 && wave.size(1) > 0 && wave.size(1) <= samples, ErrorCode::invalid_argument,
          "a waveform of {} samples cannot be padded to {}", wave.size(-1), samples);
  const int64_t missing = samples - wave.size(1);
  return missing == 0 ? wave : at::cat({wave, wave.narrow(1, wave.size(1) - 1, 1).expand({-1, missing})}, 1);
}

at::Tensor interpolate_time(const at::Tensor& x, int64_t length) {
  const int64_t from = x.size(1);
  if (from == length) return x;
  const float step = length > 1 ? static_cast<float>(from - 1) / static_cast<float>(length - 1) : 0.0f;
  at::Tensor low = at::empty({length}, at::kLong), high = at::empty({length}, at::kLong),
             share = at::empty({length}, at::kFloat);
  for (int64_t i = 0; i < length; ++i) {
    const float position = step * static_cast<float>(i);
    const auto cell = std::min(static_cast<int64_t>(position), from - 1);
    low.data_ptr<int64_t>()[i] = cell;
    high.data_ptr<int64_t>()[i] = std::min(cell + 1, from - 1);
    share.data_ptr<float>()[i] = position - static_cast<float>(cell);
  }
  const at::Tensor t = share.to(x.options()).view({1, -1, 1});
  return at::index_select(x, 1, low.to(x.device())) * (1 - t) + at::index_select(x, 1, high.to(x.device())) * t;
}

Encoder::Encoder(const Config& config, const tensor::WeightMap& weights)
    : config_(config), trainable_(weights.trainable()) {
  const int64_t C = config.hidden_size, groups = config.num_conv_pos_embedding_groups,
                K = config.num_conv_pos_embeddings;
  require(!config.conv_dim.empty() && config.conv_kernel.size() == config.conv_dim.size() &&
              config.conv_stride.size() == config.conv_dim.size(),
          ErrorCode::invalid_argument,
          "wav2vec2: conv_dim, conv_kernel and conv_stride must have the same length, got {}, {}, {}",
          config.conv_dim.size(), config.conv_kernel.size(), config.conv_stride.size());
  require(config.num_attention_heads > 0 && C % config.num_attention_heads == 0 && groups > 0 && C % groups == 0,
          ErrorCode::invalid_argument,
          "wav2vec2: num_attention_heads {} and num_conv_pos_embedding_groups {} must divide hidden_size {}",
          config.num_attention_heads, groups, C);
  const auto take_norm = [](const tensor::WeightMap& from, const std::string& key, int64_t width) {
    return Norm{from.at(key + ".weight", {width}), from.at(key + ".bias", {width})};
  };
  int64_t width = 1;
  for (std::size_t i = 0; i < config.conv_dim.size(); ++i) {
    const std::string key = fmt::format("feature_extractor.conv_layers.{}.", i);
    Convolution conv{weights.at(key + "conv.weight", {config.conv_dim[i], width, config.conv_kernel[i]}), {}, {}};
    width = config.conv_dim[i];
    if (config.conv_bias) conv.bias = weights.at(key + "conv.bias", {width});
    if (config.feature_layer_norm || i == 0) conv.norm = take_norm(weights, key + "layer_norm", width);
    convs_.push_back(std::move(conv));
  }
  projection_norm_ = take_norm(weights, "feature_projection.layer_norm", width);
  projection_ = nn::Linear(weights, "feature_projection.projection", C, width);
  encoder_norm_ = take_norm(weights, "encoder.layer_norm", C);

  const auto position = weights.under("encoder.pos_conv_embed.conv.");
  const bool renamed = position.contains("parametrizations.weight.original0");
  position_gain_ = position.at(renamed ? "parametrizations.weight.original0" : "weight_g", {1, 1, K});
  position_direction_ = position.at(renamed ? "parametrizations.weight.original1" : "weight_v", {C, C / groups, K});
  position_bias_ = position.at("bias", {C});
  if (!trainable_) position_weight_ = position_weight();

  for (int64_t i = 0; i < config.num_hidden_layers; ++i) {
    const auto own = weights.under(fmt::format("encoder.layers.{}.", i));
    layers_.push_back({.q = nn::Linear(own, "attention.q_proj", C, C),
                       .k = nn::Linear(own, "attention.k_proj", C, C),
                       .v = nn::Linear(own, "attention.v_proj", C, C),
                       .out = nn::Linear(own, "attention.out_proj", C, C),
                       .up = nn::Linear(own, "feed_forward.intermediate_dense", config.intermediate_size, C),
                       .down = nn::Linear(own, "feed_forward.output_dense", C, config.intermediate_size),
                       .attention_norm = take_norm(own, "layer_norm", C),
                       .mlp_norm = take_norm(own, "final_layer_norm", C)});
  }
}

// The norm is over output and input channels together, one for each tap.
at::Tensor Encoder::position_weight() const {
  const at::Tensor direction = position_direction_.to(at::kFloat);
  const at::Tensor length = at::sqrt(at::sum(direction * direction, at::IntArrayRef{0, 1}, /*keepdim=*/true));
  return (direction * (position_gain_.to(at::kFloat) / length)).to(position_direction_.scalar_type());
}

at::Tensor Encoder::norm(const at::Tensor& x, const Norm& norm) const {
  return nn::layer_norm(x, norm.weight, norm.bias, config_.layer_norm_eps);
}

at::Tensor Encoder::features(const at::Tensor& wave) const {
  constexpr double kEps = 1e-5;  // of the norms between convolutions, whatever layer_norm_eps is
  at::Tensor x = wave.unsqueeze(1);
  for (std::size_t i = 0; i < convs_.size(); ++i) {
    const Convolution& conv = convs_[i];
    require(x.size(2) >= config_.conv_kernel[i], ErrorCode::invalid_argument,
            "wav2vec2: {} audio samples are too few for one feature", wave.size(1));
    x = at::conv1d(x, conv.weight, conv.bias, config_.conv_stride[i]);
    if (config_.feature_layer_norm)
      x = nn::layer_norm(x.transpose(1, 2), conv.norm.weight, conv.norm.bias, kEps).transpose(1, 2);
    else if (i == 0)
      x = at::group_norm(x, x.size(1), conv.norm.weight, conv.norm.bias, kEps);
    x = at::gelu(x);
  }
  return x.transpose(1, 2);
}

at::Tensor Encoder::layer(const Layer& layer, const at::Tensor& x) const {
  const auto attention = [&](const at::Tensor& from) {
    const auto heads = [&](const at::Tensor& y) {
      return y.view({x.size(0), x.size(1), config_.num_attention_heads, -1});
    };
    const at::Tensor seen = nn::attention(heads(layer.q(from)), heads(layer.k(from)), heads(layer.v(from)));
    return layer.out(seen.reshape(x.sizes()));
  };
  const auto mlp = [&](const at::Tensor& from) { return layer.down(at::gelu(layer.up(from))); };
  if (config_.stable_layer_norm) {
    const at::Tensor y = x + attention(norm(x, layer.attention_norm));
    return y + mlp(norm(y, layer.mlp_norm));
  }
  const at::Tensor y = norm(x + attention(x), layer.attention_norm);
  return norm(y + mlp(y), layer.mlp_norm);
}

std::vector<at::Tensor> Encoder::hidden_states(const at::Tensor& wave, int64_t length) const {
  require(wave.dim() == 2 && length > 0, ErrorCode::invalid_argument,
          "wav2vec2 expects waveforms [B, S] and at least one time step, got {} axes and {}", wave.dim(), length);
  return transformed(interpolate_time(features(wave.to(dtype())), length));
}

std::vector<at::Tensor> Encoder::hidden_states(const at::Tensor& wave) const {
  require(wave.dim() == 2, ErrorCode::invalid_argument, "wav2vec2 expects waveforms [B, S], got {} axes", wave.dim());
  return transformed(features(wave.to(dtype())));
}

std::vector<at::Tensor> Encoder::transformed(const at::Tensor& features) const {
  const at::Tensor x = projection_(norm(features, projection_norm_));
  const at::Tensor positions =
      at::conv1d(x.transpose(1, 2), trainable_ ? position_weight() : position_weight_, position_bias_, 1,
                 config_.num_conv_pos_embeddings / 2, 1, config_.num_conv_pos_embedding_groups);
  // An even kernel with this padding gives one step too many.
  const at::Tensor placed = x + at::gelu(positions.narrow(2, 0, x.size(1))).transpose(1, 2);
  std::vector<at::Tensor> states{config_.stable_layer_norm ? placed : norm(placed, encoder_norm_)};
  for (const Layer& each : layers_) states.push_back(layer(each, states.back()));
  if (config_.stable_layer_norm) states.back() = norm(states.back(), encoder_norm_);
  return states;
}

}  // namespace rushes::wav2vec
