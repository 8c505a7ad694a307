#include "rushes/nn/window_attention.h"

#include <cmath>

#include "rushes/base/error.h"
#include "rushes/nn/heads_view.h"
#include "rushes/tensor/kernels/cpu/window_attention.h"

namespace rushes::nn {
namespace {

namespace kernels = tensor::kernels;

constexpr float kHidden = -100.0f;  // added to the scores of cells that are neighbours only because of the roll

/// Masks of the windows of one row, [S / w, 1, w^2, w^2]. After the roll the last `shift` rows and columns come from
/// the other edge of the map.
at::Tensor row_mask(const at::Tensor& like, const Windows& windows, bool is_last_row) {
  const int64_t side = like.size(1), w = windows.side, first = is_last_row ? side - w : 0;
  const at::Tensor from_other_edge = at::ge(at::arange(side, like.options().dtype(at::kLong)), side - windows.shift);
  const at::Tensor row = from_other_edge.narrow(0, first, w).view({1, w, 1}), column = from_other_edge.view({-1, 1, w});
  const at::Tensor region = (row.to(at::kLong) * 2 + column.to(at::kLong)).flatten(1);  // [S / w, w^2]
  const at::Tensor hidden = at::ne(region.unsqueeze(2), region.unsqueeze(1)).to(like.scalar_type()) * kHidden;
  return hidden.unsqueeze(1);
}

template <typename T>
at::Tensor by_kernel(const kernels::WindowShape& shape, const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                     const at::Tensor& bias) {
  const at::Tensor out = at::empty(q.sizes(), q.options());
  const auto data = [](const at::Tensor& x) { return reinterpret_cast<const T*>(x.const_data_ptr()); };
  kernels::window_attention(shape, data(q), data(k), data(v), bias.const_data_ptr<float>(),
                            reinterpret_cast<T*>(out.mutable_data_ptr()));
  return out;
}

}  // namespace

// One row of windows at a time: the scores of all windows would be 128 MB for a map of 256 x 256.
at::Tensor stock_window_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const at::Tensor& bias,
                                  const Windows& windows) {
  const int64_t B = q.size(0), S = q.size(1), C = q.size(3), N = bias.size(0), w = windows.side, count = S / w;
  const int64_t cells = w * w, shift = windows.shift;
  const double scale = 1 / std::sqrt(static_cast<double>(C / N));
  const auto rolled = [](const at::Tensor& map, int64_t by) { return by == 0 ? map : at::roll(map, {by, by}, {1, 2}); };
  // [B, S, S, C], row r of windows, to [B, windows, N, cells, D]
  const auto row_of = [&](const at::Tensor& map, int64_t r) {
    return map.narrow(1, r * w, w)
        .reshape({B, w, count, w, N, -1})
        .permute({0, 2, 4, 1, 3, 5})
        .reshape({B, count, N, cells, -1});
  };
  const at::Tensor scaled_q = rolled(q, -shift) * scale, rolled_k = rolled(k, -shift), rolled_v = rolled(v, -shift);
  at::Tensor masks[2];
  if (shift > 0)
    for (const bool is_last_row : {false, true}) masks[is_last_row] = row_mask(q, windows, is_last_row);
  std::vector<at::Tensor> rows;
  for (int64_t r = 0; r < count; ++r) {
    at::Tensor scores = at::matmul(row_of(scaled_q, r), row_of(rolled_k, r).transpose(-1, -2)) + bias;
    if (shift > 0) scores = scores + masks[r + 1 == count];
    const at::Tensor y = at::matmul(at::softmax(scores, -1).to(v.scalar_type()), row_of(rolled_v, r));
    rows.push_back(y.view({B, count, N, w, w, -1}).permute({0, 3, 1, 4, 2, 5}).reshape({B, w, S, C}));
  }
  return rolled(at::cat(rows, 1), shift);
}

at::Tensor window_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const at::Tensor& bias,
                            const Windows& windows) {
  require(q.dim() == 4 && q.size(1) == q.size(2) && k.sizes() == q.sizes() && v.sizes() == q.sizes() &&
              windows.side > 0 && q.size(1) % windows.side == 0 && windows.shift >= 0 && windows.shift < windows.side,
          ErrorCode::invalid_argument, "windows of {} cells, {} from the edge, do not tile a map of side {}",
          windows.side, windows.shift, q.dim() == 4 ? q.size(1) : -1);
  const bool fits = kernels_take(q, k, v) && q.is_contiguous() && k.is_contiguous() && v.is_contiguous() &&
                    bias.scalar_type() == at::kFloat && bias.is_contiguous() && !bias.requires_grad();
  if (!fits) return stock_window_attention(q, k, v, bias, windows);
  const kernels::WindowShape shape{q.size(0),     q.size(1),    windows.side,
                                   windows.shift, bias.size(0), q.size(3) / bias.size(0)};
  const auto run = q.scalar_type() == at::kFloat ? by_kernel<float> : by_kernel<kernels::Bf16>;
  return run(shape, q, k, v, bias);
}

}  // namespace rushes::nn
