#include "rushes/models/ditto/affine_warp.h"

#include <cmath>
#include <type_traits>

#include "rushes/base/error.h"
#include "rushes/tensor/ops.h"

namespace rushes::ditto {
namespace {

void check(const at::Tensor& image) {
  require(image.dim() == 3 && image.size(0) > 0 && image.size(1) > 0 &&
              (image.scalar_type() == at::kByte || image.scalar_type() == at::kFloat),
          ErrorCode::invalid_argument, "expected an image [H, W, C] of 8 bits or float32");
}

template <typename T>
void warp(const at::Tensor& from, const Affine& back, int64_t top, int64_t left, at::Tensor& to) {
  const int64_t H = from.size(0), W = from.size(1), C = from.size(2), width = to.size(1);
  const T* pixels = from.const_data_ptr<T>();
  T* out = to.data_ptr<T>();
  // Positions in 1/32 pixels, from columns and rows that were rounded to 1/1024 apart.
  std::vector<int> dx(static_cast<std::size_t>(width)), dy(static_cast<std::size_t>(width));
  for (int64_t x = 0; x < width; ++x) {
    dx[static_cast<std::size_t>(x)] = static_cast<int>(std::rint(back.a[0] * static_cast<double>(left + x) * 1024));
    dy[static_cast<std::size_t>(x)] = static_cast<int>(std::rint(back.a[3] * static_cast<double>(left + x) * 1024));
  }
  at::parallel_for(0, to.size(0), 16, [&](int64_t first, int64_t last) {
    for (int64_t y = first; y < last; ++y) {
      const auto row = static_cast<double>(top + y);
      const int x0 = static_cast<int>(std::rint((back.a[1] * row + back.a[2]) * 1024)) + 16,
                y0 = static_cast<int>(std::rint((back.a[4] * row + back.a[5]) * 1024)) + 16;
      T* target = out + y * width * C;
      for (int64_t x = 0; x < width; ++x, target += C) {
        const int px = (x0 + dx[static_cast<std::size_t>(x)]) >> 5, py = (y0 + dy[static_cast<std::size_t>(x)]) >> 5;
        const int64_t column = px >> 5, line = py >> 5;
        const float fx = static_cast<float>(px & 31) / 32, fy = static_cast<float>(py & 31) / 32;
        const float weights[4] = {(1 - fx) * (1 - fy), fx * (1 - fy), (1 - fx) * fy, fx * fy};
        for (int64_t c = 0; c < C; ++c) {
          const auto at = [&](int64_t i, int64_t j) -> T {
            return i < 0 || i >= H || j < 0 || j >= W ? T{0} : pixels[(i * W + j) * C + c];
          };
          const T near[4] = {at(line, column), at(line, column + 1), at(line + 1, column), at(line + 1, column + 1)};
          if constexpr (std::is_same_v<T, uint8_t>) {
            int sum = 1 << 14;  // weights are multiples of 1/1024: exact in 1/32768
            for (int k = 0; k < 4; ++k) sum += static_cast<int>(weights[k] * 32768) * near[k];
            target[c] = static_cast<uint8_t>(sum >> 15);
          } else {
            target[c] = near[0] * weights[0] + near[1] * weights[1] + near[2] * weights[2] + near[3] * weights[3];
          }
        }
      }
    }
  });
}

/// Where result pixels lie along one axis: the first of two source pixels, and the second one's share of 2048.
struct Taps {
  std::vector<int64_t> first;
  std::vector<int> share;
};

Taps taps(int64_t from, int64_t to) {
  Taps taps;
  const float scale = static_cast<float>(static_cast<double>(from) / static_cast<double>(to));
  for (int64_t i = 0; i < to; ++i) {
    const float position = (static_cast<float>(i) + 0.5f) * scale - 0.5f;
    auto cell = static_cast<int64_t>(std::floor(position));
    float part = position - static_cast<float>(cell);
    if (cell < 0) cell = 0, part = 0;
    if (cell >= from - 1) cell = from - 1, part = 0;
    taps.first.push_back(cell);
    taps.share.push_back(static_cast<int>(std::rint(part * 2048)));
  }
  return taps;
}

}  // namespace

Affine Affine::inverse() const {
  const double determinant = a[0] * a[4] - a[1] * a[3];
  require(determinant != 0 && std::isfinite(determinant), ErrorCode::invalid_argument,
          "the map between an image and its crop cannot be inverted");
  const double i = 1 / determinant;
  return {{a[4] * i, -a[1] * i, (a[1] * a[5] - a[4] * a[2]) * i, -a[3] * i, a[0] * i, (a[3] * a[2] - a[0] * a[5]) * i}};
}

Affine Affine::of(const at::Tensor& matrix) {
  const at::Tensor rows = matrix.to(at::kCPU, at::kDouble).contiguous();
  require(rows.numel() >= 6 && rows.size(-1) == 3, ErrorCode::invalid_argument,
          "an affine map must be [3, 3] or [2, 3]");
  Affine affine;
  std::copy_n(rows.const_data_ptr<double>(), 6, affine.a.begin());
  return affine;
}

at::Tensor Affine::matrix() const {
  at::Tensor matrix = at::eye(3, at::TensorOptions(at::kFloat));
  for (std::size_t i = 0; i < 6; ++i) matrix.data_ptr<float>()[i] = static_cast<float>(a[i]);
  return matrix;
}

at::Tensor warp_affine(const at::Tensor& image, const Affine& map, int64_t height, int64_t width, int64_t top,
                       int64_t left) {
  check(image);
  const at::Tensor from = image.to(at::kCPU).contiguous();
  at::Tensor to = at::empty({height, width, image.size(2)}, from.options());
  if (from.scalar_type() == at::kByte)
    warp<uint8_t>(from, map.inverse(), top, left, to);
  else
    warp<float>(from, map.inverse(), top, left, to);
  return to;
}

at::Tensor resize_bilinear(const at::Tensor& image, int64_t height, int64_t width) {
  check(image);
  require(image.scalar_type() == at::kByte, ErrorCode::invalid_argument, "expected an image of 8 bits");
  const at::Tensor from = image.to(at::kCPU).contiguous();
  const int64_t H = from.size(0), W = from.size(1), C = from.size(2);
  if (H == height && W == width) return from;
  at::Tensor to = at::empty({height, width, C}, from.options());
  const Taps columns = taps(W, width), rows = taps(H, height);
  const uint8_t* pixels = from.const_data_ptr<uint8_t>();
  uint8_t* out = to.data_ptr<uint8_t>();
  at::parallel_for(0, height, 16, [&](int64_t first, int64_t last) {
    for (int64_t y = first; y < last; ++y) {
      const auto row = static_cast<std::size_t>(y);
      const uint8_t* above = pixels + rows.first[row] * W * C;
      const uint8_t* below = pixels + std::min(rows.first[row] + 1, H - 1) * W * C;
      for (int64_t x = 0; x < width; ++x) {
        const auto column = static_cast<std::size_t>(x);
        const int64_t left = columns.first[column] * C, right = std::min(columns.first[column] + 1, W - 1) * C;
        const int share = columns.share[column];
        for (int64_t c = 0; c < C; ++c) {
          const int h0 = above[left + c] * (2048 - share) + above[right + c] * share,
                    h1 = below[left + c] * (2048 - share) + below[right + c] * share;
          const int value = (((h0 >> 4) * (2048 - rows.share[row])) >> 16) + (((h1 >> 4) * rows.share[row]) >> 16);
          out[(y * width + x) * C + c] = static_cast<uint8_t>(std::min((value + 2) >> 2, 255));
        }
      }
    }
  });
  return to;
}

at::Tensor halve(const at::Tensor& image) {
  check(image);
  require(image.size(0) % 2 == 0 && image.size(1) % 2 == 0, ErrorCode::invalid_argument,
          "expected an image with even sides");
  const at::Tensor sums = at::sum(image.to(at::kInt).unflatten(1, {-1, 2}).unflatten(0, {-1, 2}),
                                  at::OptionalIntArrayRef(at::IntArrayRef{1, 3}));
  return ((sums + 2) / 4).floor().to(at::kByte);
}

}  // namespace rushes::ditto
