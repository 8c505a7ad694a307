#include "rushes/models/imtalker/motion_transfer.h"

#include <fmt/format.h>

#include "rushes/base/error.h"
#include "rushes/nn/attention.h"
#include "rushes/nn/matching_attention.h"
#include "rushes/tensor/ops.h"

namespace rushes::imtalker {
namespace {

at::Tensor tokens(const at::Tensor& map) { return map.flatten(2).transpose(1, 2); }  // [B, h w, C]

/// Channels last in memory, without a copy.
at::Tensor as_map(const at::Tensor& rows, const at::Tensor& like) {
  return rows.transpose(1, 2).reshape({rows.size(0), rows.size(2), like.size(2), like.size(3)});
}

}  // namespace

CrossMotionAttention::CrossMotionAttention(const tensor::WeightMap& weights, int64_t num_heads)
    : num_heads_(num_heads) {
  const int64_t C = weights.at("q_proj.weight", {-1, -1}).size(0);
  require(num_heads > 0 && C % num_heads == 0, ErrorCode::invalid_argument,
          "motion transfer: num_heads must divide the width {} (got {})", C, num_heads);
  q_ = nn::Linear(weights, "q_proj", C, C);
  k_ = nn::Linear(weights, "k_proj", C, C);
  v_ = nn::Linear(weights, "v_proj", C, C);
  out_ = nn::Linear(weights, "proj", C, C);
}

at::Tensor CrossMotionAttention::heads(const at::Tensor& x) const {
  return x.reshape({x.size(0), x.size(1), num_heads_, -1});
}

SourceTokens CrossMotionAttention::source(const at::Tensor& motion_map, const at::Tensor& features) const {
  return {heads(k_(tokens(motion_map))), heads(v_(tokens(features)))};
}

at::Tensor CrossMotionAttention::align(const at::Tensor& motion_map, const SourceTokens& source) const {
  const at::Tensor q = heads(q_(tokens(motion_map)));
  const auto of_batch = [&](const at::Tensor& x) { return x.expand({q.size(0), -1, -1, -1}); };
  const at::Tensor y = nn::attention(q, of_batch(source.k), of_batch(source.v));
  return as_map(out_(y.reshape({q.size(0), q.size(1), -1})), motion_map);
}

Alignment CrossMotionAttention::align_with_best(const at::Tensor& motion_map, const SourceTokens& source) const {
  const at::Tensor q = heads(q_(tokens(motion_map)));
  nn::Matched matched = nn::matching_attention(q, source.k, source.v);
  return {as_map(out_(matched.out.flatten(2)), motion_map), std::move(matched.best), std::move(matched.weight)};
}

at::Tensor block_means(const at::Tensor& features, int64_t ratio) { return at::avg_pool2d(features, ratio); }

at::Tensor gather_blocks(const at::Tensor& means, const at::Tensor& best, int64_t ratio) {
  const int64_t B = best.size(0), C = means.size(1), h = means.size(2), w = means.size(3);
  const at::Tensor rows = tokens(means).expand({B, -1, -1});
  const at::Tensor cells = at::gather(rows, 1, best.unsqueeze(2).expand({B, h * w, C}));
  return at::upsample_nearest2d(as_map(cells, means), {h * ratio, w * ratio});
}

MotionTransfer::MotionTransfer(const RendererConfig& config, const tensor::WeightMap& weights) : config_(config) {
  require(config.coarse_levels() > 0, ErrorCode::invalid_argument,
          "motion transfer: swin_res_threshold {} leaves no level for full attention; the coarsest level has side {}",
          config.swin_res_threshold, config.side(0));
  for (int64_t level = 0; level < config.coarse_levels(); ++level)
    levels_.emplace_back(weights.under(fmt::format("{}.block_efc.", level)), config.num_heads);
}

MotionTransfer::Source MotionTransfer::source(const std::vector<at::Tensor>& motion_maps,
                                              const std::vector<at::Tensor>& features) const {
  require(motion_maps.size() >= levels_.size() && features.size() == static_cast<std::size_t>(config_.levels()),
          ErrorCode::invalid_argument, "motion transfer: got {} motion maps and {} feature maps, expected {} and {}",
          motion_maps.size(), features.size(), levels_.size(), config_.levels());
  Source source;
  for (std::size_t level = 0; level < levels_.size(); ++level)
    source.coarse.push_back(levels_[level].source(motion_maps[level], features[level]));
  const int64_t coarse_side = motion_maps[levels_.size() - 1].size(2);
  for (std::size_t level = levels_.size(); level < features.size(); ++level)
    source.fine.push_back(block_means(features[level], features[level].size(2) / coarse_side));
  return source;
}

std::vector<at::Tensor> MotionTransfer::align(const std::vector<at::Tensor>& motion_maps, const Source& source) const {
  std::vector<at::Tensor> aligned;
  const std::size_t last = levels_.size() - 1;
  for (std::size_t level = 0; level < last; ++level)
    aligned.push_back(levels_[level].align(motion_maps[level], source.coarse[level]));
  const Alignment finest = levels_[last].align_with_best(motion_maps[last], source.coarse[last]);
  aligned.push_back(finest.aligned);
  int64_t ratio = 1;
  for (const at::Tensor& means : source.fine) aligned.push_back(gather_blocks(means, finest.best, ratio *= 2));
  return aligned;
}

}  // namespace rushes::imtalker
