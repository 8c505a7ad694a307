#include "rushes/models/ltx/fused_blocks.h"

#include "rushes/nn/attention.h"
#include "rushes/tensor/kernels/cpu/rms_modulate.h"
#include "rushes/tensor/kernels/cpu/transformer_kernels.h"
#include "rushes/tensor/ops.h"

namespace rushes::ltx {
namespace {

namespace kernels = tensor::kernels;

template <typename T>
T* data(const at::Tensor& x) {
  return static_cast<T*>(x.mutable_data_ptr());
}

const float* floats(const at::Tensor& x) { return x.const_data_ptr<float>(); }
at::Tensor wide(const at::Tensor& x) { return x.to(at::kFloat).contiguous(); }

/// A copy in float32 with 1 added to the rows that are scales.
at::Tensor with_scales(const at::Tensor& table, std::initializer_list<int64_t> scales) {
  const at::Tensor own = table.to(at::kFloat).clone();
  for (const int64_t row : scales) own.select(0, row).add_(1);
  return own;
}

}  // namespace

bool FusedBlocks::serves(const tensor::WeightMap& weights) {
  if (weights.trainable()) return false;
  const at::Tensor& any = weights.at("proj_out.weight");
  return any.is_cpu() && (any.scalar_type() == at::kFloat || any.scalar_type() == at::kBFloat16);
}

FusedBlocks::FusedBlocks(const TransformerConfig& config, const std::vector<Block>& blocks,
                         const at::Tensor& head_table)
    : heads_(config.num_attention_heads),
      head_size_(config.attention_head_dim),
      eps_(static_cast<float>(config.norm_eps)),
      qk_eps_(static_cast<float>(config.qk_norm_eps)),
      head_table_(with_scales(head_table, {1})) {
  for (const Block& block : blocks) {
    const SelfAttentionWeights& own = block.self_attention();
    const AttentionWeights& cross = block.cross_attention();
    layers_.push_back({.qkv = own.qkv,
                       .out = own.out,
                       .cross_q = cross.q,
                       .cross_out = cross.out,
                       .ff_in = block.ff_in(),
                       .ff_out = block.ff_out(),
                       .norm_q = wide(own.norm_q),
                       .norm_k = wide(own.norm_k),
                       .cross_norm_q = wide(cross.norm_q),
                       .table = with_scales(block.scale_shift_table(), {1, 4})});
  }
}

template <typename T>
at::Tensor FusedBlocks::run(const at::Tensor& x, const at::Tensor& embedded, const at::Tensor& modulation,
                            const TextContext& text, const RopeTable& rope) const {
  const int64_t B = x.size(0), S = x.size(1), C = x.size(2), rows = B * S, group = S / modulation.size(1);
  const at::Tensor normal = at::empty_like(x), times = wide(modulation);
  const auto by_head = [&](const at::Tensor& t) { return t.view({B, S, heads_, head_size_}); };
  const auto norm_rope = [&](T* values, int64_t row_stride, const at::Tensor& weight, bool turns) {
    kernels::rms_rope<T>({.rows = rows,
                          .width = C,
                          .row_stride = row_stride,
                          .head_size = C,  // the table is of the whole width
                          .x = values,
                          .weight = floats(weight),
                          .cosines = turns ? floats(rope.cos) : nullptr,
                          .sines = turns ? floats(rope.signed_sin) : nullptr,
                          .tokens = S,
                          .eps = qk_eps_});
  };

  // Each pass adds what the previous product gave, with its gate, and prepares the input of the next product.
  at::Tensor y;
  kernels::RmsModulate<T> pass{.rows = rows, .width = C, .rows_per_group = group, .x = data<T>(x), .eps = eps_};
  pass.gate_stride = pass.norm_stride = 6 * C;
  const auto add = [&](const float* gate, const float* scale, const float* shift) {
    pass.y = y.defined() ? data<T>(y) : nullptr;
    pass.gate = gate;
    pass.out = scale == nullptr ? nullptr : data<T>(normal);
    pass.scale = scale;
    pass.shift = shift;
    kernels::rms_modulate(pass);
  };

  at::Tensor modulations[2];  // of a layer and of the one before: its last gate comes with the next pass
  const float* previous_gate = nullptr;
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    const Layer& layer = layers_[i];
    modulations[i % 2] = times + layer.table;
    const float* m = floats(modulations[i % 2]);  // shift, scale, gate; of the feed-forward
    add(previous_gate, m + C, m);
    const at::Tensor qkv = layer.qkv(normal);
    norm_rope(data<T>(qkv), 3 * C, layer.norm_q, true);
    norm_rope(data<T>(qkv) + C, 3 * C, layer.norm_k, true);
    const auto parts = qkv.view({B, S, 3, heads_, head_size_}).unbind(2);
    y = layer.out(nn::attention(parts[0], parts[1], parts[2]).reshape(x.sizes()));
    add(m + 2 * C, nullptr, nullptr);
    const at::Tensor q = layer.cross_q(x);
    norm_rope(data<T>(q), C, layer.cross_norm_q, false);
    y = layer.cross_out(attend_text(by_head(q), text.layer(i)).reshape(x.sizes()));
    add(nullptr, m + 4 * C, m + 3 * C);
    y = layer.ff_out(layer.ff_in(normal, nn::Activation::gelu_tanh));
    previous_gate = m + 5 * C;
  }
  const at::Tensor last = head_table_ + wide(embedded).unsqueeze(2);  // [B, G, 2, C]
  kernels::residual_norm<T>({.rows = rows,
                             .width = C,
                             .rows_per_frame = group,
                             .x = data<T>(x),
                             .y = data<T>(y),
                             .gate = previous_gate,
                             .gate_stride = 6 * C,
                             .scale = floats(last) + C,
                             .shift = floats(last),
                             .norm_stride = 2 * C,
                             .out = data<T>(normal),
                             .eps = eps_});
  return normal;
}

at::Tensor FusedBlocks::forward(const at::Tensor& x, const at::Tensor& embedded, const at::Tensor& modulation,
                                const TextContext& text, const RopeTable& rope) const {
  return x.scalar_type() == at::kFloat ? run<float>(x, embedded, modulation, text, rope)
                                       : run<kernels::Bf16>(x, embedded, modulation, text, rope);
}

}  // namespace rushes::ltx
