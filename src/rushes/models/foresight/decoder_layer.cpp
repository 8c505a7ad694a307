#include "rushes/models/foresight/decoder_layer.h"

#include "rushes/base/error.h"
#include "rushes/nn/attention.h"
#include "rushes/nn/norm.h"
#include "rushes/tensor/ops.h"

namespace rushes::foresight {
namespace {

constexpr double kNormEps = 1e-5;

}  // namespace

void DecoderLayer::add_shapes(tensor::Shapes& shapes, const std::string& prefix, int64_t width, int64_t mlp_width) {
  for (const char* name : {"self_attn.", "multihead_attn."}) {
    shapes[prefix + name + "in_proj_weight"] = {3 * width, width};
    shapes[prefix + name + "in_proj_bias"] = {3 * width};
    shapes[prefix + name + "out_proj.weight"] = {width, width};
    shapes[prefix + name + "out_proj.bias"] = {width};
  }
  shapes[prefix + "linear1.weight"] = {mlp_width, width};
  shapes[prefix + "linear1.bias"] = {mlp_width};
  shapes[prefix + "linear2.weight"] = {width, mlp_width};
  shapes[prefix + "linear2.bias"] = {width};
  for (const char* name : {"norm1", "norm2", "norm3"})
    shapes[prefix + name + ".weight"] = shapes[prefix + name + ".bias"] = {width};
}

DecoderLayer::DecoderLayer(const tensor::WeightMap& weights, int64_t width, int64_t heads, int64_t mlp_width)
    : heads_(heads),
      up_(weights, "linear1", mlp_width, width),
      down_(weights, "linear2", width, mlp_width),
      norms_{{weights.at("norm1.weight", {width}), weights.at("norm1.bias", {width})},
             {weights.at("norm2.weight", {width}), weights.at("norm2.bias", {width})},
             {weights.at("norm3.weight", {width}), weights.at("norm3.bias", {width})}} {
  require(heads > 0 && width % heads == 0, ErrorCode::invalid_argument, "{} heads do not divide a width of {}", heads,
          width);
  const auto attention = [&](const char* name) {
    const tensor::WeightMap own = weights.under(name);
    const at::Tensor& weight = own.at("in_proj_weight", {3 * width, width});
    const at::Tensor& bias = own.at("in_proj_bias", {3 * width});
    return Attention{.q = {weight.narrow(0, 0, width), bias.narrow(0, 0, width)},
                     .kv = {weight.narrow(0, width, 2 * width), bias.narrow(0, width, 2 * width)},
                     .out = {own, "out_proj", width, width}};
  };
  self_ = attention("self_attn.");
  cross_ = attention("multihead_attn.");
}

at::Tensor DecoderLayer::attend(const Attention& attention, const at::Tensor& queries,
                                const at::Tensor& context) const {
  const int64_t B = queries.size(0), Q = queries.size(1), L = context.size(1);
  const at::Tensor q = attention.q(queries).view({B, Q, heads_, -1});
  const at::Tensor kv = attention.kv(context).view({B, L, 2, heads_, -1});
  return attention.out(nn::attention(q, kv.select(2, 0), kv.select(2, 1)).reshape({B, Q, -1}));
}

at::Tensor DecoderLayer::forward(const at::Tensor& queries, const at::Tensor& context) const {
  const auto normed = [&](const at::Tensor& x, int norm) {
    return nn::layer_norm(x, norms_[norm].weight, norms_[norm].bias, kNormEps);
  };
  at::Tensor q = normed(queries + attend(self_, queries, queries), 0);
  q = normed(q + attend(cross_, q, context), 1);
  return normed(q + down_(at::relu(up_(q))), 2);
}

}  // namespace rushes::foresight
