// The vision tower of Qwen2.5-VL: patches of pictures to tokens of the language model. Most blocks attend within
// windows of 8 x 8 patches, a few within whole pictures.
#pragma once
#include <ATen/core/Tensor.h>

#include <vector>

#include "rushes/models/qwen/config.h"
#include "rushes/nn/gated_mlp.h"
#include "rushes/nn/linear.h"
#include "rushes/tensor/weight_map.h"

namespace rushes::qwen {

/// The order in which patches pass through the tower: window by window.
struct WindowOrder {
  at::Tensor units;               // [N / 4] int64: the unit that stands at each place
  std::vector<int64_t> windows;   // patches at which a window begins, and their number at the end
  std::vector<int64_t> pictures;  // the same for frames of pictures
};

/// grid [pictures, 3] int64. Throws Error(invalid_argument) for sides that are no multiples of the merge size.
WindowOrder window_order(const at::Tensor& grid, const VisionConfig& config);

/// Row and column of each patch in the order of picture_patches(): [N, 2] int64.
at::Tensor patch_places(const at::Tensor& grid, int64_t merge_size);

/// Any thread: no state. Differentiable where the weights are trained.
class VisionTower {
 public:
  /// Keys patch_embed.proj.weight, blocks.N.*, merger.*. Borrows their storage. Throws Error(corrupt_data) naming a
  /// missing or misshapen key.
  VisionTower(const VisionConfig& config, const tensor::WeightMap& weights);

  /// patches [N, 1176] of all pictures, one after the other, any floating dtype; grid [pictures, 3] int64, whose
  /// products sum up to N. Returns [N / 4, out_hidden_size] in the dtype of the weights. Throws
  /// Error(invalid_argument) where the two do not fit.
  at::Tensor forward(const at::Tensor& patches, const at::Tensor& grid) const;

  const VisionConfig& config() const noexcept { return config_; }

 private:
  struct Block {
    nn::Linear qkv, out;
    at::Tensor norm1, norm2;
    nn::GatedMlp mlp;
  };
  at::Tensor attend(const Block& block, const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin,
                    const std::vector<int64_t>& segments) const;

  VisionConfig config_;
  at::Tensor patch_weight_;  // [C, 1176]
  std::vector<Block> blocks_;
  at::Tensor merger_norm_;
  nn::Linear merger_in_, merger_out_;
};

}  // namespace rushes::qwen
