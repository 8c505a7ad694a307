#include "rushes/training/wan/sight_attention.h"

#include <torch/csrc/autograd/custom_function.h>

#include <cmath>
#include <limits>

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

// Rows of scores in float32, padded to whole vectors.
class Row {
 public:
  explicit Row(int64_t size) : size_(size), values_(static_cast<std::size_t>((size + 7) / 8 * 8)) {}
  float* data() { return values_.data(); }
  int64_t padded() const { return std::ssize(values_); }

  template <typename T>
  void load(const T* from, float padding) {
    const int64_t whole = size_ / 8 * 8;
    for (int64_t i = 0; i < whole; i += 8) k::store(data() + i, k::load(from + i));
    for (int64_t i = whole; i < padded(); ++i) data()[i] = i < size_ ? k::widen(from[i]) : padding;
  }
  template <typename T>
  void store(T* to) {
    const int64_t whole = size_ / 8 * 8;
    for (int64_t i = 0; i < whole; i += 8) k::store(to + i, k::load(data() + i));
    for (int64_t i = whole; i < size_; ++i) to[i] = k::narrow<T>(data()[i]);
  }

 private:
  int64_t size_;
  std::vector<float> values_;
};

// softmax(scale * scores) in place, along the last axis.
void softmax_rows(const at::Tensor& scores, float scale) {
  const int64_t M = scores.size(-1), rows = scores.numel() / M;
  Row row(M);
  with_storage(scores.scalar_type(), [&]<typename T>(T) {
    T* const scores_data = write<T>(scores);
    for (int64_t r = 0; r < rows; ++r) {
      T* at = scores_data + r * M;
      row.load(at, -std::numeric_limits<float>::infinity());
      __m256 high = splat(-std::numeric_limits<float>::infinity()), sum = splat(0);
      for (int64_t i = 0; i < row.padded(); i += 8) high = _mm256_max_ps(high, k::load(row.data() + i));
      const __m256 factor = splat(scale * k::kLog2E), offset = splat(-k::max_lanes(high) * scale * k::kLog2E);
      for (int64_t i = 0; i < row.padded(); i += 8) {
        const __m256 e = k::exp2(_mm256_fmadd_ps(k::load(row.data() + i), factor, offset));
        sum = _mm256_add_ps(sum, e);
        k::store(row.data() + i, e);
      }
      const __m256 inverse = splat(1 / k::sum_lanes(sum));
      for (int64_t i = 0; i < row.padded(); i += 8)
        k::store(row.data() + i, _mm256_mul_ps(k::load(row.data() + i), inverse));
      row.store(at);
    }
  });
}

// d scores from d weights, in place: weights (d - sum(d weights)) scale.
void softmax_rows_backward(const at::Tensor& gradient, const at::Tensor& weights, float scale) {
  const int64_t M = weights.size(-1), rows = weights.numel() / M;
  Row g(M), w(M);
  with_storage(weights.scalar_type(), [&]<typename T>(T) {
    T* const gradient_data = write<T>(gradient);
    const T* const weights_data = read<T>(weights);
    for (int64_t r = 0; r < rows; ++r) {
      T* at = gradient_data + r * M;
      g.load(at, 0);
      w.load(weights_data + r * M, 0);
      __m256 dot = splat(0);
      for (int64_t i = 0; i < g.padded(); i += 8)
        dot = _mm256_fmadd_ps(k::load(g.data() + i), k::load(w.data() + i), dot);
      const __m256 along = splat(k::sum_lanes(dot));
      for (int64_t i = 0; i < g.padded(); i += 8)
        k::store(g.data() + i, _mm256_mul_ps(_mm256_mul_ps(k::load(w.data() + i), splat(scale)),
                                             _mm256_sub_ps(k::load(g.data() + i), along)));
      g.store(at);
    }
  });
}

std::vector<int64_t> flattened(const std::vector<Sight>& sights) {
  std::vector<int64_t> flat;
  for (const Sight& sight : sights) {
    flat.insert(flat.end(), {sight.first, sight.count, std::ssize(sight.keys)});
    for (const auto& [first, count] : sight.keys) flat.insert(flat.end(), {first, count});
  }
  return flat;
}

std::vector<Sight> unflattened(const std::vector<int64_t>& flat) {
  std::vector<Sight> sights;
  for (std::size_t i = 0; i < flat.size();) {
    Sight sight{flat[i], flat[i + 1], {}};
    const auto keys = static_cast<std::size_t>(flat[i + 2]);
    i += 3;
    for (std::size_t j = 0; j < keys; ++j, i += 2) sight.keys.emplace_back(flat[i], flat[i + 1]);
    sights.push_back(std::move(sight));
  }
  return sights;
}

// x [BN, M, D]: the rows that a sight takes in.
at::Tensor seen(const at::Tensor& x, const Sight& sight) {
  std::vector<at::Tensor> parts;
  for (const auto& [first, count] : sight.keys) parts.push_back(x.narrow(1, first, count));
  return parts.size() == 1 ? parts.front() : at::cat(parts, 1);
}

void add_seen(const at::Tensor& to, const at::Tensor& x, const Sight& sight) {
  int64_t begin = 0;
  for (const auto& [first, count] : sight.keys) {
    to.narrow(1, first, count).add_(x.narrow(1, begin, count));
    begin += count;
  }
}

struct AttendInSight : torch::autograd::Function<AttendInSight> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                            std::vector<int64_t> flat) {
    const int64_t B = q.size(0), N = q.size(1), L = q.size(2), D = q.size(3);
    const at::Tensor Q = q.reshape({B * N, L, D}), K = k.reshape({B * N, -1, D}), V = v.reshape({B * N, -1, D});
    const at::Tensor out = at::empty({B, L, N, D}, q.options());
    variable_list saved{Q, K, V};
    for (const Sight& sight : unflattened(flat)) {
      const at::Tensor weights = at::bmm(Q.narrow(1, sight.first, sight.count), seen(K, sight).transpose(1, 2));
      softmax_rows(weights, 1 / std::sqrt(static_cast<float>(D)));
      out.narrow(1, sight.first, sight.count)
          .copy_(at::bmm(weights, seen(V, sight)).view({B, N, sight.count, D}).transpose(1, 2));
      saved.push_back(weights);
    }
    context->save_for_backward(saved);
    context->saved_data["sights"] = flat;
    context->saved_data["heads"] = N;
    return out.view({B, L, N * D});
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const at::Tensor &Q = saved[0], &K = saved[1], &V = saved[2];
    const int64_t N = context->saved_data["heads"].toInt(), B = Q.size(0) / N, L = Q.size(1), D = Q.size(2);
    const at::Tensor g = gradients[0].view({B, L, N, D}).transpose(1, 2).contiguous().view({B * N, L, D});
    const at::Tensor dq = at::empty_like(Q), dk = at::zeros_like(K), dv = at::zeros_like(V);
    std::size_t index = 3;
    for (const Sight& sight : unflattened(context->saved_data["sights"].toIntVector())) {
      const at::Tensor& weights = saved[index++];
      const at::Tensor own = g.narrow(1, sight.first, sight.count), keys = seen(K, sight);
      add_seen(dv, at::bmm(weights.transpose(1, 2), own), sight);
      const at::Tensor scores = at::bmm(own, seen(V, sight).transpose(1, 2));
      softmax_rows_backward(scores, weights, 1 / std::sqrt(static_cast<float>(D)));
      dq.narrow(1, sight.first, sight.count).copy_(at::bmm(scores, keys));
      add_seen(dk, at::bmm(scores.transpose(1, 2), Q.narrow(1, sight.first, sight.count)), sight);
    }
    return {dq.view({B, N, L, D}), dk.view({B, N, -1, D}), dv.view({B, N, -1, D}), {}};
  }
};

}  // namespace

at::Tensor attend_in_sight(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                           const std::vector<Sight>& sights) {
  return AttendInSight::apply(q, k, v, flattened(sights));
}

}  // namespace rushes::training
