// Bent features to an image: convolutions whose normalised activations are scaled and shifted by the features.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "rushes/tensor/weight_map.h"

namespace rushes::ditto {

/// The SPADE generator (arXiv:1903.07291) of implicit-keypoint portraits. Widths are those of the weights: keys fc.*,
/// G_middle_{i}.*, up_0.*, up_1.*, conv_img(.0).*. Spectral norms (arXiv:1802.05957) are folded at construction. Any
/// thread.
class SpadeDecoder {
 public:
  /// Throws Error(corrupt_data) naming a missing or misshapen key.
  explicit SpadeDecoder(const tensor::WeightMap& weights);
  /// feature [B, C, H, W]. Returns images [B, 3, 4 u H, 4 u W], RGB in [0, 1]; u = 2 where the file has a last step
  /// that doubles the sides (conv_img.0), else 1.
  at::Tensor forward(const at::Tensor& feature) const;

 private:
  struct Conv {
    at::Tensor weight, bias;
    at::Tensor operator()(const at::Tensor& x) const;
  };
  struct Spade {
    Conv shared, gamma_beta;  // both modulations as one convolution
  };
  struct Block {
    Spade norm0, norm1;
    std::optional<Spade> norm_shortcut;
    Conv conv0, conv1;
    std::optional<Conv> shortcut;
  };
  static Conv plain(const tensor::WeightMap& weights);
  static Conv spectral(const tensor::WeightMap& weights);
  static Spade spade(const tensor::WeightMap& weights);
  static Block block(const tensor::WeightMap& weights);
  static at::Tensor modulated(const Spade& spade, const at::Tensor& x, const at::Tensor& normalised,
                              const at::Tensor& feature);
  static at::Tensor residual(const Block& block, const at::Tensor& x, const at::Tensor& feature);

  Conv fc_, image_;
  std::vector<Block> middle_, up_;
  int64_t upscale_ = 1;
};

}  // namespace rushes::ditto
