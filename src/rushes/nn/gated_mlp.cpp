#include "rushes/nn/gated_mlp.h"

#include "rushes/base/interruption.h"
#include "rushes/nn/few_rows.h"

namespace rushes::nn {
namespace {

template <typename T>
const T* values(const at::Tensor& x) {
  return reinterpret_cast<const T*>(x.const_data_ptr());
}

}  // namespace

Linear linear(const tensor::WeightMap& weights, const std::string& key, int64_t out, int64_t in, Bias bias) {
  if (bias == Bias::given) return {weights, key, out, in};
  return {weights.at(key + ".weight", {out, in}), at::Tensor()};
}

GatedMlp::GatedMlp(const tensor::WeightMap& weights, int64_t C, int64_t width, Bias bias)
    : gate_(linear(weights, "gate_proj", width, C, bias)),
      up_(linear(weights, "up_proj", width, C, bias)),
      down_(linear(weights, "down_proj", C, width, bias)) {}

at::Tensor GatedMlp::operator()(const at::Tensor& x) const {
  namespace kernels = tensor::kernels;
  if (are_few_rows(x, gate_.weight()) && are_few_rows(x, up_.weight())) {
    base::interruption_point();
    const at::Tensor rows = x.contiguous(), inner = output_of(x, gate_.weight().size(0));
    by_storage(x, [&]<typename T>(T) {
      kernels::few_rows_gated<T>(rows_of(x), x.size(-1), values<T>(rows), few_rows_layer<T>(gate_, inner),
                                 few_rows_layer<T>(up_, {}));
    });
    return down_(inner);
  }
  const at::Tensor gate = gate_(x), up = up_(x);
  if (!kernels_take_rows(x, gate_.weight()) || !gate.is_contiguous() || !up.is_contiguous())
    return down_(at::silu(gate) * up);
  by_storage(x, [&]<typename T>(T) {
    kernels::silu_product<T>(gate.numel(), values<T>(gate), values<T>(up),
                             reinterpret_cast<T*>(gate.mutable_data_ptr()));
  });
  return down_(gate);
}

}  // namespace rushes::nn
