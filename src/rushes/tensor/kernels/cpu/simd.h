// Eight float32 lanes of AVX2 and FMA, the floor of supported CPUs, and their storage as float32 or bfloat16.
#pragma once
#include <immintrin.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <initializer_list>

namespace rushes::tensor::kernels {

/// Storage of a bfloat16 value; arithmetic is in float32.
struct Bf16 {
  uint16_t bits;
};

inline constexpr int64_t kLanes = 8;
inline constexpr float kLog2E = 1.4426950408889634f;  // e^x = 2^(x kLog2E)

inline float widen(float x) { return x; }
inline float widen(Bf16 x) {
  const uint32_t bits = static_cast<uint32_t>(x.bits) << 16;
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

template <typename T>
T narrow(float x);
template <>
inline float narrow<float>(float x) {
  return x;
}
template <>
inline Bf16 narrow<Bf16>(float x) {  // to nearest, ties to even
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  return {static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16)};
}

inline __m256 load(const float* from) { return _mm256_loadu_ps(from); }
inline __m256 load(const Bf16* from) {
  const __m128i half = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(half), 16));
}

inline void store(float* to, __m256 x) { _mm256_storeu_ps(to, x); }
inline void store(Bf16* to, __m256 x) {
  const __m256i bits = _mm256_castps_si256(x);
  const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  const __m256i rounded =
      _mm256_srli_epi32(_mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7fff)), odd), 16);
  const __m256i packed = _mm256_permute4x64_epi64(_mm256_packus_epi32(rounded, rounded), 0b1000);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm256_castsi256_si128(packed));
}

/// Of `count` values, kLanes at most: the last, incomplete vector of a row goes through the same arithmetic as the
/// whole ones.
template <typename T>
inline __m256 load_some(const T* from, int64_t count) {
  if (count >= kLanes) return load(from);
  float values[kLanes] = {};
  for (int64_t i = 0; i < count; ++i) values[i] = widen(from[i]);
  return _mm256_loadu_ps(values);
}

template <typename T>
inline void store_some(T* to, int64_t count, __m256 value) {
  if (count >= kLanes) return store(to, value);
  float values[kLanes];
  _mm256_storeu_ps(values, value);
  for (int64_t i = 0; i < count; ++i) to[i] = narrow<T>(values[i]);
}

inline float sum_lanes(__m256 x) {
  __m128 half = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  half = _mm_add_ps(half, _mm_movehl_ps(half, half));
  return _mm_cvtss_f32(_mm_add_ss(half, _mm_movehdup_ps(half)));
}

inline float max_lanes(__m256 x) {
  __m128 half = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  half = _mm_max_ps(half, _mm_movehl_ps(half, half));
  return _mm_cvtss_f32(_mm_max_ss(half, _mm_movehdup_ps(half)));
}

/// 2^x to 2e-7, for x <= 127; 0 (to 1e-38) for x below -126, minus infinity included.
/// Polynomial of degree 6 on [-1/2, 1/2] from Cephes, exp2f.
inline __m256 exp2(__m256 x) {
  x = _mm256_max_ps(x, _mm256_set1_ps(-126.99f));
  const __m256 whole = _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  const __m256 rest = _mm256_sub_ps(x, whole);
  __m256 power = _mm256_set1_ps(1.535336188319500e-4f);
  for (const float coefficient : {1.339887440266574e-3f, 9.618437357674640e-3f, 5.550332471162809e-2f,
                                  2.402264791363012e-1f, 6.931472028550421e-1f, 1.0f})
    power = _mm256_fmadd_ps(power, rest, _mm256_set1_ps(coefficient));
  const __m256i exponent = _mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(whole), _mm256_set1_epi32(127)), 23);
  return _mm256_mul_ps(power, _mm256_castsi256_ps(exponent));
}

/// x * sigmoid(2 u), u = sqrt(2 / pi) (x + 0.044715 x^3): gelu in its tanh form, (1 + tanh u) / 2 = sigmoid(2 u).
inline __m256 gelu_tanh(__m256 x) {
  constexpr float kSlope = 2 * 0.7978845608028654f * kLog2E;  // 2 sqrt(2 / pi) log2(e)
  const __m256 cubic = _mm256_fmadd_ps(_mm256_mul_ps(x, x), _mm256_set1_ps(0.044715f), _mm256_set1_ps(1.0f));
  const __m256 u = _mm256_mul_ps(_mm256_mul_ps(x, cubic), _mm256_set1_ps(-kSlope));
  const __m256 e = exp2(_mm256_min_ps(u, _mm256_set1_ps(126.0f)));
  return _mm256_div_ps(x, _mm256_add_ps(e, _mm256_set1_ps(1.0f)));
}

}  // namespace rushes::tensor::kernels
