#include "rushes/tensor/kernels/cpu/rms_modulate.h"

#include <algorithm>

#include "rushes/tensor/ops.h"

namespace rushes::tensor::kernels {
namespace {

constexpr int64_t kGrainValues = 16384;  // less work than this is not worth waking a thread

/// y sigmoid(y). The exponent is bounded, so that 2^x stays finite.
__m256 silu(__m256 y) {
  const __m256 power = exp2(_mm256_min_ps(_mm256_mul_ps(y, _mm256_set1_ps(-kLog2E)), _mm256_set1_ps(126.0f)));
  return _mm256_div_ps(y, _mm256_add_ps(power, _mm256_set1_ps(1.0f)));
}

/// `row`: a row of scratch in float32, to whole vectors.
template <typename T>
void modulate_row(const RmsModulate<T>& pass, int64_t r, float* row) {
  const int64_t C = pass.width, group = r / pass.rows_per_group;
  T* x = pass.x + r * C;
  const T* y = pass.y == nullptr ? nullptr : pass.y + r * C;
  const float* gate = pass.gate == nullptr ? nullptr : pass.gate + group * pass.gate_stride;
  __m256 squares = _mm256_setzero_ps();
  for (int64_t i = 0; i < C; i += kLanes) {
    __m256 value = load_some(x + i, C - i);
    if (y != nullptr) {
      const __m256 more = load_some(y + i, C - i);
      value = gate == nullptr ? _mm256_add_ps(value, more) : _mm256_fmadd_ps(more, load_some(gate + i, C - i), value);
      store_some(x + i, C - i, value);
    }
    store(row + i, value);
    squares = _mm256_fmadd_ps(value, value, squares);
  }
  if (pass.out == nullptr) return;
  const __m256 inverse = _mm256_set1_ps(1.0f / std::sqrt(sum_lanes(squares) / static_cast<float>(C) + pass.eps));
  const float* scale = pass.scale == nullptr ? nullptr : pass.scale + group * pass.norm_stride;
  const float* shift = pass.scale == nullptr ? nullptr : pass.shift + group * pass.norm_stride;
  T* out = pass.out + r * C;
  for (int64_t i = 0; i < C; i += kLanes) {
    __m256 value = _mm256_mul_ps(load(row + i), inverse);
    if (scale != nullptr) value = _mm256_fmadd_ps(value, load_some(scale + i, C - i), load_some(shift + i, C - i));
    if (pass.silu) value = silu(value);
    store_some(out + i, C - i, value);
  }
}

}  // namespace

template <typename T>
void rms_modulate(const RmsModulate<T>& pass) {
  at::parallel_for(0, pass.rows, std::max<int64_t>(1, kGrainValues / pass.width), [&](int64_t begin, int64_t end) {
    std::vector<float> row(static_cast<std::size_t>((pass.width + kLanes - 1) / kLanes * kLanes));
    for (int64_t r = begin; r < end; ++r) modulate_row(pass, r, row.data());
  });
}
template void rms_modulate<float>(const RmsModulate<float>&);
template void rms_modulate<Bf16>(const RmsModulate<Bf16>&);

}  // namespace rushes::tensor::kernels
