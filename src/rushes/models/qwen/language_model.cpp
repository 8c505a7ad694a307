#include "rushes/models/qwen/language_model.h"

#include <numeric>

#include "rushes/base/error.h"
#include "rushes/nn/grouped_attention.h"
#include "rushes/nn/norm.h"
#include "rushes/nn/rope_halves.h"
#include "rushes/tensor/ops.h"

namespace rushes::qwen {

MultimodalRope::MultimodalRope(const at::Tensor& positions, const TextConfig& config, at::ScalarType dtype) {
  const int64_t half = config.head_size() / 2;
  const at::TensorOptions wide = at::TensorOptions(at::kFloat).device(positions.device());
  const at::Tensor exponent = at::arange(0, 2 * half, 2, wide) / static_cast<double>(2 * half);
  const at::Tensor frequencies = at::reciprocal(at::pow(config.rope_theta, exponent));
  std::vector<at::Tensor> sections;  // [B, L, of the section]: each turns with one of time, height and width
  int64_t first = 0;
  for (size_t i = 0; i < config.mrope_section.size(); ++i) {
    const int64_t size = config.mrope_section[i];
    const at::Tensor place = positions[static_cast<int64_t>(i % 3)].to(at::kFloat).unsqueeze(-1);
    sections.push_back(place * frequencies.narrow(0, first, size));
    first += size;
  }
  const at::Tensor angles = at::cat(sections, -1);
  // The published model keeps its tables in its own dtype.
  cos = at::cos(angles).to(dtype).to(at::kFloat).contiguous();
  sin = at::sin(angles).to(dtype).to(at::kFloat).contiguous();
}

LanguageModel::LanguageModel(const TextConfig& config, const tensor::WeightMap& weights) : config_(config) {
  using nn::Bias;
  const int64_t C = config.hidden_size, D = config.head_size(), queries = config.num_attention_heads * D,
                keys = config.num_key_value_heads * D;
  embedding_ = weights.at("embed_tokens.weight", {config.vocab_size, C});
  norm_ = weights.at("norm.weight", {C});
  head_ = config.tie_word_embeddings ? nn::Linear(embedding_, {})
                                     : nn::linear(weights, "lm_head", config.vocab_size, C, Bias::none);
  for (int64_t i = 0; i < config.num_hidden_layers; ++i) {
    const auto own = weights.under("layers." + std::to_string(i) + ".");
    const auto attention = own.under("self_attn.");
    layers_.push_back({.qkv = nn::LinearGroup({nn::linear(attention, "q_proj", queries, C, Bias::given),
                                               nn::linear(attention, "k_proj", keys, C, Bias::given),
                                               nn::linear(attention, "v_proj", keys, C, Bias::given)}),
                       .out = nn::linear(attention, "o_proj", C, queries, Bias::none),
                       .norm1 = own.at("input_layernorm.weight", {C}),
                       .norm2 = own.at("post_attention_layernorm.weight", {C}),
                       .mlp = nn::GatedMlp(own.under("mlp."), C, config.intermediate_size, Bias::none)});
  }
}

at::Tensor LanguageModel::embed(const at::Tensor& ids) const {
  require(ids.dim() == 2 && ids.scalar_type() == at::kLong, ErrorCode::invalid_argument,
          "token ids must be [B, L] of 64-bit integers");
  require(ids.numel() == 0 || (ids.min().item<int64_t>() >= 0 && ids.max().item<int64_t>() < config_.vocab_size),
          ErrorCode::invalid_argument, "the prompt has a token outside the model's vocabulary of {}",
          config_.vocab_size);
  return at::embedding(embedding_, ids.to(device()));
}

at::Tensor LanguageModel::attend(const Layer& layer, size_t index, const at::Tensor& x, const MultimodalRope& rope,
                                 KeyValues* past) const {
  const int64_t B = x.size(0), L = x.size(1), D = config_.head_size();
  std::vector<at::Tensor> qkv = layer.qkv(x);
  for (at::Tensor& part : qkv) part = part.view({B, L, -1, D});
  const at::Tensor q = nn::rotate_halves(qkv[0], rope.cos, rope.sin);
  nn::KeyValue all{nn::rotate_halves(qkv[1], rope.cos, rope.sin), qkv[2]};
  if (past) all = past->append(static_cast<int64_t>(index), all.k, all.v);
  return layer.out(nn::causal_attention(q, all.k, all.v).reshape({B, L, -1}));
}

at::Tensor LanguageModel::forward(const at::Tensor& embeddings, const at::Tensor& positions, KeyValues* past) const {
  require(embeddings.dim() == 3 && embeddings.size(2) == config_.hidden_size && positions.dim() == 3 &&
              positions.size(0) == 3 && positions.size(1) == embeddings.size(0) &&
              positions.size(2) == embeddings.size(1),
          ErrorCode::invalid_argument, "a language model reads [B, L, {}] at positions [3, B, L]", config_.hidden_size);
  const MultimodalRope rope(positions, config_, dtype());
  at::Tensor x = embeddings;
  for (size_t i = 0; i < layers_.size(); ++i) {
    x = x + attend(layers_[i], i, nn::rms_norm(x, layers_[i].norm1, config_.rms_norm_eps), rope, past);
    x = x + layers_[i].mlp(nn::rms_norm(x, layers_[i].norm2, config_.rms_norm_eps));
  }
  if (past) past->commit(embeddings.size(1));
  return nn::rms_norm(x, norm_, config_.rms_norm_eps);
}

at::Tensor LanguageModel::logits(const at::Tensor& hidden) const { return head_(hidden).to(at::kFloat); }

KeyValues LanguageModel::past(int64_t tokens, int64_t batch) const {
  return KeyValues({.layers = config_.num_hidden_layers,
                    .heads = config_.num_key_value_heads,
                    .head_size = config_.head_size(),
                    .capacity_tokens = std::max<int64_t>(tokens, 1),
                    .batch = batch},
                   embedding_.options().requires_grad(false));
}

int64_t LanguageModel::bytes_per_token() const {
  const auto bytes = [](const nn::Linear& layer) { return static_cast<int64_t>(layer.weight().nbytes()); };
  int64_t total = bytes(head_);
  for (const Layer& layer : layers_) {
    for (const nn::Linear& part : layer.qkv.layers()) total += bytes(part);
    total += bytes(layer.out) + bytes(layer.mlp.gate()) + bytes(layer.mlp.up()) + bytes(layer.mlp.down());
  }
  return total;
}

}  // namespace rushes::qwen
