#include "stock_portrait.h"

#include <ATen/ops/avg_pool3d.h>
#include <ATen/ops/batch_norm.h>
#include <ATen/ops/grid_sampler_3d.h>
#include <ATen/ops/instance_norm.h>
#include <ATen/ops/pixel_shuffle.h>
#include <ATen/ops/upsample_nearest2d.h>
#include <ATen/ops/upsample_nearest3d.h>
#include <fmt/format.h>

#include "rushes/models/ditto/dense_motion.h"
#include "rushes/tensor/ops.h"

namespace rushes::app::bench {
namespace {

using tensor::WeightMap;

at::Tensor conv(const WeightMap& w, const std::string& key, const at::Tensor& x) {
  const at::Tensor& weight = w.at(key + "weight");
  const at::Tensor bias = w.contains(key + "bias") ? w.at(key + "bias") : at::Tensor();
  const int64_t pad = weight.size(-1) / 2;
  if (weight.dim() == 5) return at::conv3d(x, weight, bias, 1, {pad, pad, pad});
  return at::conv2d(x, weight, bias, 1, pad);
}

at::Tensor batch_norm(const WeightMap& w, const std::string& key, const at::Tensor& x) {
  return at::batch_norm(x, w.at(key + "weight"), w.at(key + "bias"), w.at(key + "running_mean"),
                        w.at(key + "running_var"),
                        /*training=*/false, 0.1, 1e-5, /*cudnn_enabled=*/false);
}

at::Tensor normed(const WeightMap& w, const std::string& key, const at::Tensor& x) {
  return at::relu(batch_norm(w, key + "norm.", conv(w, key + "conv.", x)));
}

at::Tensor sampled(const at::Tensor& x, const at::Tensor& grid) {
  return at::grid_sampler_3d(x.to(at::kFloat), grid, 0, 0, false).to(x.scalar_type());
}

at::Tensor gaussian(const at::Tensor& grid, const at::Tensor& points) {
  const at::Tensor apart =
      grid.view({1, 1, grid.size(0), grid.size(1), grid.size(2), 3}) - points.view({1, -1, 1, 1, 1, 3});
  return at::exp(-0.5 * apart.square().sum({-1}) / 0.01);
}

at::Tensor spectral(const WeightMap& w, const std::string& key, const at::Tensor& x) {
  const at::Tensor &weight = w.at(key + "weight_orig"), &u = w.at(key + "weight_u"), &v = w.at(key + "weight_v");
  const at::Tensor effective = weight / at::matmul(u, at::matmul(weight.flatten(1), v));
  const at::Tensor bias = w.contains(key + "bias") ? w.at(key + "bias") : at::Tensor();
  return at::conv2d(x, effective, bias, 1, effective.size(-1) / 2);
}

at::Tensor spade(const WeightMap& w, const std::string& key, const at::Tensor& x, const at::Tensor& seg) {
  const at::Tensor normal = at::instance_norm(x, {}, {}, {}, {}, true, 0.1, 1e-5, false);
  const at::Tensor seen = at::upsample_nearest2d(seg, at::IntArrayRef{x.size(2), x.size(3)});
  const at::Tensor actv = at::relu(conv(w, key + "mlp_shared.0.", seen));
  return normal * (1 + conv(w, key + "mlp_gamma.", actv)) + conv(w, key + "mlp_beta.", actv);
}

at::Tensor block(const WeightMap& w, const std::string& key, const at::Tensor& x, const at::Tensor& seg) {
  const auto active = [](const at::Tensor& y) { return at::leaky_relu(y, 0.2); };
  at::Tensor shortcut = x;
  if (w.contains(key + "conv_s.weight_orig"))
    shortcut = spectral(w, key + "conv_s.", spade(w, key + "norm_s.", x, seg));
  at::Tensor dx = spectral(w, key + "conv_0.", active(spade(w, key + "norm_0.", x, seg)));
  dx = spectral(w, key + "conv_1.", active(spade(w, key + "norm_1.", dx, seg)));
  return shortcut + dx;
}

}  // namespace

at::Tensor StockPortrait::warped(const at::Tensor& feature, const at::Tensor& kp_source,
                                 const at::Tensor& kp_driving) const {
  const WeightMap w = warp_.under("dense_motion_network.");
  const int64_t D = feature.size(2), H = feature.size(3), W = feature.size(4), K = kp_source.size(1);
  const at::Tensor grid = ditto::identity_grid(D, H, W);
  const at::Tensor small = at::relu(batch_norm(w, "norm.", conv(w, "compress.", feature)));
  const at::Tensor moves = (kp_source - kp_driving).view({1, K, 1, 1, 1, 3});
  const at::Tensor flows =
      at::cat({grid.unsqueeze(0).unsqueeze(0), grid.unsqueeze(0).unsqueeze(0) + moves}, 1);  // [1, K + 1, D, H, W, 3]
  const at::Tensor repeated = small.unsqueeze(1).repeat({1, K + 1, 1, 1, 1, 1}).flatten(0, 1);
  const at::Tensor moved = sampled(repeated, flows.flatten(0, 1)).unsqueeze(0);
  const at::Tensor heat =
      at::constant_pad_nd(gaussian(grid, kp_driving) - gaussian(grid, kp_source), {0, 0, 0, 0, 0, 0, 1, 0});
  at::Tensor x = at::cat({heat.unsqueeze(2).to(moved.scalar_type()), moved}, 2).flatten(1, 2);
  std::vector<at::Tensor> skips{x};
  for (int i = 0; w.contains(fmt::format("hourglass.encoder.down_blocks.{}.conv.weight", i)); ++i) {
    x = normed(w, fmt::format("hourglass.encoder.down_blocks.{}.", i), skips.back());
    x = x.scalar_type() == at::kFloat ? at::avg_pool3d(x, at::IntArrayRef{1, 2, 2})
                                      : at::avg_pool3d(x.to(at::kFloat), at::IntArrayRef{1, 2, 2}).to(x.scalar_type());
    skips.push_back(x);
  }
  skips.pop_back();
  for (int i = 0; w.contains(fmt::format("hourglass.decoder.up_blocks.{}.conv.weight", i)); ++i) {
    x = at::upsample_nearest3d(x, at::IntArrayRef{x.size(2), 2 * x.size(3), 2 * x.size(4)});
    x = at::cat({normed(w, fmt::format("hourglass.decoder.up_blocks.{}.", i), x), skips.back()}, 1);
    skips.pop_back();
  }
  x = normed(w, "hourglass.decoder.", x);
  const at::Tensor mask = at::softmax(conv(w, "mask.", x).to(at::kFloat), 1);
  const at::Tensor deformation = (mask.unsqueeze(-1) * flows).sum({1});
  const at::Tensor occlusion = at::sigmoid(conv(w, "occlusion.", x.flatten(1, 2)));
  at::Tensor out = sampled(feature, deformation).flatten(1, 2);
  out = at::leaky_relu(batch_norm(warp_, "third.norm.", conv(warp_, "third.conv.", out)), 0.01);
  return conv(warp_, "fourth.", out) * occlusion;
}

at::Tensor StockPortrait::decoded(const at::Tensor& seg) const {
  at::Tensor x = conv(decoder_, "fc.", seg);
  for (int i = 0; decoder_.contains(fmt::format("G_middle_{}.conv_0.weight_orig", i)); ++i)
    x = block(decoder_, fmt::format("G_middle_{}.", i), x, seg);
  for (const char* up : {"up_0.", "up_1."}) {
    x = at::upsample_nearest2d(x, at::IntArrayRef{2 * x.size(2), 2 * x.size(3)});
    x = block(decoder_, up, x, seg);
  }
  return at::sigmoid(at::pixel_shuffle(conv(decoder_, "conv_img.0.", at::leaky_relu(x, 0.2)), 2));
}

}  // namespace rushes::app::bench
