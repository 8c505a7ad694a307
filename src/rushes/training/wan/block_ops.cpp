#include "rushes/training/wan/block_ops.h"

#include <torch/csrc/autograd/custom_function.h>

#include <cmath>

#include "rushes/base/error.h"
#include "rushes/tensor/ops.h"
#include "rushes/training/row_access.h"

namespace rushes::training {
namespace {

namespace k = tensor::kernels;
using rows::read;
using rows::splat;
using rows::with_storage;
using rows::write;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

__m256 swap_pairs(__m256 x) { return _mm256_permute_ps(x, 0b10110001); }
void accumulate(float* to, __m256 x) { k::store(to, _mm256_add_ps(k::load(to), x)); }

struct NormModulate : torch::autograd::Function<NormModulate> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& shift,
                            const at::Tensor& scale, bool plus_one, double eps, at::ScalarType dtype) {
    const int64_t C = x.size(-1), rows = x.numel() / C, per_group = rows / (shift.numel() / C);
    const at::Tensor in = x.contiguous(), add = shift.contiguous(), times = scale.contiguous();
    const at::Tensor out = at::empty(x.sizes(), x.options().dtype(dtype)), stats = at::empty({rows, 2}, x.options());
    const float one = plus_one ? 1 : 0;
    with_storage(dtype, [&]<typename T>(T) {
      const float* const source_data = read<float>(in);
      float* const stats_data = write<float>(stats);
      T* const result_data = write<T>(out);
      const float* const times_data = read<float>(times);
      const float* const add_data = read<float>(add);
      for (int64_t row = 0; row < rows; ++row) {
        const float* from = source_data + row * C;
        __m256 sum = splat(0), square = splat(0);
        for (int64_t i = 0; i < C; i += 8) {
          const __m256 v = k::load(from + i);
          sum = _mm256_add_ps(sum, v);
          square = _mm256_fmadd_ps(v, v, square);
        }
        const float mean = k::sum_lanes(sum) / static_cast<float>(C);
        const float variance = std::max(0.0f, k::sum_lanes(square) / static_cast<float>(C) - mean * mean);
        const float inverse = 1 / std::sqrt(variance + static_cast<float>(eps));
        stats_data[2 * row] = mean;
        stats_data[2 * row + 1] = inverse;
        const int64_t group = row / per_group * C;
        T* to = result_data + row * C;
        for (int64_t i = 0; i < C; i += 8) {
          const __m256 normal = _mm256_mul_ps(_mm256_sub_ps(k::load(from + i), splat(mean)), splat(inverse));
          const __m256 s = _mm256_add_ps(k::load(times_data + group + i), splat(one));
          k::store(to + i, _mm256_fmadd_ps(normal, s, k::load(add_data + group + i)));
        }
      }
    });
    context->save_for_backward({in, times, stats});
    context->saved_data["one"] = static_cast<double>(one);
    context->saved_data["shape"] = shift.sizes().vec();
    return out;
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const at::Tensor &in = saved[0], &times = saved[1], &stats = saved[2], g = gradients[0].contiguous();
    const auto one = static_cast<float>(context->saved_data["one"].toDouble());
    const auto shape = context->saved_data["shape"].toIntVector();
    const at::Tensor dx = at::empty_like(in), dshift = at::zeros(shape, in.options()), dscale = at::zeros_like(dshift);
    const int64_t C = in.size(-1), rows = in.numel() / C, per_group = rows / (dshift.numel() / C);
    with_storage(g.scalar_type(), [&]<typename T>(T) {
      const float* const source_data = read<float>(in);
      const T* const g_data = read<T>(g);
      const float* const stats_data = read<float>(stats);
      const float* const times_data = read<float>(times);
      float* const dshift_data = write<float>(dshift);
      float* const dscale_data = write<float>(dscale);
      float* const dx_data = write<float>(dx);
      for (int64_t row = 0; row < rows; ++row) {
        const float* from = source_data + row * C;
        const T* gradient = g_data + row * C;
        const int64_t group = row / per_group * C;
        const __m256 mean = splat(stats_data[2 * row]), inverse = splat(stats_data[2 * row + 1]);
        const auto normal = [&](int64_t i) { return _mm256_mul_ps(_mm256_sub_ps(k::load(from + i), mean), inverse); };
        const auto scaled = [&](int64_t i) {
          return _mm256_mul_ps(k::load(gradient + i), _mm256_add_ps(k::load(times_data + group + i), splat(one)));
        };
        __m256 sum = splat(0), dot = splat(0);
        for (int64_t i = 0; i < C; i += 8) {
          const __m256 n = normal(i), s = scaled(i), raw = k::load(gradient + i);
          sum = _mm256_add_ps(sum, s);
          dot = _mm256_fmadd_ps(s, n, dot);
          accumulate(dshift_data + group + i, raw);
          accumulate(dscale_data + group + i, _mm256_mul_ps(raw, n));
        }
        const __m256 average = splat(k::sum_lanes(sum) / static_cast<float>(C));
        const __m256 along = splat(k::sum_lanes(dot) / static_cast<float>(C));
        float* to = dx_data + row * C;
        for (int64_t i = 0; i < C; i += 8) {
          const __m256 rest = _mm256_fnmadd_ps(normal(i), along, _mm256_sub_ps(scaled(i), average));
          k::store(to + i, _mm256_mul_ps(inverse, rest));
        }
      }
    });
    return {dx, dshift, dscale, {}, {}, {}};
  }
};

struct AddGated : torch::autograd::Function<AddGated> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& y,
                            const at::Tensor& gate) {
    const int64_t C = x.size(-1), rows = x.numel() / C, per_group = rows / (gate.numel() / C);
    const at::Tensor in = x.contiguous(), other = y.contiguous(), times = gate.contiguous();
    const at::Tensor out = at::empty(x.sizes(), x.options());
    with_storage(y.scalar_type(), [&]<typename T>(T) {
      const float* const source_data = read<float>(in);
      const float* const times_data = read<float>(times);
      const T* const other_data = read<T>(other);
      float* const result_data = write<float>(out);
      for (int64_t row = 0; row < rows; ++row) {
        const float *from = source_data + row * C, *factor = times_data + row / per_group * C;
        const T* what = other_data + row * C;
        float* to = result_data + row * C;
        for (int64_t i = 0; i < C; i += 8)
          k::store(to + i, _mm256_fmadd_ps(k::load(what + i), k::load(factor + i), k::load(from + i)));
      }
    });
    context->save_for_backward({other, times});
    return out;
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const at::Tensor &other = saved[0], &times = saved[1], g = gradients[0].contiguous();
    const at::Tensor dy = at::empty_like(other), dgate = at::zeros_like(times);
    const int64_t C = g.size(-1), rows = g.numel() / C, per_group = rows / (times.numel() / C);
    with_storage(other.scalar_type(), [&]<typename T>(T) {
      const float* const g_data = read<float>(g);
      const float* const times_data = read<float>(times);
      const T* const other_data = read<T>(other);
      T* const dy_data = write<T>(dy);
      float* const dgate_data = write<float>(dgate);
      for (int64_t row = 0; row < rows; ++row) {
        const int64_t group = row / per_group * C;
        const float *gradient = g_data + row * C, *factor = times_data + group;
        const T* what = other_data + row * C;
        T* to = dy_data + row * C;
        for (int64_t i = 0; i < C; i += 8) {
          const __m256 here = k::load(gradient + i);
          k::store(to + i, _mm256_mul_ps(here, k::load(factor + i)));
          accumulate(dgate_data + group + i, _mm256_mul_ps(here, k::load(what + i)));
        }
      }
    });
    return {g, dy, dgate};
  }
};

// d gelu / dx = s + x s (1 - s) 2 u', with s = sigmoid(2 u), u = sqrt(2 / pi) (x + 0.044715 x^3).
__m256 gelu_slope(__m256 x) {
  constexpr float kTwice = 2 * 0.7978845608028654f;
  const __m256 square = _mm256_mul_ps(x, x);
  const __m256 cubic = _mm256_fmadd_ps(square, splat(0.044715f), splat(1.0f));
  const __m256 e =
      k::exp2(_mm256_min_ps(_mm256_mul_ps(_mm256_mul_ps(x, cubic), splat(-kTwice * k::kLog2E)), splat(126.0f)));
  const __m256 s = _mm256_div_ps(splat(1.0f), _mm256_add_ps(e, splat(1.0f)));
  const __m256 inner = _mm256_mul_ps(_mm256_fmadd_ps(square, splat(3 * 0.044715f), splat(1.0f)), splat(kTwice));
  return _mm256_fmadd_ps(_mm256_mul_ps(_mm256_mul_ps(x, s), _mm256_sub_ps(splat(1.0f), s)), inner, s);
}

struct Gelu : torch::autograd::Function<Gelu> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x) {
    const at::Tensor in = x.contiguous(), out = at::empty_like(in);
    with_storage(x.scalar_type(), [&]<typename T>(T) {
      T* const result_data = write<T>(out);
      const T* const source_data = read<T>(in);
      for (int64_t i = 0; i < in.numel(); i += 8) k::store(result_data + i, k::gelu_tanh(k::load(source_data + i)));
    });
    context->save_for_backward({in});
    return out;
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const at::Tensor in = context->get_saved_variables()[0], g = gradients[0].contiguous(), dx = at::empty_like(in);
    with_storage(in.scalar_type(), [&]<typename T>(T) {
      T* const dx_data = write<T>(dx);
      const T* const g_data = read<T>(g);
      const T* const source_data = read<T>(in);
      for (int64_t i = 0; i < in.numel(); i += 8)
        k::store(dx_data + i, _mm256_mul_ps(k::load(g_data + i), gelu_slope(k::load(source_data + i))));
    });
    return {dx};
  }
};

// One section of one row, between its place among the sections [C] and its place among the heads [N, D] of stride L D.
struct SplitHeads : torch::autograd::Function<SplitHeads> {
  static variable_list forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& norm_a,
                               const at::Tensor& norm_b, const at::Tensor& cosine, const at::Tensor& sine,
                               std::vector<int64_t> layout, double eps) {
    const int64_t B = x.size(0), L = x.size(1), S = layout[0], N = layout[1], C = x.size(2) / S, D = C / N;
    const at::Tensor in = x.contiguous(), inverses = at::empty({B, L, S}, norm_a.options());
    variable_list out;
    for (int64_t s = 0; s < S; ++s) out.push_back(at::empty({B, N, L, D}, x.options()));
    std::vector<float> row(static_cast<std::size_t>(C));
    with_storage(x.scalar_type(), [&]<typename T>(T) {
      const T* const source_data = read<T>(in);
      float* const inverses_data = write<float>(inverses);
      const float* const cosine_data = read<float>(cosine);
      const float* const sine_data = read<float>(sine);
      for (int64_t at = 0; at < B * L * S; ++at) {
        const int64_t s = at % S, l = at / S % L, b = at / S / L;
        const T* from = source_data + at * C;
        const bool normed = s < layout[2];
        const float* norm = read<float>(s == 0 ? norm_a : norm_b);
        __m256 square = splat(0);
        if (normed)
          for (int64_t i = 0; i < C; i += 8) square = _mm256_fmadd_ps(k::load(from + i), k::load(from + i), square);
        const float inverse =
            normed ? 1 / std::sqrt(k::sum_lanes(square) / static_cast<float>(C) + static_cast<float>(eps)) : 1;
        inverses_data[at] = inverse;
        T* to = write<T>(out[static_cast<std::size_t>(s)]) + (b * N * L + l) * D;
        for (int64_t n = 0; n < N; ++n, to += L * D)
          for (int64_t d = 0; d < D; d += 8) {
            const int64_t i = n * D + d;
            __m256 v = k::load(from + i);
            if (normed) {
              v = _mm256_mul_ps(_mm256_mul_ps(v, splat(inverse)), k::load(norm + i));
              if (layout[3])
                v = _mm256_fmadd_ps(v, k::load(cosine_data + l * D + d),
                                    _mm256_mul_ps(swap_pairs(v), k::load(sine_data + l * D + d)));
            }
            k::store(to + d, v);
          }
      }
    });
    context->save_for_backward({in, norm_a, norm_b, cosine, sine, inverses});
    context->saved_data["layout"] = layout;
    return out;
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const at::Tensor &in = saved[0], &cosine = saved[3], &sine = saved[4], &inverses = saved[5];
    const auto layout = context->saved_data["layout"].toIntVector();
    const int64_t B = in.size(0), L = in.size(1), S = layout[0], N = layout[1], C = in.size(2) / S, D = C / N;
    for (at::Tensor& g : gradients) g = g.contiguous();
    const at::Tensor dx = at::empty_like(in);
    const std::array<at::Tensor, 2> dnorm{at::zeros_like(saved[1]), at::zeros_like(saved[2])};
    std::vector<float> buffer(static_cast<std::size_t>(C));
    float* row = buffer.data();
    with_storage(in.scalar_type(), [&]<typename T>(T) {
      const T* const source_data = read<T>(in);
      T* const dx_data = write<T>(dx);
      const float* const inverses_data = read<float>(inverses);
      const float* const sine_data = read<float>(sine);
      const float* const cosine_data = read<float>(cosine);
      for (int64_t at = 0; at < B * L * S; ++at) {
        const int64_t s = at % S, l = at / S % L, b = at / S / L;
        const T *from = source_data + at * C,
                *g = read<T>(gradients[static_cast<std::size_t>(s)]) + (b * N * L + l) * D;
        T* to = dx_data + at * C;
        const bool normed = s < layout[2];
        const __m256 inverse = splat(inverses_data[at]);
        const float* norm = normed ? read<float>(saved[static_cast<std::size_t>(1 + s)]) : nullptr;
        float* dn = normed ? write<float>(dnorm[static_cast<std::size_t>(s)]) : nullptr;
        __m256 dot = splat(0);
        for (int64_t n = 0; n < N; ++n, g += L * D)
          for (int64_t d = 0; d < D; d += 8) {
            const int64_t i = n * D + d;
            __m256 v = k::load(g + d);
            if (!normed) {
              k::store(to + i, v);
              continue;
            }
            if (layout[3])  // the transpose of the turn
              v = _mm256_fnmadd_ps(swap_pairs(v), k::load(sine_data + l * D + d),
                                   _mm256_mul_ps(v, k::load(cosine_data + l * D + d)));
            const __m256 normal = _mm256_mul_ps(k::load(from + i), inverse);
            accumulate(dn + i, _mm256_mul_ps(v, normal));
            v = _mm256_mul_ps(v, k::load(norm + i));
            dot = _mm256_fmadd_ps(v, normal, dot);
            k::store(row + i, v);
          }
        if (!normed) continue;
        const __m256 along = splat(k::sum_lanes(dot) / static_cast<float>(C));
        for (int64_t i = 0; i < C; i += 8) {
          const __m256 normal = _mm256_mul_ps(k::load(from + i), inverse);
          k::store(to + i, _mm256_mul_ps(inverse, _mm256_fnmadd_ps(normal, along, k::load(row + i))));
        }
      }
    });
    return {dx, dnorm[0], dnorm[1], {}, {}, {}, {}};
  }
};

}  // namespace

at::Tensor norm_modulate(const at::Tensor& x, const at::Tensor& shift, const at::Tensor& scale, bool plus_one,
                         double eps, at::ScalarType dtype) {
  RUSHES_ASSERT(x.size(-1) % 8 == 0 && x.scalar_type() == at::kFloat);
  return NormModulate::apply(x, shift, scale, plus_one, eps, dtype);
}

at::Tensor add_gated_rows(const at::Tensor& x, const at::Tensor& y, const at::Tensor& gate) {
  RUSHES_ASSERT(x.sizes() == y.sizes() && x.size(-1) % 8 == 0);
  return AddGated::apply(x, y, gate);
}

at::Tensor gelu_rows(const at::Tensor& x) {
  RUSHES_ASSERT(x.numel() % 8 == 0);
  return Gelu::apply(x);
}

Rotary rotary(const at::Tensor& table) {
  const at::NoGradGuard no_grad;
  const at::Tensor parts = at::view_as_real(table).to(at::kFloat);  // [L, D / 2, 2]
  const at::Tensor cosine = parts.select(2, 0), sine = parts.select(2, 1);
  return {at::stack({cosine, cosine}, 2).flatten(1).contiguous(), at::stack({-sine, sine}, 2).flatten(1).contiguous()};
}

std::vector<at::Tensor> split_heads(const at::Tensor& x, const std::vector<at::Tensor>& norms, const Rotary& rotary,
                                    int64_t sections, int64_t heads, double eps) {
  RUSHES_ASSERT(!norms.empty() && norms.size() <= 2 && x.size(-1) % (8 * sections * heads) == 0);
  const bool turns = rotary.cosine.defined();
  const at::Tensor none = at::zeros({8}, at::kFloat);
  return SplitHeads::apply(x, norms.front(), norms.back(), turns ? rotary.cosine : none, turns ? rotary.sine : none,
                           std::vector<int64_t>{sections, heads, std::ssize(norms), turns ? 1 : 0}, eps);
}

}  // namespace rushes::training
