#include "rushes/models/ltx/transformer.h"

#include <fmt/ranges.h>

#include "rushes/base/error.h"
#include "rushes/models/ltx/time_sinusoid.h"
#include "rushes/nn/norm.h"
#include "rushes/nn/stock_operators.h"
#include "rushes/tensor/ops.h"

namespace rushes::ltx {
namespace {

void add_linear(tensor::Shapes& shapes, const std::string& key, int64_t out, int64_t in) {
  shapes[key + ".weight"] = {out, in};
  shapes[key + ".bias"] = {out};
}

}  // namespace

tensor::Shapes parameter_shapes(const TransformerConfig& config) {
  tensor::Shapes shapes;
  const int64_t C = config.dim();
  add_linear(shapes, "proj_in", C, config.in_channels);
  add_linear(shapes, "proj_out", config.out_channels, C);
  shapes["scale_shift_table"] = {2, C};
  add_linear(shapes, "time_embed.emb.timestep_embedder.linear_1", C, kTimeSinusoid);
  add_linear(shapes, "time_embed.emb.timestep_embedder.linear_2", C, C);
  add_linear(shapes, "time_embed.linear", 6 * C, C);
  add_linear(shapes, "caption_projection.linear_1", C, config.caption_channels);
  add_linear(shapes, "caption_projection.linear_2", C, C);
  for (int64_t i = 0; i < config.num_layers; ++i) {
    const std::string block = fmt::format("transformer_blocks.{}.", i);
    shapes[block + "scale_shift_table"] = {6, C};
    for (const char* attention : {"attn1.", "attn2."}) {
      for (const char* part : {"to_q", "to_k", "to_v", "to_out.0"}) add_linear(shapes, block + attention + part, C, C);
      for (const char* norm : {"norm_q.weight", "norm_k.weight"}) shapes[block + attention + norm] = {C};
    }
    add_linear(shapes, block + "ff.net.0.proj", config.ffn_dim(), C);
    add_linear(shapes, block + "ff.net.2", C, config.ffn_dim());
  }
  return shapes;
}

Transformer::Transformer(const TransformerConfig& config, const tensor::WeightMap& weights)
    : config_(config),
      proj_in_(weights, "proj_in", config.dim(), config.in_channels),
      proj_out_(weights, "proj_out", config.out_channels, config.dim()),
      caption_in_(weights, "caption_projection.linear_1", config.dim(), config.caption_channels),
      caption_out_(weights, "caption_projection.linear_2", config.dim(), config.dim()),
      time_in_(weights, "time_embed.emb.timestep_embedder.linear_1", config.dim(), kTimeSinusoid),
      time_out_(weights, "time_embed.emb.timestep_embedder.linear_2", config.dim(), config.dim()),
      modulation_(weights, "time_embed.linear", 6 * config.dim(), config.dim()),
      scale_shift_table_(weights.at("scale_shift_table", {2, config.dim()})) {
  for (int64_t i = 0; i < config.num_layers; ++i)
    blocks_.emplace_back(config, weights.under(fmt::format("transformer_blocks.{}.", i)));
  if (FusedBlocks::serves(weights)) fused_.emplace(config, blocks_, scale_shift_table_);
}

TextContext Transformer::context(const at::Tensor& embeddings, const at::Tensor& mask) const {
  require(embeddings.dim() == 3 && embeddings.size(1) > 0 && embeddings.size(2) == config_.caption_channels,
          ErrorCode::invalid_argument, "text embeddings have shape [{}], the transformer needs [B, L, {}]",
          fmt::join(embeddings.sizes(), ", "), config_.caption_channels);
  require(!mask.defined() || mask.sizes() == embeddings.sizes().slice(0, 2), ErrorCode::invalid_argument,
          "the mask of text embeddings [{}] has shape [{}]", fmt::join(embeddings.sizes(), ", "),
          mask.defined() ? fmt::format("{}", fmt::join(mask.sizes(), ", ")) : "");
  TextContext text;
  for (int64_t b = 0; b < embeddings.size(0); ++b) {
    at::Tensor own = embeddings[b].to(device(), dtype());
    if (mask.defined()) {
      // The reference adds -10000 to their scores: their weights are 0 in any dtype, so they need not be there.
      const at::Tensor kept = mask[b].to(device()).to(at::kBool);
      if (kept.any().item<bool>()) own = own.index({kept});
    }
    const at::Tensor projected = caption_out_(caption_in_(own.unsqueeze(0), nn::Activation::gelu_tanh));
    TextContext::Prompt prompt;
    for (const Block& block : blocks_) prompt.push_back(block.text_keys(projected));
    text.prompts.push_back(std::move(prompt));
  }
  return text;
}

Transformer::Time Transformer::embed_time(const at::Tensor& timestep) const {
  const at::Tensor sinusoid = time_sinusoid(timestep.to(device())).to(dtype());
  const at::Tensor embedded = time_out_(at::silu(time_in_(sinusoid)));
  return {embedded, modulation_(at::silu(embedded)).unflatten(-1, {6, config_.dim()})};
}

at::Tensor Transformer::forward(const at::Tensor& tokens, const at::Tensor& timestep, const TextContext& text,
                                const RopeTable& rope) const {
  require(tokens.dim() == 3 && tokens.size(2) == config_.in_channels, ErrorCode::invalid_argument,
          "tokens have shape [{}], the transformer needs [B, S, {}]", fmt::join(tokens.sizes(), ", "),
          config_.in_channels);
  const int64_t B = tokens.size(0), S = tokens.size(1);
  require(timestep.dim() == 2 && timestep.size(0) == B && timestep.size(1) > 0 && S % timestep.size(1) == 0,
          ErrorCode::invalid_argument, "timesteps have shape [{}]; {} samples of {} tokens need [{}, G], G dividing {}",
          fmt::join(timestep.sizes(), ", "), B, S, B, S);
  require(text.batch() == B, ErrorCode::invalid_argument, "{} samples with the text of {}", B, text.batch());
  require(rope.cos.size(0) == S && rope.cos.size(1) == config_.dim(), ErrorCode::invalid_argument,
          "the rotary table is of [{}], the tokens are {} of width {}", fmt::join(rope.cos.sizes(), ", "), S,
          config_.dim());
  const Time time = embed_time(timestep);
  at::Tensor x = proj_in_(tokens.to(device(), dtype()).contiguous());
  const bool differentiate =
      at::GradMode::is_enabled() && (tokens.requires_grad() || text.prompts.front().front().k.requires_grad());
  if (fused_ && !differentiate && !nn::StockOperators::wanted())
    return proj_out_(fused_->forward(x, time.embedded, time.modulation, text, rope));
  for (std::size_t i = 0; i < blocks_.size(); ++i) x = blocks_[i].forward(x, time.modulation, text.layer(i), rope);
  const auto m = (scale_shift_table_ + time.embedded.unsqueeze(2)).unbind(2);  // shift, scale
  const at::Tensor none;
  return proj_out_(nn::modulate(nn::layer_norm(x, none, none, config_.norm_eps), m[0], m[1]));
}

}  // namespace rushes::ltx
