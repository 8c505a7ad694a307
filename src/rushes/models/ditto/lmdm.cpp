#include "rushes/models/ditto/lmdm.h"

#include <fmt/format.h>

#include <cmath>

#include "rushes/base/error.h"
#include "rushes/tensor/ops.h"

namespace rushes::ditto {
namespace {

nn::Linear linear(const tensor::WeightMap& weights, const std::string& key, int64_t out, int64_t in) {
  return {weights, key, out, in};
}

KeysAndValues joined(const KeysAndValues& a, const KeysAndValues& b, int64_t axis) {
  return {at::cat({a.k, b.k}, axis), at::cat({a.v, b.v}, axis)};
}

KeysAndValues expanded(const KeysAndValues& all, int64_t batch) {
  return {all.k.expand({batch, -1, -1, -1}), all.v.expand({batch, -1, -1, -1})};
}

}  // namespace

Lmdm::Lmdm(const tensor::WeightMap& weights, int64_t heads) {
  dropped_tokens_ = weights.at("null_cond_embed", {1, -1, -1});
  const int64_t D = dropped_tokens_.size(2);
  dropped_hidden_ = weights.at("null_cond_hidden", {1, D});
  rotary_ = Rotary(weights.at("rotary.freqs", {D / 2}), dropped_tokens_.size(1) + 2);  // and the two time tokens

  // The input projection sees the noisy motion and the condition frame side by side: two products, one of them
  // constant.
  const at::Tensor& final_weight = weights.at("final_layer.weight", {-1, D});
  const int64_t N = final_weight.size(0);
  const at::Tensor& input = weights.at("input_projection.weight", {D, -1});
  condition_frames_ = input.size(1) == 2 * N + 1;
  require(condition_frames_ || input.size(1) == 2 * N, ErrorCode::corrupt_data,
          "motion model: input_projection.weight takes {} numbers, expected {} or {}", input.size(1), 2 * N, 2 * N + 1);
  tensor::WeightMap halves;
  halves.set_trainable(weights.trainable());
  halves.set("motion.weight", input.narrow(1, 0, N));
  halves.set("motion.bias", weights.at("input_projection.bias", {D}));
  halves.set("frame.weight", input.narrow(1, N, input.size(1) - N));
  halves.set("frame.bias", at::zeros({D}, input.options()));
  input_ = linear(halves, "motion", D, N);
  frame_ = linear(halves, "frame", D, input.size(1) - N);

  const int64_t A = weights.at("cond_projection.weight", {D, -1}).size(1);
  projection_ = linear(weights, "cond_projection", D, A);
  hidden_norm_ = LayerNorm(weights, "non_attn_cond_projection.0", D);
  hidden_in_ = linear(weights, "non_attn_cond_projection.1", D, D);
  hidden_out_ = linear(weights, "non_attn_cond_projection.3", D, D);
  condition_norm_ = LayerNorm(weights, "norm_cond", D);
  const int64_t wide = weights.at("time_mlp.1.weight", {-1, D}).size(0);
  time_mlp_ = linear(weights, "time_mlp.1", wide, D);
  time_condition_ = linear(weights, "to_time_cond.0", D, wide);
  time_tokens_ = linear(weights, "to_time_tokens.0", 2 * D, wide);
  final_ = linear(weights, "final_layer", N, D);
  for (int i = 0; weights.contains(fmt::format("cond_encoder.{}.norm1.weight", i)); ++i)
    encoder_.emplace_back(weights.under(fmt::format("cond_encoder.{}.", i)), D, heads);
  for (int i = 0; weights.contains(fmt::format("seqTransDecoder.stack.{}.norm1.weight", i)); ++i)
    decoder_.emplace_back(weights.under(fmt::format("seqTransDecoder.stack.{}.", i)), D, heads);
  require(!decoder_.empty(), ErrorCode::corrupt_data,
          "motion model: the key 'seqTransDecoder.stack.0.norm1.weight' is missing");

  const at::Tensor dropped = condition_norm_(dropped_tokens_);
  for (const FilmLayer& layer : decoder_)
    dropped_layers_.push_back(layer.cross_attention.keys_and_values(rotary_(dropped), dropped));
}

bool Lmdm::samples_are_independent() const {
  const auto narrow = [](const nn::Linear& layer) {
    return nn::Linear::is_narrow(layer.weight().size(0), layer.weight().size(1));
  };
  const int64_t D = dropped_tokens_.size(2);
  return !device().is_cpu() || (dtype() == at::kFloat && narrow(projection_) && narrow(input_) && narrow(final_) &&
                                nn::Linear::is_narrow(6 * D, D) && decoder_.front().mlp.is_narrow());
}

Lmdm::Window Lmdm::window(const at::Tensor& cond, const at::Tensor& cond_frame) const {
  const int64_t B = cond.size(0), T = frames();
  require(cond.dim() == 3 && cond.size(1) == T && cond.size(2) == condition(), ErrorCode::invalid_argument,
          "motion model: expected conditions [B, {}, {}]", T, condition());
  at::Tensor tokens = projection_(cond);
  for (const ConditionLayer& layer : encoder_) tokens = layer(tokens, rotary_);
  const at::Tensor summary = at::mean(tokens, at::OptionalIntArrayRef(at::IntArrayRef{1}));
  const at::Tensor hidden = hidden_out_(ditto::silu(hidden_in_(hidden_norm_(summary))));
  const at::Tensor seen = condition_norm_(tokens), turned = rotary_(seen);

  Window window;
  window.frame = frame_(condition_frames_ ? cond_frame : cond_frame.unsqueeze(1));
  window.hidden = at::cat({hidden, dropped_hidden_.expand({B, -1})}, 0);
  for (std::size_t i = 0; i < decoder_.size(); ++i)
    window.layers.push_back(
        joined(decoder_[i].cross_attention.keys_and_values(turned, seen), expanded(dropped_layers_[i], B), 0));
  return window;
}

Lmdm::Step Lmdm::step(double time) const {
  const int64_t half = dropped_tokens_.size(2) / 2;
  const auto options = at::TensorOptions(at::kFloat).device(dropped_tokens_.device());
  // Source: arXiv:1706.03762, section 3.5, in float32.
  const at::Tensor rates = at::exp(at::arange(half, options) * (-std::log(10000.0) / static_cast<double>(half - 1)));
  const at::Tensor angles = (rates * time).unsqueeze(0);
  const at::Tensor wide = mish(time_mlp_(at::cat({at::sin(angles), at::cos(angles)}, 1).to(dtype())));
  const at::Tensor tokens = condition_norm_(time_tokens_(wide).view({1, 2, -1}));
  const at::Tensor turned = rotary_(tokens, frames());
  Step step{time_condition_(wide), {}};
  for (const FilmLayer& layer : decoder_) step.layers.push_back(layer.cross_attention.keys_and_values(turned, tokens));
  return step;
}

Lmdm::Prediction Lmdm::forward(const at::Tensor& x, const Window& window, const Step& step) const {
  const int64_t B = x.size(0);
  const at::Tensor motion = input_(x.to(dtype())) + window.frame;
  const at::Tensor film = mish(window.hidden + step.time);
  at::Tensor h = at::cat({motion, motion}, 0);
  for (std::size_t i = 0; i < decoder_.size(); ++i)
    h = decoder_[i](h, joined(window.layers[i], expanded(step.layers[i], 2 * B), 1), film, rotary_);
  const at::Tensor both = final_(h);
  return {both.narrow(0, 0, B), both.narrow(0, B, B)};
}

}  // namespace rushes::ditto
