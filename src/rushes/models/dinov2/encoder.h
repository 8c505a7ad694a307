// DINOv2 (arXiv:2304.07193): a picture to one vector for each of its patches, which says what is where.
#pragma once
#include <ATen/core/Tensor.h>

#include <vector>

#include "rushes/models/dinov2/config.h"
#include "rushes/nn/linear.h"
#include "rushes/tensor/completeness.h"
#include "rushes/tensor/weight_map.h"

namespace rushes::dinov2 {

/// Names and shapes of all parameters, as in the authors' file: cls_token, pos_embed, patch_embed.proj, blocks.{i}.
/// {norm1,norm2,attn.qkv,attn.proj,mlp.fc1,mlp.fc2}.{weight,bias}, blocks.{i}.{ls1,ls2}.gamma, norm. mask_token, which
/// only training needs, is not among them.
tensor::Shapes parameter_shapes(const Config& config);

/// Positions [1, 1 + M^2, C] of a stored grid of M x M for one of `rows` x `columns`: [1, 1 + rows * columns, C]
/// float32. Unchanged for the stored grid; else bicubic (a = -0.75, no antialiasing, centres of patches) at (i + 0.5) M
/// / (grid + offset) - 0.5. The class token's stays.
at::Tensor interpolated_positions(const at::Tensor& positions, int64_t rows, int64_t columns, double offset);

/// Any thread: no state.
class Encoder {
 public:
  /// Keys of parameter_shapes(). Throws Error(corrupt_data) naming a missing or misshapen one, Error(invalid_argument)
  /// if the heads do not divide the width.
  Encoder(const Config& config, const tensor::WeightMap& weights);

  /// After the last norm: the class token, then the patches row by row.
  ///   image  [B, 3, H, W], normalised (preprocess.h), sides multiples of patch_size
  /// Returns [B, 1 + N, embed_dim], dtype of the weights. Throws Error(invalid_argument) for other sides.
  at::Tensor forward(const at::Tensor& image) const;
  /// Those of the patches alone: [B, N, embed_dim].
  at::Tensor patch_tokens(const at::Tensor& image) const { return forward(image).narrow(1, 1, patches_of(image)); }

  const Config& config() const noexcept { return config_; }
  at::ScalarType dtype() const noexcept { return class_token_.scalar_type(); }
  at::Device device() const noexcept { return class_token_.device(); }

 private:
  struct Layer {
    at::Tensor norm1, norm1_bias, norm2, norm2_bias, scale1, scale2;
    nn::Linear qkv, proj, fc1, fc2;
  };
  int64_t patches_of(const at::Tensor& image) const {
    return (image.size(2) / config_.patch_size) * (image.size(3) / config_.patch_size);
  }
  at::Tensor tokens(const at::Tensor& image) const;
  at::Tensor attention(const Layer& layer, const at::Tensor& x) const;

  Config config_;
  at::Tensor class_token_, positions_, norm_, norm_bias_;
  nn::Linear patch_embed_;
  std::vector<Layer> layers_;
};

}  // namespace rushes::dinov2
