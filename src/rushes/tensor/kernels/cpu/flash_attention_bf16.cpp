#include <ATen/native/CPUBlas.h>

#include "rushes/base/error.h"
#include "rushes/base/instruction_set.h"
#include "rushes/tensor/kernels/cpu/flash_attention.h"
#include "rushes/tensor/kernels/cpu/in_rounds.h"
#include "rushes/tensor/kernels/cpu/micro_gemm.h"
#include "rushes/tensor/kernels/cpu/softmax_avx512.h"
#include "rushes/tensor/ops.h"

namespace rushes::tensor::kernels {
namespace {

using at::native::cpublas::brgemm;

constexpr int64_t kKeyBlock = 512;
constexpr int64_t kQueryBlock = 192;  // its scores, 192 x 512 float32, stay in L2
constexpr int64_t kKeyStep = 16;      // keys of a block are padded to this with zeros, and masked

/// Keys [n][D] as pairs of depth, to[D / 2][width][2]: the right operand of brgemm in its VNNI order.
void pack_keys(const HeadsView<const Bf16>& k, int64_t b, int64_t head, int64_t first, int64_t n, int64_t width,
               int64_t depth, Bf16* to) {
  uint32_t* pairs = reinterpret_cast<uint32_t*>(to);
  for (int64_t key = 0; key < width; ++key) {
    const Bf16* from = key < n ? k.row(b, first + key, head) : nullptr;
    for (int64_t d = 0; d < depth / 2; ++d) {
      uint32_t pair = 0;
      if (from != nullptr) std::memcpy(&pair, from + 2 * d, sizeof pair);
      pairs[d * width + key] = pair;
    }
  }
}

/// Values [n][D] as pairs of keys, to[width / 2][D][2].
void pack_values(const HeadsView<const Bf16>& v, int64_t b, int64_t head, int64_t first, int64_t n, int64_t width,
                 int64_t depth, Bf16* to) {
  const __m128i zero = _mm_setzero_si128();
  for (int64_t key = 0; key < width; key += 2) {
    const Bf16* even = key < n ? v.row(b, first + key, head) : nullptr;
    const Bf16* odd = key + 1 < n ? v.row(b, first + key + 1, head) : nullptr;
    for (int64_t d = 0; d < depth; d += kLanes) {
      const __m128i a = even != nullptr ? _mm_loadu_si128(reinterpret_cast<const __m128i*>(even + d)) : zero;
      const __m128i c = odd != nullptr ? _mm_loadu_si128(reinterpret_cast<const __m128i*>(odd + d)) : zero;
      __m128i* pairs = reinterpret_cast<__m128i*>(to + key * depth + 2 * d);
      _mm_storeu_si128(pairs, _mm_unpacklo_epi16(a, c));
      _mm_storeu_si128(pairs + 1, _mm_unpackhi_epi16(a, c));
    }
  }
}

const at::BFloat16* torch_type(const Bf16* x) { return reinterpret_cast<const at::BFloat16*>(x); }

}  // namespace

bool has_bf16_products() {
  static const bool has = instruction_set() == InstructionSet::avx512_bf16;
  return has;
}

void flash_attention_bf16(const AttentionShape& shape, const HeadsView<const Bf16>& q, const HeadsView<const Bf16>& k,
                          const HeadsView<const Bf16>& v, const HeadsView<Bf16>& out) {
  RUSHES_ASSERT(has_bf16_products());
  const int64_t D = shape.head_size, pairs = shape.batch * shape.heads;
  RUSHES_ASSERT(D % kLanes == 0);
  const int64_t padded_keys = round_up(shape.keys, kKeyStep), key_blocks = (padded_keys + kKeyBlock - 1) / kKeyBlock;

  // All keys and values are packed once, and shared by the blocks of queries.
  const at::TensorOptions storage(at::kBFloat16);
  const at::Tensor packed = at::empty({2, pairs, padded_keys * D}, storage);
  Bf16* packed_keys = reinterpret_cast<Bf16*>(packed.mutable_data_ptr());
  Bf16* packed_values = packed_keys + pairs * padded_keys * D;
  const auto width_of = [&](int64_t block) { return std::min(kKeyBlock, padded_keys - block * kKeyBlock); };
  at::parallel_for(0, pairs * key_blocks, 1, [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) {
      const int64_t pair = task / key_blocks, block = task % key_blocks, first = block * kKeyBlock;
      const int64_t n = std::min(kKeyBlock, shape.keys - first), at = (pair * padded_keys + first) * D;
      pack_keys(k, pair / shape.heads, pair % shape.heads, first, n, width_of(block), D, packed_keys + at);
      pack_values(v, pair / shape.heads, pair % shape.heads, first, n, width_of(block), D, packed_values + at);
    }
  });

  const int64_t query_blocks = (shape.queries + kQueryBlock - 1) / kQueryBlock;
  const float scale = kLog2E / std::sqrt(static_cast<float>(D));
  in_rounds(pairs * query_blocks, 4 * kQueryBlock * shape.keys * D, [&](int64_t begin, int64_t end) {
    std::vector<float> scores(kQueryBlock * kKeyBlock), sums(kQueryBlock * D);
    std::vector<Bf16> powers(kQueryBlock * kKeyBlock);
    std::vector<SoftmaxState> states(kQueryBlock);
    for (int64_t task = begin; task < end; ++task) {
      const int64_t pair = task / query_blocks, b = pair / shape.heads, head = pair % shape.heads;
      const int64_t first = task % query_blocks * kQueryBlock, rows = std::min(kQueryBlock, shape.queries - first);
      std::fill(states.begin(), states.end(), SoftmaxState{-INFINITY, 0.0f});
      for (int64_t block = 0; block < key_blocks; ++block) {
        const int64_t width = width_of(block), at = (pair * padded_keys + block * kKeyBlock) * D;
        const int64_t valid = std::min(width, shape.keys - block * kKeyBlock);
        brgemm(rows, width, D, q.token_stride, width, width, false, torch_type(q.row(b, first, head)),
               torch_type(packed_keys + at), scores.data(), /*is_vnni=*/true);
        for (int64_t row = 0; row < rows; ++row) {
          const float shrink = soften_row_avx512(scores.data() + row * width, valid, width, scale, states[row],
                                                 &powers[row * width].bits);
          if (block > 0 && shrink != 1.0f) scale_row_avx512(sums.data() + row * D, D, shrink);
        }
        brgemm(rows, D, width, width, D, D, /*add_C=*/block > 0, torch_type(powers.data()),
               torch_type(packed_values + at), sums.data(), true);
      }
      for (int64_t row = 0; row < rows; ++row) {
        const __m256 inverse = _mm256_set1_ps(1.0f / states[row].sum);
        Bf16* to = out.row(b, first + row, head);
        for (int64_t d = 0; d < D; d += kLanes) store(to + d, _mm256_mul_ps(load(sums.data() + row * D + d), inverse));
      }
    }
    at::native::cpublas::brgemm_release();
  });
}

}  // namespace rushes::tensor::kernels
