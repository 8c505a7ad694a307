#include "rushes/nn/linear.h"

#include "rushes/base/error.h"
#include "rushes/base/interruption.h"
#include "rushes/nn/few_rows.h"
#include "rushes/nn/stock_operators.h"
#include "rushes/tensor/kernels/cpu/flash_attention.h"
#include "rushes/tensor/kernels/cpu/linear_rows.h"
#include "rushes/tensor/kernels/cpu/narrow_linear.h"
#include "rushes/tensor/kernels/cpu/transformer_kernels.h"
#include "rushes/tensor/ops.h"

namespace rushes::nn {
namespace {

namespace kernels = tensor::kernels;

bool wants_gradients(const at::Tensor& x, const at::Tensor& weight) {
  return at::GradMode::is_enabled() && (x.requires_grad() || weight.requires_grad());
}

/// The weight is widened anew in each call: that costs one product per row of x, and saves twice its memory.
at::Tensor bfloat16_by_float32(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                               kernels::Activation activation) {
  const at::Tensor rows = x.reshape({-1, x.size(-1)}).to(at::kFloat);
  const at::Tensor wide = at::mm(rows, weight.to(at::kFloat).t());
  std::vector<int64_t> shape = x.sizes().vec();
  shape.back() = weight.size(0);
  const at::Tensor out = at::empty(shape, x.options());
  const at::Tensor wide_bias = bias.defined() ? bias.to(at::kFloat) : bias;
  kernels::bias_activation(wide.size(0), wide.size(1), wide.const_data_ptr<float>(),
                           bias.defined() ? wide_bias.const_data_ptr<float>() : nullptr, activation,
                           reinterpret_cast<kernels::Bf16*>(out.mutable_data_ptr()));
  return out;
}

/// Undefined where general products are as fast.
at::Tensor by_rows(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, bool gelu) {
  if (!kernels_take_rows(x, weight) || (bias.defined() && !bias.is_contiguous())) return {};
  return by_storage(x, [&]<typename T>(T) -> at::Tensor {
    if (!kernels::linear_rows_gains<T>(rows_of(x), weight.size(0), weight.size(1))) return {};
    const auto values = [](const at::Tensor& t) { return reinterpret_cast<const T*>(t.const_data_ptr()); };
    const at::Tensor rows = x.contiguous();
    at::Tensor out = output_of(x, weight.size(0));
    kernels::linear_rows<T>({.rows = rows_of(x),
                             .columns = weight.size(0),
                             .depth = weight.size(1),
                             .x = values(rows),
                             .weight = values(weight),
                             .bias = bias.defined() ? values(bias) : nullptr,
                             .gelu = gelu,
                             .out = reinterpret_cast<T*>(out.mutable_data_ptr())});
    return out;
  });
}

}  // namespace

Linear::Linear(const tensor::WeightMap& weights, const std::string& key, int64_t out, int64_t in)
    : weight_(weights.at(key + ".weight", {out, in})), bias_(weights.at(key + ".bias", {out})) {
  if (!weights.trainable()) pack();
}

void Linear::pack() {
  const int64_t out = weight_.size(0), in = weight_.size(1);
  if (!weight_.is_cpu() || weight_.scalar_type() != at::kFloat || !is_narrow(out, in)) return;
  const at::Tensor weight = weight_.detach().contiguous();
  bias_ = bias_.detach().contiguous();
  packed_ = at::empty({kernels::packed_narrow_size(out, in)}, weight.options());
  kernels::pack_narrow(weight.const_data_ptr<float>(), out, in, packed_.mutable_data_ptr<float>());
}

Linear Linear::fused(const std::vector<Linear>& layers) {
  std::vector<at::Tensor> weights, biases;
  for (const Linear& layer : layers) {
    weights.push_back(layer.weight_);
    biases.push_back(layer.bias_);
  }
  Linear all(at::cat(weights, 0), at::cat(biases, 0));
  if (layers.front().packed_.defined()) all.pack();
  return all;
}

at::Tensor Linear::operator()(const at::Tensor& x, Activation activation) const {
  base::interruption_point();
  const bool gelu = activation == Activation::gelu_tanh;
  if (wants_gradients(x, weight_) || !x.is_cpu()) {
    const at::Tensor y = at::linear(x, weight_, bias_);
    return gelu ? at::gelu(y, "tanh") : y;
  }
  if (packed_.defined() && x.scalar_type() == at::kFloat && !StockOperators::wanted()) {
    RUSHES_ASSERT(x.size(-1) == weight_.size(1));
    const at::Tensor rows = x.contiguous();
    std::vector<int64_t> shape = x.sizes().vec();
    shape.back() = weight_.size(0);
    const at::Tensor out = at::empty(shape, x.options());
    kernels::narrow_linear({.rows = rows.numel() / weight_.size(1),
                            .columns = weight_.size(0),
                            .depth = weight_.size(1),
                            .x = rows.const_data_ptr<float>(),
                            .packed = packed_.const_data_ptr<float>(),
                            .bias = bias_.const_data_ptr<float>(),
                            .gelu = gelu,
                            .out = out.mutable_data_ptr<float>()});
    return out;
  }
  if (x.scalar_type() == at::kBFloat16 && are_few_rows(x, weight_)) {
    const at::Tensor rows = x.contiguous(), out = output_of(x, weight_.size(0));
    const kernels::FewRowsLayer<kernels::Bf16> layer = few_rows_layer<kernels::Bf16>(*this, out);
    kernels::few_rows_linear<kernels::Bf16>(rows_of(x), x.size(-1),
                                            reinterpret_cast<const kernels::Bf16*>(rows.const_data_ptr()), {&layer, 1});
    if (gelu) kernels::gelu_tanh_in_place(out.numel(), layer.out);
    return out;
  }
  if (at::Tensor out = by_rows(x, weight_, bias_, gelu); out.defined()) return out;
  if (x.scalar_type() == at::kBFloat16 && !kernels::has_bf16_products() && !StockOperators::wanted())
    return bfloat16_by_float32(x, weight_, bias_, gelu ? kernels::Activation::gelu_tanh : kernels::Activation::none);
  const at::Tensor y = at::linear(x, weight_, bias_);
  if (!gelu) return y;
  if (y.scalar_type() == at::kFloat)
    kernels::gelu_tanh_in_place(y.numel(), y.mutable_data_ptr<float>());
  else if (y.scalar_type() == at::kBFloat16)
    kernels::gelu_tanh_in_place(y.numel(), reinterpret_cast<kernels::Bf16*>(y.mutable_data_ptr()));
  else
    return at::gelu(y, "tanh");
  return y;
}

}  // namespace rushes::nn
