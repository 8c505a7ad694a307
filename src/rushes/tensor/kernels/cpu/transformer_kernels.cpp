#include "rushes/tensor/kernels/cpu/transformer_kernels.h"

#include "rushes/tensor/ops.h"

namespace rushes::tensor::kernels {
namespace {

constexpr int64_t kGrainValues = 16384;  // less work than this is not worth waking a thread

int64_t grain(int64_t width) { return std::max<int64_t>(1, kGrainValues / width); }

/// One row of ResidualNorm. `row` is a scratch row in float32.
template <typename T>
void residual_norm_row(const ResidualNorm<T>& pass, int64_t r, float* row) {
  const int64_t C = pass.width, whole = C / kLanes * kLanes, frame = r / pass.rows_per_frame;
  T* x = pass.x + r * C;
  __m256 sums = _mm256_setzero_ps();
  float sum = 0;
  const float* addition = pass.addition == nullptr ? nullptr : pass.addition + r / pass.rows_per_addition * C;
  if (pass.y != nullptr) {
    const T* y = pass.y + r * C;
    const float* gate = pass.gate == nullptr ? nullptr : pass.gate + frame * pass.gate_stride;
    for (int64_t i = 0; i < whole; i += kLanes) {
      const __m256 g = gate == nullptr ? _mm256_set1_ps(1.0f) : load(gate + i);
      __m256 value = _mm256_fmadd_ps(load(y + i), g, load(x + i));
      if (addition != nullptr) value = _mm256_add_ps(value, load(addition + i));
      store(x + i, value);
      store(row + i, value);
      sums = _mm256_add_ps(sums, value);
    }
    for (int64_t i = whole; i < C; ++i) {
      row[i] = widen(x[i]) + widen(y[i]) * (gate == nullptr ? 1.0f : gate[i]);
      if (addition != nullptr) row[i] += addition[i];
      x[i] = narrow<T>(row[i]);
      sum += row[i];
    }
  } else if (addition != nullptr) {
    for (int64_t i = 0; i < C; ++i) {
      row[i] = widen(x[i]) + addition[i];
      x[i] = narrow<T>(row[i]);
      sum += row[i];
    }
  } else {
    for (int64_t i = 0; i < whole; i += kLanes) {
      const __m256 value = load(x + i);
      store(row + i, value);
      sums = _mm256_add_ps(sums, value);
    }
    for (int64_t i = whole; i < C; ++i) sum += row[i] = widen(x[i]);
  }
  const float mean = (sum + sum_lanes(sums)) / static_cast<float>(C);
  __m256 squares = _mm256_setzero_ps();
  const __m256 means = _mm256_set1_ps(mean);
  for (int64_t i = 0; i < whole; i += kLanes) {
    const __m256 centred = _mm256_sub_ps(load(row + i), means);
    squares = _mm256_fmadd_ps(centred, centred, squares);
  }
  float square = sum_lanes(squares);
  for (int64_t i = whole; i < C; ++i) square += (row[i] - mean) * (row[i] - mean);
  const float inverse = 1.0f / std::sqrt(square / static_cast<float>(C) + pass.eps);

  const float* scale = pass.scale + frame * pass.norm_stride;
  const float* shift = pass.shift + frame * pass.norm_stride;
  const __m256 inverses = _mm256_set1_ps(inverse);
  T* out = pass.out + r * C;
  for (int64_t i = 0; i < whole; i += kLanes) {
    const __m256 normal = _mm256_mul_ps(_mm256_sub_ps(load(row + i), means), inverses);
    store(out + i, _mm256_fmadd_ps(normal, load(scale + i), load(shift + i)));
  }
  for (int64_t i = whole; i < C; ++i) out[i] = narrow<T>((row[i] - mean) * inverse * scale[i] + shift[i]);
}

template <typename T>
void rms_rope_row(const RmsRope<T>& pass, int64_t r) {
  const int64_t C = pass.width, whole = C / kLanes * kLanes;
  T* x = pass.x + r * pass.row_stride;
  __m256 squares = _mm256_setzero_ps();
  for (int64_t i = 0; i < whole; i += kLanes) squares = _mm256_fmadd_ps(load(x + i), load(x + i), squares);
  float square = sum_lanes(squares);
  for (int64_t i = whole; i < C; ++i) square += widen(x[i]) * widen(x[i]);
  const float inverse = 1.0f / std::sqrt(square / static_cast<float>(C) + pass.eps);
  const __m256 inverses = _mm256_set1_ps(inverse);
  const auto normal = [&](int64_t i) {
    return _mm256_mul_ps(_mm256_mul_ps(load(x + i), inverses), load(pass.weight + i));
  };
  if (pass.cosines == nullptr) {
    for (int64_t i = 0; i < whole; i += kLanes) store(x + i, normal(i));
    for (int64_t i = whole; i < C; ++i) x[i] = narrow<T>(widen(x[i]) * inverse * pass.weight[i]);
    return;
  }
  const int64_t D = pass.head_size, lanes = D / kLanes * kLanes;
  const float* cosines = pass.cosines + r % pass.tokens * D;
  const float* sines = pass.sines + r % pass.tokens * D;
  for (int64_t head = 0; head < C; head += D) {
    for (int64_t d = 0; d < lanes; d += kLanes) {
      const __m256 value = normal(head + d);
      const __m256 swapped = _mm256_permute_ps(value, 0xb1);  // (b, a) of each pair (a, b)
      store(x + head + d, _mm256_fmadd_ps(value, load(cosines + d), _mm256_mul_ps(swapped, load(sines + d))));
    }
    for (int64_t d = lanes; d < D; d += 2) {
      T* pair = x + head + d;
      const float a = widen(pair[0]) * inverse * pass.weight[head + d];
      const float b = widen(pair[1]) * inverse * pass.weight[head + d + 1];
      pair[0] = narrow<T>(a * cosines[d] + b * sines[d]);
      pair[1] = narrow<T>(b * cosines[d + 1] + a * sines[d + 1]);
    }
  }
}

float gelu_tanh_scalar(float x) {
  const __m256 one = gelu_tanh(_mm256_set1_ps(x));
  return _mm256_cvtss_f32(one);
}

}  // namespace

template <typename T>
void residual_norm(const ResidualNorm<T>& pass) {
  at::parallel_for(0, pass.rows, grain(pass.width), [&](int64_t begin, int64_t end) {
    std::vector<float> row(pass.width);
    for (int64_t r = begin; r < end; ++r) residual_norm_row(pass, r, row.data());
  });
}

template <typename T>
void rms_rope(const RmsRope<T>& pass) {
  at::parallel_for(0, pass.rows, grain(pass.width), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) rms_rope_row(pass, r);
  });
}

template <typename T>
void bias_activation(int64_t rows, int64_t width, const float* in, const float* bias, Activation activation, T* out) {
  const int64_t whole = width / kLanes * kLanes;
  at::parallel_for(0, rows, grain(width), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      const float* from = in + r * width;
      T* to = out + r * width;
      for (int64_t i = 0; i < whole; i += kLanes) {
        __m256 value = load(from + i);
        if (bias != nullptr) value = _mm256_add_ps(value, load(bias + i));
        store(to + i, activation == Activation::gelu_tanh ? gelu_tanh(value) : value);
      }
      for (int64_t i = whole; i < width; ++i) {
        const float value = from[i] + (bias == nullptr ? 0.0f : bias[i]);
        to[i] = narrow<T>(activation == Activation::gelu_tanh ? gelu_tanh_scalar(value) : value);
      }
    }
  });
}

template <typename T>
void gelu_tanh_in_place(int64_t n, T* x) {
  at::parallel_for(0, n, kGrainValues, [&](int64_t begin, int64_t end) {
    int64_t i = begin;
    for (; i + kLanes <= end; i += kLanes) store(x + i, gelu_tanh(load(x + i)));
    for (; i < end; ++i) x[i] = narrow<T>(gelu_tanh_scalar(widen(x[i])));
  });
}

template void residual_norm<float>(const ResidualNorm<float>&);
template void residual_norm<Bf16>(const ResidualNorm<Bf16>&);
template void rms_rope<float>(const RmsRope<float>&);
template void rms_rope<Bf16>(const RmsRope<Bf16>&);
template void bias_activation<float>(int64_t, int64_t, const float*, const float*, Activation, float*);
template void bias_activation<Bf16>(int64_t, int64_t, const float*, const float*, Activation, Bf16*);
template void gelu_tanh_in_place<float>(int64_t, float*);
template void gelu_tanh_in_place<Bf16>(int64_t, Bf16*);

}  // namespace rushes::tensor::kernels
