// The softmax between the two products of bfloat16 flash attention, 16 lanes wide. No libtorch here: the file is
// compiled for AVX-512 and called only where has_bf16_products().
#pragma once
#include <cstdint>

namespace rushes::tensor::kernels {

/// Running maximum (of scores * scale) and sum of powers of one query.
struct SoftmaxState {
  float max, sum;
};

/// p_i = 2^(scale * scores_i - max') as bfloat16, for `count` (a multiple of 16) scores of which those from `valid` on
/// count as minus infinity; max' is the larger of state.max and the row's own. Updates the state and returns
/// 2^(max - max'), by which earlier sums of values shrink. Start with {-infinity, 0}.
float soften_row_avx512(const float* scores, int64_t valid, int64_t count, float scale, SoftmaxState& state,
                        uint16_t* p);

/// values[i] *= factor, i in 0..count - 1, count a multiple of 8.
void scale_row_avx512(float* values, int64_t count, float factor);

}  // namespace rushes::tensor::kernels
