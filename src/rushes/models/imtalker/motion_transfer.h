// Implicit motion transfer: the source picture's features moved to where the driving motion wants them. Attention from
// the driving to the source motion map aligns coarse features; fine ones follow the best match of the finest attention.
// Source: IMTalker (implicit motion transfer module), arXiv:2511.22167.
#pragma once
#include <ATen/core/Tensor.h>

#include <vector>

#include "rushes/models/imtalker/config.h"
#include "rushes/nn/linear.h"
#include "rushes/tensor/weight_map.h"

namespace rushes::imtalker {

/// Keys and values of one level's source, computed once for a picture: [B, L, N, D].
struct SourceTokens {
  at::Tensor k, v;
};

struct Alignment {
  at::Tensor aligned;  // [B, C, h, w]
  at::Tensor best;  // [B, L] int64: for each driving cell the source cell with the largest mean attention of the heads
  at::Tensor best_weight;  // [B, L]: that mean
};

/// One coarse level: multi-head attention without norms, residuals or positions. Any thread: no state.
class CrossMotionAttention {
 public:
  /// Keys {q,k,v}_proj.*, proj.*.
  CrossMotionAttention(const tensor::WeightMap& weights, int64_t num_heads);

  /// The source's motion map and features, both [B, C, h, w].
  SourceTokens source(const at::Tensor& motion_map, const at::Tensor& features) const;
  /// driving motion map [B, C, h, w]; a source of batch 1 serves all. Returns the aligned features, same shape.
  at::Tensor align(const at::Tensor& motion_map, const SourceTokens& source) const;
  /// The same with the best source cells, without the N x L x L attention weights (0.5 GB for 64 x 64 cells).
  Alignment align_with_best(const at::Tensor& motion_map, const SourceTokens& source) const;

 private:
  at::Tensor heads(const at::Tensor& tokens) const;

  int64_t num_heads_;
  nn::Linear q_, k_, v_, out_;
};

/// Mean of each ratio x ratio block: features [B, C, h ratio, w ratio] to [B, C, h, w].
at::Tensor block_means(const at::Tensor& features, int64_t ratio);

/// Each cell gets the mean of its best source block: means [B, C, h, w], best [B, h w] int64. Returns [B, C, h ratio,
/// w ratio], constant on blocks.
at::Tensor gather_blocks(const at::Tensor& means, const at::Tensor& best, int64_t ratio);

/// All levels. Any thread: no state.
class MotionTransfer {
 public:
  /// What a source picture contributes, for every level: tokens of the coarse, block means of the fine ones.
  struct Source {
    std::vector<SourceTokens> coarse;
    std::vector<at::Tensor> fine;
  };

  /// Keys {level}.block_efc.{q,k,v}_proj.*, {level}.block_efc.proj.* of the coarse levels. Throws
  /// Error(invalid_argument) if there is no coarse level or num_heads does not divide a width.
  MotionTransfer(const RendererConfig& config, const tensor::WeightMap& weights);

  /// motion_maps of the coarse levels, features of all levels; both coarsest first.
  Source source(const std::vector<at::Tensor>& motion_maps, const std::vector<at::Tensor>& features) const;
  /// Aligned features of all levels, coarsest first, for driving motion maps [B, ..].
  std::vector<at::Tensor> align(const std::vector<at::Tensor>& motion_maps, const Source& source) const;

 private:
  RendererConfig config_;
  std::vector<CrossMotionAttention> levels_;
};

}  // namespace rushes::imtalker
