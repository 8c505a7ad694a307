#include "rushes/models/wan/pixels.h"

#include <fmt/ranges.h>

#include <cmath>

#include "rushes/base/error.h"
#include "rushes/tensor/ops.h"

namespace rushes::wan {
namespace {

template <PixelFormula formula>
uint8_t quantise(float x) {
  // Written so that a NaN fails the first comparison and becomes the lower end.
  if constexpr (formula == PixelFormula::unit) {
    const float unit = x * 0.5f + 0.5f;
    return static_cast<uint8_t>((unit > 0 ? std::min(unit, 1.0f) : 0.0f) * 255.0f);
  } else {
    return static_cast<uint8_t>((x > -1 ? std::min(x, 1.0f) : -1.0f) * 127.5f + 127.5f);
  }
}

template <PixelFormula formula>
void quantise_planes(const float* rgb_cp, uint8_t* out_pc, int64_t pixels) {
  for (int64_t p = 0; p < pixels; ++p)
    for (int64_t c = 0; c < 3; ++c) out_pc[3 * p + c] = quantise<formula>(rgb_cp[c * pixels + p]);
}

template <PixelFormula formula>
void quantise_row(const float* x, uint8_t* out, int64_t count) {
  for (int64_t i = 0; i < count; ++i) out[i] = quantise<formula>(x[i]);
}

void quantise_flat(const float* x, uint8_t* out, int64_t count, PixelFormula formula) {
  at::parallel_for(0, count, 1 << 16, [&](int64_t begin, int64_t end) {
    if (formula == PixelFormula::unit) quantise_row<PixelFormula::unit>(x + begin, out + begin, end - begin);
    else quantise_row<PixelFormula::symmetric>(x + begin, out + begin, end - begin);
  });
}

/// Weights of the source pixels of every target pixel of one axis.
struct AxisFilter {
  std::vector<int64_t> first, count;
  std::vector<int32_t> weight;  // [target][stride], fixed point
  int64_t stride = 0;
};

constexpr int kFractionBits = 32 - 8 - 2;  // 8 bits of pixel and 2 of overshoot fit beside it

double filter_value(Resampling filter, double x) {
  x = std::abs(x);
  if (filter == Resampling::bilinear) return x < 1 ? 1 - x : 0;
  constexpr double a = -0.5;
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

AxisFilter axis_filter(int64_t from, int64_t to, Resampling filter) {
  const double scale = static_cast<double>(from) / static_cast<double>(to), stretch = std::max(scale, 1.0);
  const double support = (filter == Resampling::bilinear ? 1.0 : 2.0) * stretch;
  AxisFilter axis;
  axis.stride = static_cast<int64_t>(std::ceil(support)) * 2 + 1;
  axis.weight.assign(static_cast<std::size_t>(to * axis.stride), 0);
  std::vector<double> weights;
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
    for (std::size_t i = 0; i < weights.size(); ++i) {
      const double scaled = weights[i] / sum * (1 << kFractionBits);
      axis.weight[static_cast<std::size_t>(target * axis.stride) + i] = static_cast<int32_t>(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
    }
    axis.first.push_back(first);
    axis.count.push_back(last - first);
  }
  return axis;
}

uint8_t to_byte(int32_t sum) { return static_cast<uint8_t>(std::clamp(sum >> kFractionBits, 0, 255)); }

/// Applies `axis` to the middle axis of in [outer, from, inner] giving [outer, to, inner].
void apply(const AxisFilter& axis, const uint8_t* in, uint8_t* out, int64_t outer, int64_t from, int64_t to, int64_t inner) {
  at::parallel_for(0, outer * to, 64, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const int64_t o = row / to, target = row % to;
      const auto index = static_cast<std::size_t>(target);
      const uint8_t* source = in + (o * from + axis.first[index]) * inner;
      const int32_t* weight = &axis.weight[index * static_cast<std::size_t>(axis.stride)];
      for (int64_t i = 0; i < inner; ++i) {
        int32_t sum = 1 << (kFractionBits - 1);
        for (int64_t k = 0; k < axis.count[index]; ++k) sum += weight[k] * source[k * inner + i];
        out[row * inner + i] = to_byte(sum);
      }
    }
  });
}

}  // namespace

at::Tensor to_uint8(const at::Tensor& x, PixelFormula formula) {
  const at::Tensor in = x.to(at::kCPU, at::kFloat).contiguous();
  at::Tensor out = at::empty(in.sizes(), in.options().dtype(at::kByte));
  quantise_flat(in.const_data_ptr<float>(), out.mutable_data_ptr<uint8_t>(), in.numel(), formula);
  return out;
}

at::Tensor frames_to_uint8(const at::Tensor& video, PixelFormula formula) {
  require(video.dim() == 4 && video.size(1) == 3, ErrorCode::invalid_argument, "frames have shape [{}], expected [T, 3, H, W]",
          fmt::join(video.sizes(), ", "));
  // The decoders leave channels last in memory: then it is one pass over the values as they lie.
  if (video.permute({0, 2, 3, 1}).is_contiguous()) return to_uint8(video.permute({0, 2, 3, 1}), formula);
  const at::Tensor planes = video.to(at::kCPU, at::kFloat).contiguous();
  const int64_t pixels = video.size(2) * video.size(3);
  at::Tensor out = at::empty({video.size(0), video.size(2), video.size(3), 3}, planes.options().dtype(at::kByte));
  const float* in = planes.const_data_ptr<float>();
  uint8_t* bytes = out.mutable_data_ptr<uint8_t>();
  at::parallel_for(0, video.size(0), 1, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      if (formula == PixelFormula::unit) quantise_planes<PixelFormula::unit>(in + t * 3 * pixels, bytes + t * 3 * pixels, pixels);
      else quantise_planes<PixelFormula::symmetric>(in + t * 3 * pixels, bytes + t * 3 * pixels, pixels);
    }
  });
  return out;
}

at::Tensor resize(const at::Tensor& image, int64_t height, int64_t width, Resampling filter) {
  require(image.dim() == 3 && image.scalar_type() == at::kByte && image.numel() > 0, ErrorCode::invalid_argument,
          "a picture to resize is [H, W, C] of 8-bit values, got [{}]", fmt::join(image.sizes(), ", "));
  require(height > 0 && width > 0, ErrorCode::invalid_argument, "cannot resize to {}x{}: both sides must be at least 1", width, height);
  at::Tensor from = image.cpu().contiguous();
  const int64_t rows = image.size(0), columns = image.size(1), channels = image.size(2);
  if (width != columns) {
    at::Tensor wide = at::empty({rows, width, channels}, from.options());
    apply(axis_filter(columns, width, filter), from.const_data_ptr<uint8_t>(), wide.mutable_data_ptr<uint8_t>(), rows, columns,
          width, channels);
    from = wide;
  }
  if (height == rows) return from;
  at::Tensor out = at::empty({height, width, channels}, from.options());
  apply(axis_filter(rows, height, filter), from.const_data_ptr<uint8_t>(), out.mutable_data_ptr<uint8_t>(), 1, rows, height,
        width * channels);
  return out;
}

at::Tensor image_to_frame(const at::Tensor& image, int64_t height, int64_t width, Resampling filter) {
  require(image.dim() == 3 && image.size(2) == 3, ErrorCode::invalid_argument, "a first picture is [H, W, 3], got [{}]",
          fmt::join(image.sizes(), ", "));
  const at::Tensor small = resize(image, height, width, filter);
  return small.to(at::kFloat).div_(255).sub_(0.5).div_(0.5).permute({2, 0, 1}).unsqueeze(1).unsqueeze(0).contiguous();
}

}  // namespace rushes::wan
