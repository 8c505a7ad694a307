#include "rushes/models/ditto/stitch_network.h"

#include <fmt/format.h>

#include "rushes/base/error.h"
#include "rushes/tensor/ops.h"

namespace rushes::ditto {

StitchNetwork::StitchNetwork(const tensor::WeightMap& weights) {
  for (int i = 0; weights.contains(fmt::format("mlp.{}.weight", i)); i += 2) {
    const std::string key = fmt::format("mlp.{}", i);
    const at::Tensor& weight = weights.at(key + ".weight", {-1, -1});
    layers_.emplace_back(weights, key, weight.size(0), weight.size(1));
  }
  require(!layers_.empty(), ErrorCode::corrupt_data, "stitch network: the key 'mlp.0.weight' is missing");
  const int64_t in = layers_.front().weight().size(1), out = layers_.back().weight().size(0);
  require(in % 6 == 0 && out == in / 2 + 2, ErrorCode::corrupt_data,
          "stitch network: {} inputs and {} outputs are not those of a number of keypoints (6 K and 3 K + 2)", in, out);
}

at::Tensor StitchNetwork::delta(const at::Tensor& source, const at::Tensor& driving) const {
  at::Tensor x = at::cat({source.flatten(1), driving.flatten(1)}, 1).to(layers_.front().weight().scalar_type());
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    x = layers_[i](x);
    if (i + 1 < layers_.size()) x = at::relu(x);
  }
  return x;
}

at::Tensor StitchNetwork::forward(const at::Tensor& source, const at::Tensor& driving) const {
  const int64_t K = driving.size(1);
  const at::Tensor all = delta(source, driving).to(at::kFloat);
  const at::Tensor common = at::constant_pad_nd(all.narrow(1, 3 * K, 2), {0, 1});  // nothing in z
  return driving + all.narrow(1, 0, 3 * K).view({-1, K, 3}) + common.unsqueeze(1);
}

}  // namespace rushes::ditto
