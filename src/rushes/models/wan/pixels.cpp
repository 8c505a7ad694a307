#include "rushes/models/wan/pixels.h"

#include <fmt/ranges.h>

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
    if (formula == PixelFormula::unit)
      quantise_row<PixelFormula::unit>(x + begin, out + begin, end - begin);
    else
      quantise_row<PixelFormula::symmetric>(x + begin, out + begin, end - begin);
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
  require(video.dim() == 4 && video.size(1) == 3, ErrorCode::invalid_argument,
          "frames have shape [{}], expected [T, 3, H, W]", fmt::join(video.sizes(), ", "));
  // The decoders leave channels last in memory: then it is one pass over the values as they lie.
  if (video.permute({0, 2, 3, 1}).is_contiguous()) return to_uint8(video.permute({0, 2, 3, 1}), formula);
  const at::Tensor planes = video.to(at::kCPU, at::kFloat).contiguous();
  const int64_t pixels = video.size(2) * video.size(3);
  at::Tensor out = at::empty({video.size(0), video.size(2), video.size(3), 3}, planes.options().dtype(at::kByte));
  const float* in = planes.const_data_ptr<float>();
  uint8_t* bytes = out.mutable_data_ptr<uint8_t>();
  at::parallel_for(0, video.size(0), 1, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      if (formula == PixelFormula::unit)
        quantise_planes<PixelFormula::unit>(in + t * 3 * pixels, bytes + t * 3 * pixels, pixels);
      else
        quantise_planes<PixelFormula::symmetric>(in + t * 3 * pixels, bytes + t * 3 * pixels, pixels);
    }
  });
  return out;
}

at::Tensor image_to_frame(const at::Tensor& image, int64_t height, int64_t width, tensor::Resampling filter) {
  require(image.dim() == 3 && image.size(2) == 3, ErrorCode::invalid_argument,
          "a first image must be [H, W, 3], got [{}]", fmt::join(image.sizes(), ", "));
  const at::Tensor small = tensor::resize(image, height, width, filter);
  return small.to(at::kFloat).div_(255).sub_(0.5).div_(0.5).permute({2, 0, 1}).unsqueeze(1).unsqueeze(0).contiguous();
}

}  // namespace rushes::wan
