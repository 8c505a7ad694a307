#include "rushes/models/ditto/lmdm_layers.h"

#include <ATen/ops/mish.h>

#include "rushes/base/error.h"
#include "rushes/nn/attention.h"
#include "rushes/nn/norm.h"
#include "rushes/tensor/ops.h"

namespace rushes::ditto {
namespace {

constexpr double kEps = 1e-5;

nn::Linear linear(const tensor::WeightMap& weights, const std::string& key) {
  const at::Tensor& weight = weights.at(key + ".weight", {-1, -1});
  return {weights, key, weight.size(0), weight.size(1)};
}

// libtorch computes what is left over behind whole vectors by other functions: a value would depend, in its last bit,
// on how many rows there are.
template <typename Function>
at::Tensor row_by_row(const at::Tensor& x, Function function) {
  std::vector<at::Tensor> rows;
  for (const at::Tensor& row : x.split(1)) rows.push_back(function(row));
  return at::cat(rows);
}

}  // namespace

LayerNorm::LayerNorm(const tensor::WeightMap& weights, const std::string& key, int64_t width)
    : weight(weights.at(key + ".weight", {width})), bias(weights.at(key + ".bias", {width})) {}

at::Tensor LayerNorm::operator()(const at::Tensor& x) const { return nn::layer_norm(x, weight, bias, kEps); }

Rotary::Rotary(const at::Tensor& freqs, int64_t positions) {
  const at::Tensor rows = at::arange(positions, at::TensorOptions(at::kFloat).device(freqs.device()));
  const at::Tensor angles = at::outer(rows, freqs.to(at::kFloat));
  cos_ = at::cos(angles);
  sin_ = at::sin(angles);
}

at::Tensor Rotary::operator()(const at::Tensor& x, int64_t first) const {
  const int64_t L = x.size(1);
  const at::Tensor pairs = x.to(at::kFloat).unflatten(-1, {-1, 2}), c = cos_.narrow(0, first, L),
                   s = sin_.narrow(0, first, L);
  const at::Tensor even = pairs.select(-1, 0), odd = pairs.select(-1, 1);
  return at::stack({even * c - odd * s, odd * c + even * s}, -1).flatten(-2).to(x.scalar_type());
}

PackedAttention::PackedAttention(const tensor::WeightMap& weights, int64_t heads) : heads_(heads) {
  const at::Tensor& packed = weights.at("in_proj_weight", {-1, -1});
  const int64_t D = packed.size(1);
  require(packed.size(0) == 3 * D && heads > 0 && D % heads == 0, ErrorCode::corrupt_data,
          "attention: in_proj_weight [{}, {}] does not hold queries, keys and values of {} heads", packed.size(0), D,
          heads);
  const at::Tensor& bias = weights.at("in_proj_bias", {3 * D});
  const auto part = [&](int64_t i) {
    tensor::WeightMap own;
    own.set("in_proj.weight", packed.narrow(0, i * D, D));
    own.set("in_proj.bias", bias.narrow(0, i * D, D));
    own.set_trainable(weights.trainable());
    return nn::Linear(own, "in_proj", D, D);
  };
  q_ = part(0);
  k_ = part(1);
  v_ = part(2);
  out_ = nn::Linear(weights, "out_proj", D, D);
}

at::Tensor PackedAttention::split(const at::Tensor& x) const { return x.unflatten(-1, {heads_, -1}); }

at::Tensor PackedAttention::self(const at::Tensor& turned, const at::Tensor& plain) const {
  return cross(turned, keys_and_values(turned, plain));
}

KeysAndValues PackedAttention::keys_and_values(const at::Tensor& turned, const at::Tensor& plain) const {
  return {split(k_(turned)), split(v_(plain))};
}

at::Tensor PackedAttention::cross(const at::Tensor& turned, const KeysAndValues& memory) const {
  return out_(nn::attention(split(q_(turned)), memory.k, memory.v).flatten(-2));
}

FeedForward::FeedForward(const tensor::WeightMap& weights)
    : up_(linear(weights, "linear1")), down_(linear(weights, "linear2")) {}

at::Tensor FeedForward::operator()(const at::Tensor& x) const { return down_(at::gelu(up_(x))); }

bool FeedForward::is_narrow() const {
  return nn::Linear::is_narrow(up_.weight().size(0), up_.weight().size(1)) &&
         nn::Linear::is_narrow(down_.weight().size(0), down_.weight().size(1));
}

ConditionLayer::ConditionLayer(const tensor::WeightMap& weights, int64_t width, int64_t heads)
    : norm1(weights, "norm1", width),
      norm2(weights, "norm2", width),
      attention(weights.under("self_attn."), heads),
      mlp(weights) {}

at::Tensor ConditionLayer::operator()(const at::Tensor& x, const Rotary& rotary) const {
  const at::Tensor plain = norm1(x);
  const at::Tensor y = x + attention.self(rotary(plain), plain);
  return y + mlp(norm2(y));
}

FilmLayer::FilmLayer(const tensor::WeightMap& weights, int64_t width, int64_t heads)
    : norm1(weights, "norm1", width),
      norm2(weights, "norm2", width),
      norm3(weights, "norm3", width),
      self_attention(weights.under("self_attn."), heads),
      cross_attention(weights.under("multihead_attn."), heads),
      mlp(weights),
      films(nn::Linear::fused(
          {linear(weights, "film1.block.1"), linear(weights, "film2.block.1"), linear(weights, "film3.block.1")})) {}

at::Tensor FilmLayer::modulation(const at::Tensor& mish) const { return films(mish).unflatten(-1, {6, -1}); }

at::Tensor FilmLayer::operator()(const at::Tensor& x, const KeysAndValues& memory, const at::Tensor& mish,
                                 const Rotary& rotary) const {
  const at::Tensor film = modulation(mish);
  const auto modulated = [&](const at::Tensor& y, int64_t branch) {
    return at::addcmul(y + film.narrow(1, 2 * branch + 1, 1), y, film.narrow(1, 2 * branch, 1));
  };
  const at::Tensor plain = norm1(x);
  at::Tensor y = x + modulated(self_attention.self(rotary(plain), plain), 0);
  y = y + modulated(cross_attention.cross(rotary(norm2(y)), memory), 1);
  return y + modulated(mlp(norm3(y)), 2);
}

at::Tensor mish(const at::Tensor& x) {
  return row_by_row(x, [](const at::Tensor& row) { return at::mish(row); });
}

at::Tensor silu(const at::Tensor& x) {
  return row_by_row(x, [](const at::Tensor& row) { return at::silu(row); });
}

}  // namespace rushes::ditto
