#include "rushes/models/qwen/vision_tower.h"

#include <cmath>

#include "rushes/base/error.h"
#include "rushes/nn/attention.h"
#include "rushes/nn/norm.h"
#include "rushes/nn/rope_halves.h"
#include "rushes/tensor/ops.h"

namespace rushes::qwen {
namespace {

constexpr double kNormEps = 1e-6, kRopeBase = 10000;

/// Rows of a grid as numbers.
std::vector<std::array<int64_t, 3>> rows_of(const at::Tensor& grid) {
  require(grid.dim() == 2 && grid.size(1) == 3, ErrorCode::invalid_argument, "a grid must be [pictures, 3]");
  const at::Tensor own = grid.cpu().to(at::kLong).contiguous();
  std::vector<std::array<int64_t, 3>> rows;
  for (int64_t i = 0; i < own.size(0); ++i) {
    const int64_t* row = own.const_data_ptr<int64_t>() + 3 * i;
    rows.push_back({row[0], row[1], row[2]});
  }
  return rows;
}

at::Tensor integers(const std::vector<int64_t>& values) { return at::tensor(values, at::TensorOptions(at::kLong)); }

/// Each unit of `unit` consecutive rows to its place: x [N, C].
at::Tensor in_order(const at::Tensor& x, const at::Tensor& units, int64_t unit) {
  return at::index_select(x.reshape({x.size(0) / unit, -1}), 0, units).view(x.sizes());
}

}  // namespace

at::Tensor patch_places(const at::Tensor& grid, int64_t merge_size) {
  std::vector<int64_t> places;
  for (const auto& [t, h, w] : rows_of(grid))
    for (int64_t frame = 0; frame < t; ++frame)
      for (int64_t y = 0; y < h; y += merge_size)
        for (int64_t x = 0; x < w; x += merge_size)
          for (int64_t unit = 0; unit < merge_size * merge_size; ++unit)
            places.insert(places.end(), {y + unit / merge_size, x + unit % merge_size});
  return integers(places).view({-1, 2});
}

WindowOrder window_order(const at::Tensor& grid, const VisionConfig& config) {
  const int64_t merge = config.spatial_merge_size, window = config.window_size / merge / config.patch_size;
  WindowOrder order{{}, {0}, {0}};
  std::vector<int64_t> units;
  int64_t first = 0;  // unit of the frame
  for (const auto& [t, h, w] : rows_of(grid)) {
    require(t > 0 && h > 0 && w > 0 && h % merge == 0 && w % merge == 0, ErrorCode::invalid_argument,
            "a picture of {}x{} patches cannot be merged by {}", w, h, merge);
    const int64_t rows = h / merge, columns = w / merge;
    for (int64_t frame = 0; frame < t; ++frame, first += rows * columns) {
      for (int64_t top = 0; top < rows; top += window)
        for (int64_t left = 0; left < columns; left += window) {
          for (int64_t y = top; y < std::min(top + window, rows); ++y)
            for (int64_t x = left; x < std::min(left + window, columns); ++x) units.push_back(first + y * columns + x);
          order.windows.push_back(static_cast<int64_t>(units.size()) * config.unit_patches());
        }
      order.pictures.push_back(order.windows.back());
    }
  }
  order.units = integers(units);
  return order;
}

VisionTower::VisionTower(const VisionConfig& config, const tensor::WeightMap& weights) : config_(config) {
  const int64_t C = config.hidden_size, joined = C * config.unit_patches();
  patch_weight_ = weights
                      .at("patch_embed.proj.weight",
                          {C, config.in_channels, config.temporal_patch_size, config.patch_size, config.patch_size})
                      .reshape({C, config.patch_values()});
  for (int64_t i = 0; i < config.depth; ++i) {
    const auto own = weights.under("blocks." + std::to_string(i) + ".");
    blocks_.push_back({.qkv = {own, "attn.qkv", 3 * C, C},
                       .out = {own, "attn.proj", C, C},
                       .norm1 = own.at("norm1.weight", {C}),
                       .norm2 = own.at("norm2.weight", {C}),
                       .mlp = nn::GatedMlp(own.under("mlp."), C, config.intermediate_size, nn::Bias::given)});
  }
  merger_norm_ = weights.at("merger.ln_q.weight", {C});
  merger_in_ = {weights, "merger.mlp.0", joined, joined};
  merger_out_ = {weights, "merger.mlp.2", config.out_hidden_size, joined};
}

at::Tensor VisionTower::attend(const Block& block, const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin,
                               const std::vector<int64_t>& segments) const {
  const int64_t N = x.size(0), heads = config_.num_heads, D = config_.head_size();
  const at::Tensor qkv = block.qkv(x).view({1, N, 3, heads, D});
  const at::Tensor q = nn::rotate_halves(qkv.select(2, 0), cos, sin), k = nn::rotate_halves(qkv.select(2, 1), cos, sin),
                   v = qkv.select(2, 2);
  // Neighbours of equal length are a batch.
  std::vector<at::Tensor> seen;
  for (size_t i = 0; i + 1 < segments.size();) {
    const int64_t length = segments[i + 1] - segments[i];
    size_t end = i + 1;
    while (end + 1 < segments.size() && segments[end + 1] - segments[end] == length) ++end;
    const auto batch = static_cast<int64_t>(end - i);
    const auto part = [&](const at::Tensor& all) {
      return all.select(0, 0).narrow(0, segments[i], batch * length).unflatten(0, {batch, length});
    };
    seen.push_back(nn::attention(part(q), part(k), part(v)).reshape({batch * length, heads * D}));
    i = end;
  }
  return block.out(seen.size() == 1 ? seen.front() : at::cat(seen, 0));
}

at::Tensor VisionTower::forward(const at::Tensor& patches, const at::Tensor& grid) const {
  const WindowOrder order = window_order(grid, config_);
  require(patches.dim() == 2 && patches.size(1) == config_.patch_values() && patches.size(0) == order.pictures.back(),
          ErrorCode::invalid_argument, "the grid has {} patches of {} values", order.pictures.back(),
          config_.patch_values());
  const at::Device device = patch_weight_.device();
  const int64_t unit = config_.unit_patches(), quarter = config_.head_size() / 4;
  const at::Tensor units = order.units.to(device);
  at::Tensor x = in_order(nn::Linear(patch_weight_, {})(patches.to(device, patch_weight_.scalar_type())), units, unit);

  const at::Tensor exponent =
      at::arange(quarter, at::TensorOptions(at::kFloat)) * (-1.0 / static_cast<double>(quarter));
  const at::Tensor places = patch_places(grid, config_.spatial_merge_size).to(at::kFloat);
  const at::Tensor angles =  // [N, D / 2]: those of the row, then those of the column
      in_order((places.unsqueeze(-1) * at::pow(kRopeBase, exponent)).flatten(1), order.units, unit).to(device);
  const at::Tensor cos = at::cos(angles).unsqueeze(0), sin = at::sin(angles).unsqueeze(0);

  for (size_t i = 0; i < blocks_.size(); ++i) {
    const auto& full = config_.fullatt_block_indexes;
    const bool sees_all = std::find(full.begin(), full.end(), static_cast<int64_t>(i)) != full.end();
    const Block& block = blocks_[i];
    x = x + attend(block, nn::rms_norm(x, block.norm1, kNormEps), cos, sin, sees_all ? order.pictures : order.windows);
    x = x + block.mlp(nn::rms_norm(x, block.norm2, kNormEps));
  }
  const at::Tensor joined = nn::rms_norm(x, merger_norm_, kNormEps).reshape({x.size(0) / unit, -1});
  const at::Tensor merged = merger_out_(at::gelu(merger_in_(joined)));
  return at::index_select(merged, 0, at::argsort(units));
}

}  // namespace rushes::qwen
