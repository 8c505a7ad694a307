#include "rushes/training/picture_loss.h"

#include <cmath>

#include "rushes/tensor/ops.h"

namespace rushes::training {
namespace {

constexpr double kEdgeWeight = 3, kEdgeStep = 0.04;

at::Tensor edges(const at::Tensor& x, int64_t axis) { return x.slice(axis, 1) - x.slice(axis, 0, -1); }

// [N, T, 1, H, W]: more where a pixel or one beside it differs from its neighbour.
at::Tensor edge_weights(const at::Tensor& clips) {
  const auto steep = [&](int64_t axis) {
    const at::Tensor step = edges(clips, axis).abs().amax({2}, true);
    std::vector<int64_t> pad(static_cast<std::size_t>(2 * (5 - axis)), 0);
    pad.back() = 1;  // behind the last one of the axis
    return at::constant_pad_nd(step, pad);
  };
  const at::Tensor edge = at::maximum(steep(3), steep(4)).gt(kEdgeStep).to(at::kFloat);
  return at::max_pool2d(edge.flatten(0, 1), {3, 3}, {1, 1}, {1, 1}).view(edge.sizes()) * kEdgeWeight + 1;
}

}  // namespace

PictureLoss picture_loss(const at::Tensor& made, const at::Tensor& drawn) {
  const at::Tensor difference = made - drawn, square = difference.square(), weight = edge_weights(drawn);
  const at::Tensor edge =
      (edges(made, 3) - edges(drawn, 3)).abs().mean() + (edges(made, 4) - edges(drawn, 4)).abs().mean();
  return {(difference.abs() * weight).mean() + edge + 8 * (square * weight).mean(),
          difference.abs().mean().item<double>(), -10 * std::log10(square.mean().item<double>())};
}

}  // namespace rushes::training
