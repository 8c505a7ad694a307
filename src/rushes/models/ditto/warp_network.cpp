#include "rushes/models/ditto/warp_network.h"

#include "rushes/nn/convolution.h"
#include "rushes/tensor/ops.h"

namespace rushes::ditto {
namespace {

constexpr double kSlope = 0.01;

}  // namespace

WarpNetwork::WarpNetwork(const tensor::WeightMap& weights)
    : motion_(weights),
      third_(weights.under("third.conv."), weights.under("third.norm.")),
      fourth_weight_(weights.at("fourth.weight", {-1, -1, 1, 1})),
      fourth_bias_(weights.at("fourth.bias", {fourth_weight_.size(0)})) {}

at::Tensor WarpNetwork::forward(const at::Tensor& feature, const at::Tensor& kp_source,
                                const at::Tensor& kp_driving) const {
  const DenseMotion motion = motion_.forward(feature, kp_source, kp_driving);
  const at::Tensor bent = sample_volume(feature, motion.deformation).flatten(1, 2);
  const at::Tensor flat = nn::same_conv(at::leaky_relu(third_(bent), kSlope), fourth_weight_, fourth_bias_);
  return flat * motion.occlusion;
}

}  // namespace rushes::ditto
