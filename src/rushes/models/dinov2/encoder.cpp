#include "rushes/models/dinov2/encoder.h"

#include <fmt/format.h>

#include <cmath>

#include "rushes/base/error.h"
#include "rushes/base/interruption.h"
#include "rushes/nn/attention.h"
#include "rushes/nn/norm.h"
#include "rushes/tensor/ops.h"

namespace rushes::dinov2 {
namespace {

/// Keys' cubic convolution with a = -0.75.
double cubic(double x) {
  constexpr double a = -0.75;
  x = std::abs(x);
  if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
}

/// [to, from] float32: what each of `to` positions reads, `scale` apart; beyond the ends the outermost one.
at::Tensor cubic_weights(int64_t from, int64_t to, double scale) {
  at::Tensor weights = at::zeros({to, from}, at::kFloat);
  auto* row = weights.mutable_data_ptr<float>();
  for (int64_t i = 0; i < to; ++i, row += from) {
    const double centre = (static_cast<double>(i) + 0.5) * scale - 0.5, below = std::floor(centre);
    for (int64_t tap = -1; tap <= 2; ++tap) {
      const int64_t source = std::clamp<int64_t>(static_cast<int64_t>(below) + tap, 0, from - 1);
      row[source] += static_cast<float>(cubic(centre - below - static_cast<double>(tap)));
    }
  }
  return weights;
}

}  // namespace

tensor::Shapes parameter_shapes(const Config& config) {
  const int64_t C = config.embed_dim;
  tensor::Shapes shapes{{"cls_token", {1, 1, C}},
                        {"pos_embed", {1, 1 + config.stored_grid * config.stored_grid, C}},
                        {"patch_embed.proj.weight", {C, 3, config.patch_size, config.patch_size}},
                        {"patch_embed.proj.bias", {C}},
                        {"norm.weight", {C}},
                        {"norm.bias", {C}}};
  for (int64_t i = 0; i < config.depth; ++i) {
    const std::string block = fmt::format("blocks.{}.", i);
    const auto linear = [&](const char* name, int64_t out, int64_t in) {
      shapes[block + name + ".weight"] = {out, in};
      shapes[block + name + ".bias"] = {out};
    };
    linear("attn.qkv", 3 * C, C);
    linear("attn.proj", C, C);
    linear("mlp.fc1", config.mlp_dim, C);
    linear("mlp.fc2", C, config.mlp_dim);
    for (const char* name : {"norm1.weight", "norm1.bias", "norm2.weight", "norm2.bias", "ls1.gamma", "ls2.gamma"})
      shapes[block + name] = {C};
  }
  return shapes;
}

at::Tensor interpolated_positions(const at::Tensor& positions, int64_t rows, int64_t columns, double offset) {
  const auto stored = static_cast<int64_t>(std::llround(std::sqrt(static_cast<double>(positions.size(1) - 1))));
  const at::Tensor wide = positions.to(at::kFloat);
  if (rows == stored && columns == stored) return wide;
  const auto weights = [&](int64_t grid) {
    return cubic_weights(stored, grid, static_cast<double>(stored) / (static_cast<double>(grid) + offset))
        .to(wide.device());
  };
  const int64_t C = wide.size(2);
  const at::Tensor grid = wide.narrow(1, 1, stored * stored).reshape({stored, stored * C});
  const at::Tensor by_row = at::matmul(weights(rows), grid).view({rows, stored, C});
  const at::Tensor both = at::matmul(weights(columns), by_row);  // [rows, columns, C]
  return at::cat({wide.narrow(1, 0, 1), both.reshape({1, rows * columns, C})}, 1);
}

Encoder::Encoder(const Config& config, const tensor::WeightMap& weights) : config_(config) {
  const int64_t C = config.embed_dim, side = config.patch_size;
  require(config.num_heads > 0 && C % config.num_heads == 0, ErrorCode::invalid_argument,
          "DINOv2: {} heads do not divide a width of {}", config.num_heads, C);
  class_token_ = weights.at("cls_token", {1, 1, C});
  positions_ = weights.at("pos_embed", {1, 1 + config.stored_grid * config.stored_grid, C});
  const at::Tensor& patch = weights.at("patch_embed.proj.weight", {C, 3, side, side});
  patch_embed_ = {patch.reshape({C, 3 * side * side}), weights.at("patch_embed.proj.bias", {C})};
  norm_ = weights.at("norm.weight", {C});
  norm_bias_ = weights.at("norm.bias", {C});
  for (int64_t i = 0; i < config.depth; ++i) {
    const auto block = weights.under(fmt::format("blocks.{}.", i));
    layers_.push_back({.norm1 = block.at("norm1.weight", {C}),
                       .norm1_bias = block.at("norm1.bias", {C}),
                       .norm2 = block.at("norm2.weight", {C}),
                       .norm2_bias = block.at("norm2.bias", {C}),
                       .scale1 = block.at("ls1.gamma", {C}),
                       .scale2 = block.at("ls2.gamma", {C}),
                       .qkv = {block, "attn.qkv", 3 * C, C},
                       .proj = {block, "attn.proj", C, C},
                       .fc1 = {block, "mlp.fc1", config.mlp_dim, C},
                       .fc2 = {block, "mlp.fc2", C, config.mlp_dim}});
  }
}

at::Tensor Encoder::tokens(const at::Tensor& image) const {
  const int64_t side = config_.patch_size;
  require(image.dim() == 4 && image.size(1) == 3 && image.size(2) >= side && image.size(3) >= side &&
              image.size(2) % side == 0 && image.size(3) % side == 0,
          ErrorCode::invalid_argument, "DINOv2: the image must be [B, 3, H, W] with sides that are multiples of {}",
          side);
  const int64_t B = image.size(0), rows = image.size(2) / side, columns = image.size(3) / side;
  const at::Tensor patches = image.to(class_token_.options())
                                 .view({B, 3, rows, side, columns, side})
                                 .permute({0, 2, 4, 1, 3, 5})
                                 .reshape({B, rows * columns, 3 * side * side});
  const at::Tensor all = at::cat({class_token_.expand({B, 1, -1}), patch_embed_(patches)}, 1);
  return all + interpolated_positions(positions_, rows, columns, config_.position_offset).to(all.scalar_type());
}

at::Tensor Encoder::attention(const Layer& layer, const at::Tensor& x) const {
  const int64_t B = x.size(0), L = x.size(1), N = config_.num_heads;
  const at::Tensor qkv = layer.qkv(x).view({B, L, 3, N, -1});
  return layer.proj(nn::attention(qkv.select(2, 0), qkv.select(2, 1), qkv.select(2, 2)).reshape({B, L, -1}));
}

at::Tensor Encoder::forward(const at::Tensor& image) const {
  const double eps = config_.norm_eps;
  at::Tensor x = tokens(image);
  for (const Layer& layer : layers_) {
    x = x + layer.scale1 * attention(layer, nn::layer_norm(x, layer.norm1, layer.norm1_bias, eps));
    const at::Tensor y = nn::layer_norm(x, layer.norm2, layer.norm2_bias, eps);
    x = x + layer.scale2 * layer.fc2(at::gelu(layer.fc1(y)));
  }
  return nn::layer_norm(x, norm_, norm_bias_, eps);
}

}  // namespace rushes::dinov2
