// IMTalker's renderer as its published modules compute frames, with libtorch's operators one by one: the yardstick of
// ours. Nothing is folded, fused or tiled: modulated weights per frame, batch normalisation apart, attention weights in
// memory. float32, CPU or CUDA.
#pragma once
#include <ATen/core/Tensor.h>

#include <vector>

#include "rushes/models/imtalker/config.h"
#include "rushes/tensor/weight_map.h"

namespace rushes::app::bench {

class StockRenderer {
 public:
  StockRenderer(imtalker::RendererConfig config, tensor::WeightMap weights)
      : config_(std::move(config)), weights_(std::move(weights)) {}

  /// What a session computes once from its picture [1, 3, S, S].
  struct Source {
    at::Tensor identity;
    std::vector<at::Tensor> features, motion_maps;
  };
  Source source(const at::Tensor& picture) const;
  /// motion [B, dim_motion] to frames [B, 3, S, S] in (0, 1).
  at::Tensor frames(const at::Tensor& motion, const Source& source) const;

 private:
  at::Tensor adapt(const at::Tensor& motion, const at::Tensor& identity) const;
  std::vector<at::Tensor> motion_maps(const at::Tensor& style) const;
  std::vector<at::Tensor> align(const std::vector<at::Tensor>& maps, const Source& source) const;
  at::Tensor decode(const std::vector<at::Tensor>& aligned) const;

  imtalker::RendererConfig config_;
  tensor::WeightMap weights_;
};

}  // namespace rushes::app::bench
