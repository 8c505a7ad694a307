#include "rushes/models/wan/fused_transformer.h"

#include "rushes/base/error.h"
#include "rushes/nn/attention.h"
#include "rushes/tensor/kernels/cpu/transformer_kernels.h"
#include "rushes/tensor/ops.h"

namespace rushes::wan {
namespace {

namespace kernels = tensor::kernels;

template <typename T>
T* data(const at::Tensor& x) {
  return static_cast<T*>(x.mutable_data_ptr());
}

const float* floats(const at::Tensor& x) { return x.const_data_ptr<float>(); }

/// Cosines twice, and sines with their sign, so that a pair turns with one multiplication each.
struct Tables {
  at::Tensor cosines, sines;  // [L, D] or [B, L, D] float32
};

Tables tables_of(const at::Tensor& rope) {
  const at::Tensor parts = at::view_as_real(rope);
  const at::Tensor c = parts.select(-1, 0), s = parts.select(-1, 1);
  return {at::stack({c, c}, -1).flatten(-2).to(at::kFloat), at::stack({-s, s}, -1).flatten(-2).to(at::kFloat)};
}

at::Tensor wide(const at::Tensor& x) { return x.to(at::kFloat).contiguous(); }

/// A prompt's keys or values for a batch of B; those of one prompt serve all.
at::Tensor expand(const at::Tensor& one, int64_t B) { return one.size(0) == B ? one : one.expand({B, -1, -1, -1}); }

}  // namespace

struct FusedTransformer::Rotation {
  Tables tables;
  int64_t tokens;  // rows of the tables
};

bool FusedTransformer::samples_are_independent() const {
  const auto narrow = [](const nn::Linear& layer) {
    return nn::Linear::is_narrow(layer.weight().size(0), layer.weight().size(1));
  };
  const Layer& any = layers_.front();
  return head_.weight().scalar_type() == at::kFloat && narrow(any.qkv) && narrow(any.out) && narrow(any.ffn_in) &&
         narrow(any.ffn_out) && narrow(head_);
}

bool FusedTransformer::serves(const tensor::WeightMap& weights) {
  if (weights.trainable()) return false;
  const at::Tensor& any = weights.at("head.head.weight");
  return any.is_cpu() && (any.scalar_type() == at::kFloat || any.scalar_type() == at::kBFloat16);
}

FusedTransformer::FusedTransformer(const TransformerConfig& config, const tensor::WeightMap& weights)
    : heads_(config.num_heads),
      head_size_(config.head_size()),
      eps_(config.eps),
      head_(weights, "head.head", config.patch_size[0] * config.patch_size[1] * config.patch_size[2] * config.out_dim,
            config.dim) {
  const int64_t C = config.dim;
  std::vector<at::Tensor> modulations;
  for (int64_t i = 0; i < config.num_layers; ++i) {
    const auto block = weights.under("blocks." + std::to_string(i) + ".");
    const auto own = block.under("self_attn."), cross = block.under("cross_attn.");
    Layer layer;
    layer.qkv = nn::Linear::fused({{own, "q", C, C}, {own, "k", C, C}, {own, "v", C, C}});
    layer.out = {own, "o", C, C};
    layer.cross_q = {cross, "q", C, C};
    layer.cross_out = {cross, "o", C, C};
    layer.ffn_in = {block, "ffn.0", config.ffn_dim, C};
    layer.ffn_out = {block, "ffn.2", C, config.ffn_dim};
    layer.norm_q = wide(own.at("norm_q.weight", {C}));
    layer.norm_k = wide(own.at("norm_k.weight", {C}));
    layer.cross_norm_q = wide(cross.at("norm_q.weight", {C}));
    layer.norm3_w = wide(block.at("norm3.weight", {C}));
    layer.norm3_b = wide(block.at("norm3.bias", {C}));
    layers_.push_back(std::move(layer));
    modulations.push_back(block.at("modulation", {1, 6, C}).to(at::kFloat));
  }
  modulations_ = at::stack(modulations).unsqueeze(1).contiguous();
  for (const int64_t scale : {1, 4}) modulations_.select(3, scale).add_(1);
  head_modulation_ = weights.at("head.modulation", {1, 2, C}).to(at::kFloat).unsqueeze(0).clone();
  head_modulation_.select(2, 1).add_(1);
}

template <typename T>
at::Tensor FusedTransformer::cross_attention(const Layer& layer, size_t index, const at::Tensor& normal,
                                             const nn::CrossKeyValues& text) const {
  const int64_t B = normal.size(0), C = normal.size(2);
  const at::Tensor q = layer.cross_q(normal);
  kernels::rms_rope<T>({.rows = B * q.size(1),
                        .width = C,
                        .row_stride = C,
                        .head_size = head_size_,
                        .x = data<T>(q),
                        .weight = floats(layer.cross_norm_q),
                        .eps = static_cast<float>(eps_)});
  const at::Tensor by_head = q.view({B, q.size(1), heads_, head_size_});
  const nn::KeyValue& words = text.text.at(index);
  at::Tensor seen = nn::attention(by_head, expand(words.k, B), expand(words.v, B));
  if (!text.image.empty()) {
    const nn::KeyValue& picture = text.image.at(index);
    seen.add_(nn::attention(by_head, expand(picture.k, B), expand(picture.v, B)));
  }
  return layer.cross_out(seen.view(normal.sizes()));
}

template <typename T>
at::Tensor FusedTransformer::run(at::Tensor& x, const TimeEmbedding& time, const nn::CrossKeyValues& text,
                                 const Rotation& rotation, const LayerAttend& attend,
                                 const FrameAdditions& additions) const {
  const int64_t B = x.size(0), L = x.size(1), C = x.size(2), rows = B * L, F = time.e0.size(1);
  const float eps = static_cast<float>(eps_);
  const at::Tensor modulations = modulations_ + time.e0.to(at::kFloat);           // [layers, B, F, 6, C]
  const at::Tensor last = head_modulation_ + time.e.to(at::kFloat).unsqueeze(2);  // [B, F, 2, C]
  const at::Tensor normal = at::empty_like(x);
  at::Tensor added;  // [P, B, F, C] float32; its latent frames are not those of `time`, which may be one for all
  if (additions.values.defined()) added = wide(additions.values.expand({-1, B, -1, -1}));

  // Each pass adds what the previous product gave, with its gate, and prepares the input of the next product.
  kernels::ResidualNorm<T> pass{
      .rows = rows, .width = C, .rows_per_frame = L / F, .x = data<T>(x), .out = data<T>(normal), .eps = eps};
  pass.gate_stride = pass.norm_stride = 6 * C;
  at::Tensor y;
  const auto add_and_norm = [&](const float* gate, const float* scale, const float* shift, int64_t norm_stride) {
    pass.y = y.defined() ? data<T>(y) : nullptr;
    pass.gate = gate;
    pass.scale = scale;
    pass.shift = shift;
    pass.norm_stride = norm_stride;
    kernels::residual_norm(pass);
  };

  const float* previous_gate = nullptr;
  for (size_t i = 0; i < layers_.size(); ++i) {
    const Layer& layer = layers_[i];
    const float* m = floats(modulations) + static_cast<int64_t>(i) * B * F * 6 * C;  // shift, scale, gate; of the MLP
    const int64_t place = static_cast<int64_t>(i) - additions.first_layer;
    if (added.defined() && place >= 0 && place < added.size(0)) {
      pass.addition = floats(added) + place * added.stride(0);
      pass.rows_per_addition = L / added.size(2);
    }
    add_and_norm(previous_gate, m + C, m, 6 * C);
    pass.addition = nullptr;
    const at::Tensor qkv = layer.qkv(normal);
    T* fused = data<T>(qkv);
    for (const auto& [offset, weight] : {std::pair(int64_t{0}, &layer.norm_q), std::pair(C, &layer.norm_k)})
      kernels::rms_rope<T>({.rows = rows,
                            .width = C,
                            .row_stride = 3 * C,
                            .head_size = head_size_,
                            .x = fused + offset,
                            .weight = floats(*weight),
                            .cosines = floats(rotation.tables.cosines),
                            .sines = floats(rotation.tables.sines),
                            .tokens = rotation.tokens,
                            .eps = eps});
    const auto parts = qkv.view({B, L, 3, heads_, head_size_}).unbind(2);
    y = layer.out(attend(static_cast<int64_t>(i), parts[0], parts[1], parts[2]).reshape(x.sizes()));
    add_and_norm(m + 2 * C, floats(layer.norm3_w), floats(layer.norm3_b), 0);
    y = cross_attention<T>(layer, i, normal, text);
    add_and_norm(nullptr, m + 4 * C, m + 3 * C, 6 * C);
    y = layer.ffn_out(layer.ffn_in(normal, nn::Activation::gelu_tanh));
    previous_gate = m + 5 * C;
  }
  add_and_norm(previous_gate, floats(last) + C, floats(last), 2 * C);
  return head_(normal);
}

at::Tensor FusedTransformer::forward(at::Tensor tokens, const TimeEmbedding& time, const nn::CrossKeyValues& text,
                                     const at::Tensor& rope, const LayerAttend& attend,
                                     const FrameAdditions& additions) const {
  RUSHES_ASSERT(rope.size(-2) == tokens.size(1) && (rope.dim() == 2 || rope.size(0) == tokens.size(0)));
  const Rotation rotation{tables_of(rope), rope.numel() / rope.size(-1)};
  return tokens.scalar_type() == at::kFloat ? run<float>(tokens, time, text, rotation, attend, additions)
                                            : run<kernels::Bf16>(tokens, time, text, rotation, attend, additions);
}

}  // namespace rushes::wan
