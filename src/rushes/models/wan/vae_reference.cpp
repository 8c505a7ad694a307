#include "rushes/models/wan/vae_reference.h"

#include <fmt/format.h>

#include "rushes/tensor/ops.h"

namespace rushes::wan {
namespace {

/// The layers of one frame's way through the network, each with the caches it meets next.
struct Walk {
  const tensor::WeightMap& weights;
  std::vector<at::Tensor>& caches;
  bool first;
  std::size_t next = 0;

  at::Tensor conv(const std::string& key, const at::Tensor& x, int64_t side) const {
    return at::conv3d(x, weights.at(key + ".weight"), weights.at(key + ".bias"), 1, at::IntArrayRef{0, side, side});
  }

  at::Tensor causal(const std::string& key, const at::Tensor& x, int64_t side) {
    if (next == caches.size()) caches.emplace_back();
    at::Tensor& cache = caches[next++];
    const at::Tensor all = cache.defined() ? at::cat({cache, x}, 2) : at::constant_pad_nd(x, {0, 0, 0, 0, 2, 0});
    cache = all.narrow(2, all.size(2) - 2, 2).clone();
    return conv(key, all, side);
  }

  at::Tensor norm(const std::string& key, const at::Tensor& x) const {
    const at::Tensor& gamma = weights.at(key + ".gamma");
    const at::Tensor length = at::linalg_vector_norm(x, 2, at::IntArrayRef{1}, true).clamp_min(1e-12);
    return x / length * std::sqrt(static_cast<double>(x.size(1))) * gamma.view({-1, 1, 1, 1});
  }

  at::Tensor residual(const std::string& key, const at::Tensor& x) {
    at::Tensor y = causal(key + "residual.2", at::silu(norm(key + "residual.0", x)), 1);
    y = causal(key + "residual.6", at::silu(norm(key + "residual.3", y)), 1);
    return y + (weights.contains(key + "shortcut.weight") ? conv(key + "shortcut", x, 0) : x);
  }

  at::Tensor attention(const std::string& key, const at::Tensor& x) const {
    const at::Tensor frame = norm(key + "norm", x).squeeze(2);
    const auto qkv = at::conv2d(frame, weights.at(key + "to_qkv.weight"), weights.at(key + "to_qkv.bias"))
                         .flatten(2)
                         .unsqueeze(1)
                         .transpose(2, 3)
                         .contiguous()
                         .chunk(3, -1);
    const at::Tensor y =
        at::scaled_dot_product_attention(qkv[0], qkv[1], qkv[2]).squeeze(1).transpose(1, 2).reshape(frame.sizes());
    return x + at::conv2d(y, weights.at(key + "proj.weight"), weights.at(key + "proj.bias")).unsqueeze(2);
  }

  at::Tensor upsample(const std::string& key, const at::Tensor& x, bool temporal) {
    at::Tensor y = x;
    if (temporal && first) {
      caches.emplace_back();
      ++next;
    } else if (temporal) {
      const at::Tensor both = causal(key + "time_conv", x, 0);
      y = at::stack({both.narrow(1, 0, x.size(1)), both.narrow(1, x.size(1), x.size(1))}, 3).flatten(2, 3);
    }
    const at::Tensor frames = y.transpose(1, 2).flatten(0, 1).to(at::kFloat);
    const at::Tensor large = at::upsample_nearest2d(frames, {2 * y.size(3), 2 * y.size(4)}).to(y.scalar_type());
    return at::conv2d(large, weights.at(key + "resample.1.weight"), weights.at(key + "resample.1.bias"), 1, 1)
        .unsqueeze(0)
        .transpose(1, 2);
  }
};

}  // namespace

double decode_flop(const VaeConfig& config, int64_t latent_height, int64_t latent_width) {
  double positions = static_cast<double>(latent_height * latent_width), products = 0;
  const auto square = [](int64_t in, int64_t out) { return static_cast<double>(in * out); };
  int64_t in = config.dim * config.dim_mult.back();
  products += positions * (square(config.z_dim, config.z_dim) + 27 * square(config.z_dim, in) +
                           4 * 27 * square(in, in) + square(in, 4 * in) + 2 * positions * static_cast<double>(in));
  for (std::size_t i = 0; i < config.dim_mult.size(); ++i) {
    const std::size_t level = config.dim_mult.size() - 1 - i;
    const int64_t out = config.dim * config.dim_mult[level];
    for (int64_t block = 0; block <= config.num_res_blocks; ++block, in = out)
      products += positions * (27 * square(in, out) + 27 * square(out, out) + (in == out ? 0 : square(in, out)));
    if (level == 0) break;
    if (config.temporal_downsample[level - 1]) {
      products += positions * 3 * square(out, 2 * out);
      positions *= 2;
    }
    positions *= 4;
    products += positions * 9 * square(out, out / 2);
    in = out / 2;
  }
  return 2 * (products + positions * 27 * square(in, 3));
}

ReferenceVaeDecoder::ReferenceVaeDecoder(VaeConfig config, tensor::WeightMap weights)
    : config_(std::move(config)), weights_(std::move(weights)) {}

at::Tensor ReferenceVaeDecoder::decode_frame(const at::Tensor& z, std::vector<at::Tensor>& caches) const {
  Walk walk{weights_, caches, caches.empty()};
  at::Tensor x = walk.causal("decoder.conv1", walk.conv("conv2", z, 0), 1);
  x = walk.residual("decoder.middle.0.", x);
  x = walk.attention("decoder.middle.1.", x);
  x = walk.residual("decoder.middle.2.", x);
  const std::size_t levels = config_.dim_mult.size();
  int64_t index = 0;
  for (std::size_t i = 0; i < levels; ++i) {
    for (int64_t block = 0; block <= config_.num_res_blocks; ++block)
      x = walk.residual(fmt::format("decoder.upsamples.{}.", index++), x);
    if (i + 1 < levels)
      x = walk.upsample(fmt::format("decoder.upsamples.{}.", index++), x, config_.temporal_downsample[levels - 2 - i]);
  }
  return walk.causal("decoder.head.2", at::silu(walk.norm("decoder.head.0", x)), 1);
}

}  // namespace rushes::wan
