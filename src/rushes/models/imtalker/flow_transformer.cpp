#include "rushes/models/imtalker/flow_transformer.h"

#include <fmt/format.h>

#include <cmath>

#include "rushes/base/error.h"
#include "rushes/nn/attention.h"
#include "rushes/nn/norm.h"
#include "rushes/tensor/ops.h"

namespace rushes::imtalker {
namespace {

constexpr double kEps = 1e-6;

/// Normalised without weights of its own, then scaled and shifted for each frame.
at::Tensor modulated(const at::Tensor& x, const at::Tensor& shift, const at::Tensor& scale) {
  return at::addcmul(shift, nn::layer_norm(x, {}, {}, kEps), scale + 1);
}

at::Tensor twice(const at::Tensor& x) { return at::cat({x, x}); }
Conditions twice(const Conditions& c) { return {twice(c.audio), twice(c.gaze), twice(c.pose), twice(c.cam)}; }

}  // namespace

Conditions Conditions::narrow(int64_t start, int64_t length) const {
  const auto part = [&](const at::Tensor& x) { return x.narrow(1, start, length); };
  return {part(audio), part(gaze), part(pose), part(cam)};
}

Conditions Conditions::followed_by(const Conditions& next) const {
  return {at::cat({audio, next.audio}, 1), at::cat({gaze, next.gaze}, 1), at::cat({pose, next.pose}, 1),
          at::cat({cam, next.cam}, 1)};
}

Conditions Conditions::padded_to(int64_t length) const {
  const int64_t missing = length - audio.size(1);
  if (missing <= 0) return *this;
  const auto repeat = [&](const at::Tensor& x) { return x.expand({-1, missing, -1}); };
  const Conditions end = last(1);
  return followed_by({repeat(end.audio), repeat(end.gaze), repeat(end.pose), repeat(end.cam)});
}

Conditions Conditions::sample(int64_t b) const {
  return {audio.narrow(0, b, 1), gaze.narrow(0, b, 1), pose.narrow(0, b, 1), cam.narrow(0, b, 1)};
}

Conditions Conditions::batch(const std::vector<Conditions>& parts) {
  const auto all = [&](at::Tensor Conditions::*field) {
    std::vector<at::Tensor> tensors;
    for (const Conditions& part : parts) tensors.push_back(part.*field);
    return at::cat(tensors);
  };
  return {all(&Conditions::audio), all(&Conditions::gaze), all(&Conditions::pose), all(&Conditions::cam)};
}

MotionContext MotionContext::sample(int64_t b) const { return {motion.narrow(0, b, 1), conditions.sample(b)}; }

MotionContext MotionContext::batch(const std::vector<MotionContext>& parts) {
  std::vector<at::Tensor> motions;
  std::vector<Conditions> conditions;
  for (const MotionContext& part : parts) {
    motions.push_back(part.motion);
    conditions.push_back(part.conditions);
  }
  return {at::cat(motions), Conditions::batch(conditions)};
}

TimeEmbedding::TimeEmbedding(const tensor::WeightMap& weights)
    : in_(weights, "mlp.0", -1, -1), out_(weights, "mlp.2", -1, -1) {}

at::Tensor TimeEmbedding::forward(const at::Tensor& t) const {
  const int64_t half = in_.weight().size(1) / 2;
  const at::Tensor exponent =
      at::arange(half, at::TensorOptions(at::kFloat)) * -std::log(10000.0) / static_cast<double>(half);
  const at::Tensor angles = at::outer(t.to(at::kFloat), at::exp(exponent).to(t.device()));
  const at::Tensor waves = at::cat({at::cos(angles), at::sin(angles)}, 1).to(in_.weight().scalar_type());
  return out_(at::silu(in_(waves)));
}

FlowBlock::FlowBlock(const tensor::WeightMap& weights, int64_t num_heads) : num_heads_(num_heads) {
  const int64_t C = weights.at("attn.proj.weight", {-1, -1}).size(0);
  require(num_heads > 0 && C % num_heads == 0 && C / num_heads % 2 == 0, ErrorCode::invalid_argument,
          "flow transformer: num_heads must divide the width {} into even heads (got {})", C, num_heads);
  modulation_ = nn::Linear(weights, "adaLN_modulation.1", 6 * C, C);
  qkv_ = nn::Linear(weights, "attn.qkv", 3 * C, C);
  proj_ = nn::Linear(weights, "attn.proj", C, C);
  fc1_ = nn::Linear(weights, "mlp.fc1", -1, C);
  fc2_ = nn::Linear(weights, "mlp.fc2", C, -1);
}

at::Tensor FlowBlock::forward(const at::Tensor& x, const at::Tensor& c, const nn::RopeHalves& rope) const {
  const int64_t B = x.size(0), L = x.size(1);
  const auto m = modulation_(at::silu(c)).chunk(6, -1);  // shift, scale, gate of attention; then of the MLP
  const auto qkv = qkv_(modulated(x, m[0], m[1])).view({B, L, 3, num_heads_, -1}).unbind(2);
  const at::Tensor seen = nn::attention(nn::rotate_halves(qkv[0], rope), nn::rotate_halves(qkv[1], rope), qkv[2]);
  const at::Tensor y = at::addcmul(x, m[2], proj_(seen.reshape({B, L, -1})));
  return at::addcmul(y, m[5], fc2_(fc1_(modulated(y, m[3], m[4]), nn::Activation::gelu_tanh)));
}

FlowTransformer::FlowTransformer(const GeneratorConfig& config, const tensor::WeightMap& weights)
    : time_(weights.under("t_embedder.")),
      x_embedder_(weights, "x_embedder.proj", config.dim_hidden, 2 * config.dim_motion),
      c_embedder_(weights, "c_embedder", config.dim_hidden, config.dim_condition),
      final_modulation_(weights, "decoder.adaLN_modulation.1", 2 * config.dim_hidden, config.dim_hidden),
      final_(weights, "decoder.linear", config.dim_motion, config.dim_hidden) {
  require(config.depth > 0, ErrorCode::invalid_argument, "flow transformer: depth must be at least 1, got {}",
          config.depth);
  for (int64_t i = 0; i < config.depth; ++i)
    blocks_.emplace_back(weights.under(fmt::format("blocks.{}.", i)), config.num_heads);
}

at::Tensor FlowTransformer::forward(float t, const at::Tensor& x, const Conditions& current, const MotionContext& past,
                                    const at::Tensor& reference) const {
  const at::Tensor time =
      time_.forward(at::full({1}, t, at::TensorOptions(at::kFloat).device(x.device()))).unsqueeze(1);
  const at::Tensor motion = at::cat({past.motion, x}, 1);
  const at::Tensor repeated = reference.unsqueeze(1).expand({-1, motion.size(1), -1});
  const Conditions all = past.conditions.followed_by(current);
  const at::Tensor c = c_embedder_(all.audio + all.pose + all.cam + all.gaze) + time;
  const nn::RopeHalves rope(motion.size(1), blocks_.front().head_size(), x.device());
  at::Tensor y = x_embedder_(at::cat({repeated, motion}, 2));
  for (const FlowBlock& block : blocks_) y = block.forward(y, c, rope);
  const auto m = final_modulation_(at::silu(c)).chunk(2, -1);
  return final_(modulated(y, m[0], m[1]));
}

at::Tensor FlowTransformer::guided(float t, const at::Tensor& x, const Conditions& current, const MotionContext& past,
                                   const at::Tensor& reference, double scale) const {
  if (scale == 1.0) return forward(t, x, current, past, reference);
  Conditions both = twice(current);
  both.audio = at::cat({at::zeros_like(current.audio), current.audio});
  const auto v = forward(t, twice(x), both, {twice(past.motion), twice(past.conditions)}, twice(reference)).chunk(2, 0);
  return v[0] + scale * (v[1] - v[0]);
}

}  // namespace rushes::imtalker
