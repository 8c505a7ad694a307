#include "rushes/tensor/image_resize.h"

#include <fmt/ranges.h>

#include <cmath>
#include <numbers>

#include "rushes/base/error.h"
#include "rushes/tensor/ops.h"

namespace rushes::tensor {
namespace {

/// Weights of the source pixels of every target pixel of one axis.
struct AxisFilter {
  std::vector<int64_t> first, count;
  std::vector<int32_t> weight;  // [target][stride], fixed point
  int64_t stride = 0;
  int fraction_bits = 0;
};

constexpr int kMostFractionBits = 32 - 8 - 2;  // 8 bits of pixel and 2 of overshoot fit beside it

/// As many as leave the largest weight below 2^15.
int fraction_bits_of_16(double largest) {
  int bits = 0;
  while (bits < kMostFractionBits && static_cast<int>(0.5 + largest * (1 << (bits + 1))) < 1 << 15) ++bits;
  return bits;
}

double sinc(double x) { return x == 0 ? 1 : std::sin(std::numbers::pi * x) / (std::numbers::pi * x); }

/// How far a filter reaches at its own scale.
double reach(Resampling filter) { return filter == Resampling::bilinear ? 1 : filter == Resampling::bicubic ? 2 : 3; }

double filter_value(Resampling filter, double x) {
  x = std::abs(x);
  if (filter == Resampling::bilinear) return x < 1 ? 1 - x : 0;
  if (filter == Resampling::lanczos) return x < 3 ? sinc(x) * sinc(x / 3) : 0;
  constexpr double a = -0.5;
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

AxisFilter axis_filter(int64_t from, int64_t to, Resampling filter, FixedPoint fixed_point) {
  const double scale = static_cast<double>(from) / static_cast<double>(to), stretch = std::max(scale, 1.0);
  const double support = reach(filter) * stretch;
  AxisFilter axis;
  axis.stride = static_cast<int64_t>(std::ceil(support)) * 2 + 1;
  axis.weight.assign(static_cast<std::size_t>(to * axis.stride), 0);
  std::vector<double> weights, all(axis.weight.size(), 0.0);
  for (int64_t target = 0; target < to; ++target) {
    const double centre = (static_cast<double>(target) + 0.5) * scale;
    const auto first = std::max<int64_t>(static_cast<int64_t>(centre - support + 0.5), 0);
    const auto last = std::min<int64_t>(static_cast<int64_t>(centre + support + 0.5), from);
    weights.clear();
    double sum = 0;
    for (int64_t source = first; source < last; ++source) {
      weights.push_back(filter_value(filter, (static_cast<double>(source) - centre + 0.5) / stretch));
      sum += weights.back();
    }
    for (std::size_t i = 0; i < weights.size(); ++i)
      all[static_cast<std::size_t>(target * axis.stride) + i] = weights[i] / sum;
    axis.first.push_back(first);
    axis.count.push_back(last - first);
  }
  axis.fraction_bits = fixed_point == FixedPoint::pillow
                           ? kMostFractionBits
                           : fraction_bits_of_16(*std::max_element(all.begin(), all.end()));
  for (std::size_t i = 0; i < all.size(); ++i) {
    const double scaled = all[i] * (1 << axis.fraction_bits);
    axis.weight[i] = static_cast<int32_t>(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
  }
  return axis;
}

/// Applies `axis` to the middle axis of in [outer, from, inner] giving [outer, to, inner].
void apply(const AxisFilter& axis, const uint8_t* in, uint8_t* out, int64_t outer, int64_t from, int64_t to,
           int64_t inner) {
  at::parallel_for(0, outer * to, 64, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const int64_t o = row / to, target = row % to;
      const auto index = static_cast<std::size_t>(target);
      const uint8_t* source = in + (o * from + axis.first[index]) * inner;
      const int32_t* weight = &axis.weight[index * static_cast<std::size_t>(axis.stride)];
      for (int64_t i = 0; i < inner; ++i) {
        int32_t sum = 1 << (axis.fraction_bits - 1);
        for (int64_t k = 0; k < axis.count[index]; ++k) sum += weight[k] * source[k * inner + i];
        out[row * inner + i] = static_cast<uint8_t>(std::clamp(sum >> axis.fraction_bits, 0, 255));
      }
    }
  });
}

at::Tensor resize_rows(const at::Tensor& image, int64_t height, Resampling filter, FixedPoint weights) {
  const int64_t rows = image.size(0), row_bytes = image.size(1) * image.size(2);
  if (height == rows) return image;
  at::Tensor out = at::empty({height, image.size(1), image.size(2)}, image.options());
  apply(axis_filter(rows, height, filter, weights), image.const_data_ptr<uint8_t>(), out.mutable_data_ptr<uint8_t>(), 1,
        rows, height, row_bytes);
  return out;
}

at::Tensor resize_columns(const at::Tensor& image, int64_t width, Resampling filter, FixedPoint weights) {
  const int64_t rows = image.size(0), columns = image.size(1), channels = image.size(2);
  if (width == columns) return image;
  at::Tensor out = at::empty({rows, width, channels}, image.options());
  apply(axis_filter(columns, width, filter, weights), image.const_data_ptr<uint8_t>(), out.mutable_data_ptr<uint8_t>(),
        rows, columns, width, channels);
  return out;
}

}  // namespace

at::Tensor resize(const at::Tensor& image, int64_t height, int64_t width, Resampling filter, FixedPoint weights) {
  require(image.dim() == 3 && image.scalar_type() == at::kByte && image.numel() > 0, ErrorCode::invalid_argument,
          "an image to resize must be [H, W, C] of 8-bit values, got [{}]", fmt::join(image.sizes(), ", "));
  require(height > 0 && width > 0, ErrorCode::invalid_argument, "cannot resize to {}x{}: both sides must be at least 1",
          width, height);
  // Each pass rounds, so that the order can be seen. Pillow's since version 13; before it was always horizontally
  // first.
  const int64_t lower = image.size(0) - height, narrower = image.size(1) - width;
  const bool vertical_first = weights == FixedPoint::pillow && lower > 0 && lower > 2 * narrower;
  at::Tensor out = image.cpu().contiguous();
  for (const bool vertical : {vertical_first, !vertical_first})
    out = vertical ? resize_rows(out, height, filter, weights) : resize_columns(out, width, filter, weights);
  return out;
}

}  // namespace rushes::tensor
