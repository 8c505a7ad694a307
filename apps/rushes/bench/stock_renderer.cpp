#include "stock_renderer.h"

#include <ATen/ops/batch_norm.h>
#include <ATen/ops/roll.h>
#include <ATen/ops/topk.h>
#include <fmt/format.h>

#include <cmath>

#include "rushes/models/imtalker/encoders.h"
#include "rushes/tensor/ops.h"

namespace rushes::app::bench {
namespace {

using tensor::WeightMap;

at::Tensor linear(const WeightMap& w, const std::string& key, const at::Tensor& x) {
  return at::linear(x, w.at(key + ".weight"), w.at(key + ".bias"));
}

at::Tensor equal_linear(const WeightMap& w, const std::string& key, const at::Tensor& x) {
  const at::Tensor& weight = w.at(key + ".weight");
  return at::linear(x, weight * (1 / std::sqrt(static_cast<double>(weight.size(1)))), w.at(key + ".bias"));
}

at::Tensor equal_mlp(const WeightMap& w, at::Tensor x) {
  for (int i = 0; w.contains(fmt::format("linear_layers.{}.weight", i)); ++i)
    x = at::leaky_relu(equal_linear(w, fmt::format("linear_layers.{}", i), x), 0.2);
  return equal_linear(w, "final_linear", x);
}

/// Weights scaled by the style, normalised per output channel, one convolution group per sample.
at::Tensor styled_conv(const WeightMap& w, const at::Tensor& x, const at::Tensor& style, bool up) {
  const at::Tensor& own = w.at("conv.weight");  // [1, out, in, 3, 3]
  const int64_t B = x.size(0), out = own.size(1), in = own.size(2), H = x.size(2), W = x.size(3);
  const at::Tensor s = equal_linear(w, "conv.modulation", style).view({B, 1, in, 1, 1});
  at::Tensor weight = own * (1 / std::sqrt(static_cast<double>(9 * in))) * s;
  weight = weight * at::rsqrt(weight.square().sum({2, 3, 4}) + 1e-8).view({B, out, 1, 1, 1});
  at::Tensor y = x.reshape({1, B * in, H, W});
  if (up) {
    weight = weight.transpose(1, 2).reshape({B * in, out, 3, 3});
    y = at::conv_transpose2d(y, weight, {}, 2, 0, 0, B);
    const at::Tensor taps = at::tensor({1.0f, 3.0f, 3.0f, 1.0f}).to(x.options()), filter = at::outer(taps, taps) / 16;
    y = at::conv2d(y.view({B * out, 1, y.size(2), y.size(3)}), filter.view({1, 1, 4, 4}), {}, 1, 1);
  } else {
    y = at::conv2d(y, weight.view({B * out, in, 3, 3}), {}, 1, 1, 1, B);
  }
  y = y.view({B, out, y.size(2), y.size(3)});
  return at::leaky_relu(y + w.at("activate.bias"), 0.2) * std::sqrt(2.0);
}

at::Tensor batch_norm(const WeightMap& w, const at::Tensor& x) {
  return at::batch_norm(x, w.at("weight"), w.at("bias"), w.at("running_mean"), w.at("running_var"), false, 0.1, 1e-5,
                        false);
}

at::Tensor normed_conv(const WeightMap& conv, const WeightMap& norm, const at::Tensor& x) {
  return batch_norm(norm, at::conv2d(x, conv.at("weight"), {}, 1, 1));
}

at::Tensor conv_res_block(const WeightMap& w, at::Tensor x, bool up) {
  if (up) x = at::upsample_nearest2d(x, {2 * x.size(2), 2 * x.size(3)});
  x = at::leaky_relu(normed_conv(w.under("conv1."), w.under("norm.norm."), x), 0.01);
  x = at::conv2d(x, w.at("conv2.weight"), {}, 1, 1);
  for (const char* inner : {"feat_res_block1.", "feat_res_block2."}) {
    const WeightMap own = w.under(inner);
    const auto conv = [&](const char* name, const at::Tensor& y) {
      const WeightMap part = own.under(name);
      return normed_conv(part.under("conv."), part.under("norm.norm."), y);
    };
    x = at::leaky_relu(conv("conv2.", at::leaky_relu(conv("conv1.", x), 0.01)) + x, 0.01);
  }
  return x;
}

at::Tensor norm(const WeightMap& w, const std::string& key, const at::Tensor& x) {
  return at::layer_norm(x, {x.size(-1)}, w.at(key + ".weight"), w.at(key + ".bias"), 1e-5);
}

/// [B, L, C] to [B, heads, L, C / heads].
at::Tensor heads(const at::Tensor& x, int64_t count) {
  return x.reshape({x.size(0), x.size(1), count, -1}).transpose(1, 2);
}

at::Tensor attention_weights(const at::Tensor& q, const at::Tensor& k, const at::Tensor& bias = {}) {
  at::Tensor scores = at::matmul(q, k.transpose(-1, -2)) * (1 / std::sqrt(static_cast<double>(q.size(-1))));
  if (bias.defined()) scores = scores + bias;
  return at::softmax(scores, -1);
}

at::Tensor merged(const at::Tensor& weights, const at::Tensor& v) {
  return at::matmul(weights, v).transpose(1, 2).flatten(2);
}

at::Tensor mlp(const WeightMap& w, const char* second, const at::Tensor& x) {
  return linear(w, second, at::gelu(linear(w, "mlp.0", x)));
}

at::Tensor transformer_block(const WeightMap& w, const at::Tensor& map, int64_t count) {
  const at::Tensor x = map.flatten(2).transpose(1, 2);
  const at::Tensor q = heads(linear(w, "attn.q_proj", norm(w, "norm_q", x + w.at("q_pos_embedding"))), count),
                   k = heads(linear(w, "attn.k_proj", norm(w, "norm_kv", x + w.at("k_pos_embedding"))), count),
                   v = heads(linear(w, "attn.v_proj", norm(w, "norm_kv", x)), count);
  at::Tensor y = x + linear(w, "attn.proj", merged(attention_weights(q, k), v));
  y = y + mlp(w, "mlp.3", norm(w, "norm_ffn", y));
  return y.transpose(1, 2).reshape(map.sizes());
}

/// [B, S, S, C] to [windows, w^2, C] and back.
at::Tensor windows_of(const at::Tensor& x, int64_t w) {
  const int64_t B = x.size(0), n = x.size(1) / w, C = x.size(3);
  return x.view({B, n, w, n, w, C}).permute({0, 1, 3, 2, 4, 5}).reshape({-1, w * w, C});
}
at::Tensor map_of(const at::Tensor& x, int64_t w, int64_t side) {
  const int64_t n = side / w, C = x.size(2);
  return x.view({-1, n, n, w, w, C}).permute({0, 1, 3, 2, 4, 5}).reshape({-1, side, side, C});
}

/// [windows, w^2, w^2]: -100 between cells that the shift brought together.
at::Tensor shift_mask(int64_t side, int64_t w, int64_t shift) {
  at::Tensor regions = at::zeros({1, side, side, 1});
  float label = 0;
  for (const auto& [y1, y2] : {std::pair{int64_t{0}, side - w}, {side - w, side - shift}, {side - shift, side}})
    for (const auto& [x1, x2] : {std::pair{int64_t{0}, side - w}, {side - w, side - shift}, {side - shift, side}})
      regions.slice(1, y1, y2).slice(2, x1, x2).fill_(label++);
  const at::Tensor cells = windows_of(regions, w).squeeze(2);
  return cells.unsqueeze(1).ne(cells.unsqueeze(2)).to(at::kFloat) * -100;
}

at::Tensor window_block(const WeightMap& w, const at::Tensor& x, int64_t count, int64_t window, int64_t shift) {
  const int64_t side = x.size(1), cells = window * window;
  const auto shifted = [&](const at::Tensor& y) {
    return windows_of(shift > 0 ? at::roll(y, {-shift, -shift}, {1, 2}) : y, window);
  };
  const at::Tensor q = heads(linear(w, "attn.q", shifted(norm(w, "norm_q", x))), count),
                   kv = shifted(norm(w, "norm_kv", x)), k = heads(linear(w, "attn.k", kv), count),
                   v = heads(linear(w, "attn.v", kv), count);
  const at::Tensor i = at::arange(cells), row = at::div(i, window, "floor"), column = i - row * window;
  const at::Tensor index = ((row.unsqueeze(1) - row.unsqueeze(0) + window - 1) * (2 * window - 1) +
                            column.unsqueeze(1) - column.unsqueeze(0) + window - 1)
                               .flatten();
  at::Tensor bias = at::index_select(w.at("attn.relative_position_bias_table"), 0, index.to(at::kLong).to(x.device()))
                        .view({cells, cells, count})
                        .permute({2, 0, 1})
                        .unsqueeze(0);
  if (shift > 0)
    bias = (bias + shift_mask(side, window, shift).to(x.device()).unsqueeze(1)).repeat({x.size(0), 1, 1, 1});
  at::Tensor y = map_of(linear(w, "attn.proj", merged(attention_weights(q, k, bias), v)), window, side);
  if (shift > 0) y = at::roll(y, {shift, shift}, {1, 2});
  y = x + y;
  return y + mlp(w, "mlp.2", norm(w, "norm_ffn", y));
}

}  // namespace

StockRenderer::Source StockRenderer::source(const at::Tensor& picture) const {
  const imtalker::Appearance appearance =
      imtalker::AppearanceEncoder(config_, weights_.under("dense_feature_encoder.")).forward(picture);
  const at::Tensor motion = imtalker::MotionEncoder(config_, weights_.under("latent_token_encoder.")).forward(picture);
  return {appearance.identity, appearance.maps, motion_maps(adapt(motion, appearance.identity))};
}

at::Tensor StockRenderer::frames(const at::Tensor& motion, const Source& source) const {
  return decode(align(motion_maps(adapt(motion, source.identity)), source));
}

at::Tensor StockRenderer::adapt(const at::Tensor& motion, const at::Tensor& identity) const {
  const WeightMap own = weights_.under("adapt.");
  return equal_mlp(own, equal_linear(own, "in_layer", at::cat({motion, identity.expand({motion.size(0), -1})}, 1)));
}

std::vector<at::Tensor> StockRenderer::motion_maps(const at::Tensor& style) const {
  const WeightMap own = weights_.under("latent_token_decoder.");
  std::vector<at::Tensor> maps;
  at::Tensor x = own.at("const").repeat({style.size(0), 1, 1, 1});
  for (int i = 0; i < 13; ++i) {
    x = styled_conv(own.under(fmt::format("style_conv_layers.{}.", i)), x, style, i % 3 == 1);
    if (i > 0 && i % 3 == 0) maps.push_back(x);
  }
  return maps;
}

std::vector<at::Tensor> StockRenderer::align(const std::vector<at::Tensor>& maps, const Source& source) const {
  std::vector<at::Tensor> aligned;
  at::Tensor weights;
  const int64_t B = maps.front().size(0);
  for (int64_t level = 0; level < config_.levels(); ++level) {
    const at::Tensor& features = source.features[static_cast<std::size_t>(level)];
    if (level < config_.coarse_levels()) {
      const WeightMap own = weights_.under(fmt::format("imt.{}.block_efc.", level));
      const auto projected = [&](const char* name, const at::Tensor& map) {
        return heads(linear(own, name, map.flatten(2).transpose(1, 2)), config_.num_heads);
      };
      const auto l = static_cast<std::size_t>(level);
      weights = attention_weights(projected("q_proj", maps[l]), projected("k_proj", source.motion_maps[l]));
      const at::Tensor y = linear(own, "proj", merged(weights, projected("v_proj", features)));
      aligned.push_back(y.transpose(1, 2).reshape({B, features.size(1), features.size(2), features.size(3)}));
      continue;
    }
    // Each fine level looks for its best cell anew, over the mean of the heads.
    const int64_t ratio = features.size(2) / config_.side(config_.coarse_levels() - 1), C = features.size(1);
    const auto best = std::get<1>(at::topk(weights.mean(1), 1, -1)).transpose(1, 2);  // [B, 1, cells]
    const at::Tensor means = at::avg_pool2d(features, ratio);
    const at::Tensor cells = at::gather(means.flatten(2).expand({B, -1, -1}), 2, best.expand({-1, C, -1}))
                                 .view({B, C, means.size(2), means.size(3)});
    aligned.push_back(at::upsample_nearest2d(cells, {features.size(2), features.size(3)}));
  }
  return aligned;
}

at::Tensor StockRenderer::decode(const std::vector<at::Tensor>& aligned) const {
  const WeightMap own = weights_.under("frame_decoder.");
  at::Tensor x = aligned[0];
  for (int64_t i = 0; i + 1 < config_.levels(); ++i) {
    x = conv_res_block(own.under(fmt::format("upconv_blocks.{}.", i)), x, true);
    x = conv_res_block(own.under(fmt::format("resblocks.{}.", i)),
                       at::cat({x, aligned[static_cast<std::size_t>(i) + 1]}, 1), false);
    const WeightMap blocks = own.under(fmt::format("transformer_blocks.{}.", i));
    if (config_.side(i + 1) < config_.swin_res_threshold) {
      x = transformer_block(blocks.under("blocks.0."), x, config_.num_heads);
    } else {
      at::Tensor y = x.permute({0, 2, 3, 1});
      for (const bool shifted : {false, true})
        y = window_block(blocks.under(fmt::format("blocks.{}.", shifted ? 1 : 0)), y.contiguous(), config_.num_heads,
                         config_.window_size, shifted ? config_.window_size / 2 : 0);
      x = y.permute({0, 3, 1, 2}).contiguous();
    }
  }
  x = at::conv2d(at::leaky_relu(x, 0.2), own.at("final_conv.1.weight"), own.at("final_conv.1.bias"), 1, 1);
  return at::sigmoid(at::pixel_shuffle(x, 2));
}

}  // namespace rushes::app::bench
