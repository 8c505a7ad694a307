#include "rushes/models/wan/transformer.h"

#include <algorithm>

#include "rushes/base/error.h"
#include "rushes/nn/attention.h"
#include "rushes/nn/norm.h"
#include "rushes/nn/pass_bytes.h"
#include "rushes/nn/stock_operators.h"
#include "rushes/tensor/ops.h"

namespace rushes::wan {

TextContext side_by_side(const std::vector<const TextContext*>& samples) {
  const TextContext& first = *samples.front();
  if (std::all_of(samples.begin(), samples.end(), [&](const TextContext* each) { return each == &first; }))
    return first;
  TextContext all;
  for (std::size_t layer = 0; layer < first.text.size(); ++layer) {
    std::vector<at::Tensor> k, v;
    for (const TextContext* each : samples) {
      k.push_back(each->text[layer].k);
      v.push_back(each->text[layer].v);
    }
    all.text.push_back({at::cat(k), at::cat(v)});
  }
  return all;
}

TransformerCore::TransformerCore(const TransformerConfig& config, const tensor::WeightMap& weights)
    : config_(config),
      patch_w_(weights.at("patch_embedding.weight", {config.dim, config.in_dim, config.patch_size[0],
                                                     config.patch_size[1], config.patch_size[2]})),
      patch_b_(weights.at("patch_embedding.bias", {config.dim})),
      time_(config, weights),
      text_(config, weights),
      head_(nn::Linear(weights, "head.head",
                       config.patch_size[0] * config.patch_size[1] * config.patch_size[2] * config.out_dim,
                       config.dim)),
      head_modulation_(weights.at("head.modulation", {1, 2, config.dim})) {
  require(config.num_heads > 0 && config.dim % config.num_heads == 0 && config.head_size() % 2 == 0,
          ErrorCode::corrupt_data,
          "a transformer of width {} cannot have {} heads: the head size must be even and whole", config.dim,
          config.num_heads);
  if (config.model_type == ModelType::i2v) image_.emplace_back(config, weights);
  blocks_.reserve(config.num_layers);
  for (int64_t layer = 0; layer < config.num_layers; ++layer)
    blocks_.emplace_back(config, weights.under("blocks." + std::to_string(layer) + "."));
  if (FusedTransformer::serves(weights)) fused_ = std::make_shared<const FusedTransformer>(config, weights);
}

TextContext TransformerCore::context(const at::Tensor& text, const at::Tensor& image) const {
  require(image.defined() == (config_.model_type == ModelType::i2v), ErrorCode::invalid_argument,
          "this model {} image tokens", (config_.model_type == ModelType::i2v) ? "needs" : "does not accept");
  const at::Tensor rows = text_.forward(text);
  TextContext context;
  for (const Block& block : blocks_) context.text.push_back(block.cross_text(rows));
  if (config_.model_type != ModelType::i2v) return context;
  const at::Tensor tokens = image_.front().forward(image);
  for (const Block& block : blocks_) context.image.push_back(block.cross_image(tokens));
  return context;
}

at::Tensor TransformerCore::embed(const at::Tensor& latents) const {
  // The patch convolution's stride is its kernel: a linear layer on patches.
  const at::Tensor patches = patchify(latents.to(patch_w_.scalar_type()), config_);
  return at::linear(patches, patch_w_.flatten(1), patch_b_);
}

at::Tensor TransformerCore::head(const at::Tensor& x, const at::Tensor& e, const nn::TokenGrid& grid) const {
  const auto m = (head_modulation_.unsqueeze(1) + e.unsqueeze(2)).unbind(2);  // shift, scale
  const at::Tensor none;
  return to_latents(head_(nn::modulate(nn::layer_norm(x, none, none, config_.eps), m[0], m[1])), grid);
}

at::Tensor TransformerCore::to_latents(const at::Tensor& patches, const nn::TokenGrid& grid) const {
  const auto [pt, ph, pw] = config_.patch_size;
  return unpatchify(patches, grid.latent_frames * pt, grid.height * ph, grid.width * pw, config_);
}

at::Tensor TransformerCore::rope(const nn::TokenGrid& grid) const {
  const at::Tensor table = nn::rope_table(grid, config_.head_size(), patch_w_.device());
  return at::GradMode::is_enabled() ? table.to(at::kComplexFloat) : table;
}

nn::TokenGrid TransformerCore::grid(const at::Tensor& latents, int64_t start_frame) const {
  const auto [pt, ph, pw] = config_.patch_size;
  return {latents.size(-3) / pt, latents.size(-2) / ph, latents.size(-1) / pw, start_frame};
}

namespace {

/// A prompt's keys and values for a batch of B; those of one prompt serve all.
nn::KeyValue for_batch(const nn::KeyValue& one, int64_t B) {
  if (one.k.size(0) == B) return one;
  require(one.k.size(0) == 1, ErrorCode::invalid_argument, "a text context of batch {} does not serve a batch of {}",
          one.k.size(0), B);
  return {one.k.expand({B, -1, -1, -1}), one.v.expand({B, -1, -1, -1})};
}

}  // namespace

at::Tensor TransformerCore::flow(const at::Tensor& latents, const TimeEmbedding& time, const TextContext& text,
                                 const nn::TokenGrid& grid, const LayerAttend& attend,
                                 const FrameAdditions& additions) const {
  at::Tensor x = embed(latents);
  return flow_of_tokens(x, time, text, grid, attend, additions);
}

at::Tensor TransformerCore::flow_of_samples(const at::Tensor& latents, const at::Tensor& t, const TextContext& text,
                                            const nn::TokenGrid& grid, const std::vector<int64_t>& start_frames,
                                            const LayerAttend& attend, const FrameAdditions& additions) const {
  const int64_t B = latents.size(0);
  std::vector<at::Tensor> tokens, tables;
  for (int64_t b = 0; b < B; ++b) {
    // Each by itself: these products of a batch are not, to the bit, those of its samples.
    tokens.push_back(embed(latents.narrow(0, b, 1)));
    nn::TokenGrid own = grid;
    own.start_frame = start_frames.at(static_cast<std::size_t>(b));
    tables.push_back(rope(own));
  }
  const TimeEmbedding one = embed_time(t);
  at::Tensor x = at::cat(tokens);
  return flow_of_tokens(x, {one.e.expand({B, -1, -1}), one.e0.expand({B, -1, -1, -1})}, text, grid, at::stack(tables),
                        attend, additions);
}

bool TransformerCore::samples_are_independent() const {
  if (!options().device().is_cpu()) return true;
  return fused_ != nullptr && fused_->samples_are_independent() && !nn::StockOperators::wanted();
}

at::Tensor TransformerCore::flow_of_tokens(at::Tensor& x, const TimeEmbedding& time, const TextContext& text,
                                           const nn::TokenGrid& grid, const LayerAttend& attend,
                                           const FrameAdditions& additions) const {
  return flow_of_tokens(x, time, text, grid, rope(grid), attend, additions);
}

at::Tensor TransformerCore::flow_of_tokens(at::Tensor& x, const TimeEmbedding& time, const TextContext& text,
                                           const nn::TokenGrid& grid, const at::Tensor& table,
                                           const LayerAttend& attend, const FrameAdditions& additions) const {
  const int64_t B = x.size(0);
  additions.check(B, grid.latent_frames, config_.dim, config_.num_layers);
  const bool differentiate =
      at::GradMode::is_enabled() && (x.requires_grad() || text.text.at(0).k.requires_grad() ||
                                     (additions.values.defined() && additions.values.requires_grad()));
  if (fused_ != nullptr && !differentiate && !nn::StockOperators::wanted()) {
    for_batch(text.text.at(0), B);  // the check
    return to_latents(fused_->forward(x, time, text, table, attend, additions), grid);
  }
  for (size_t i = 0; i < blocks_.size(); ++i) {
    const nn::KeyValue words = for_batch(text.text.at(i), B);
    const nn::KeyValue picture = text.image.empty() ? nn::KeyValue{} : for_batch(text.image.at(i), B);
    x = add_to_frames(x, additions.before(static_cast<int64_t>(i)));
    x = blocks_[i].forward(x, time.e0, words, text.image.empty() ? nullptr : &picture, table,
                           [&](const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
                             return attend(static_cast<int64_t>(i), q, k, v);
                           });
  }
  return head(x, time.e, grid);
}

int64_t TransformerCore::pass_bytes(int64_t tokens) const {
  return nn::pass_bytes(tokens, config_.dim, config_.ffn_dim, options().dtype().toScalarType());
}

nn::KvCache::Options CausalTransformer::storage_of(const CacheOptions& options) const {
  const bool window = config().local_attn_size > 0;
  const int64_t per_frame = config().tokens_per_frame(options.height, options.width);
  return {.layers = config().num_layers,
          .heads = config().num_heads,
          .head_size = config().head_size(),
          .tokens_per_frame = per_frame,
          .capacity_tokens = per_frame * (window ? config().local_attn_size : options.capacity_latent_frames),
          .sink_latent_frames = window ? config().sink_size : 0,
          .evicts = window,
          .batch = options.batch};
}

nn::KvCache CausalTransformer::make_cache(const CacheOptions& options) const {
  return nn::KvCache(storage_of(options), core_.options().requires_grad(false));
}

int64_t CausalTransformer::working_bytes(const CacheOptions& options, int64_t latent_frames) const {
  const nn::KvCache::Options storage = storage_of(options);
  return nn::KvCache::bytes_of(storage, core_.options().dtype().toScalarType()) +
         core_.pass_bytes(options.batch * latent_frames * storage.tokens_per_frame);
}

at::Tensor CausalTransformer::forward(const at::Tensor& latents, const at::Tensor& t, const TextContext& text,
                                      nn::KvCache& past, const FrameAdditions& additions) const {
  const int64_t B = latents.size(0);
  const nn::TokenGrid grid = core_.grid(latents, past.position_latent_frames());
  require(t.dim() == 2 && t.size(0) == B && t.size(1) == grid.latent_frames, ErrorCode::invalid_argument,
          "t must be [{}, {}], one time per latent frame", B, grid.latent_frames);
  require(grid.height * grid.width == past.options().tokens_per_frame, ErrorCode::invalid_argument,
          "the cache was created for {} tokens per latent frame, but these latents have {} x {}",
          past.options().tokens_per_frame, grid.height, grid.width);
  return core_.flow(
      latents, core_.embed_time(t), text, grid,
      [&](int64_t layer, const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
        const nn::KeyValue visible = past.write(layer, k, v);
        return nn::attention(q, visible.k, visible.v);
      },
      additions);
}

at::Tensor CausalTransformer::forward_together(const at::Tensor& latents, const at::Tensor& t, const TextContext& text,
                                               const std::vector<nn::KvCache*>& pasts,
                                               const FrameAdditions& additions) const {
  const nn::TokenGrid grid = core_.grid(latents, 0);
  require(latents.size(0) == static_cast<int64_t>(pasts.size()) && t.dim() == 2 && t.size(0) == 1 &&
              t.size(1) == grid.latent_frames,
          ErrorCode::invalid_argument, "{} samples need a cache each, and t [1, {}]", latents.size(0),
          grid.latent_frames);
  std::vector<int64_t> starts;
  for (const nn::KvCache* past : pasts) {
    require(grid.height * grid.width == past->options().tokens_per_frame, ErrorCode::invalid_argument,
            "a cache was created for {} tokens per latent frame, but these latents have {} x {}",
            past->options().tokens_per_frame, grid.height, grid.width);
    starts.push_back(past->position_latent_frames());
  }
  return core_.flow_of_samples(
      latents, t, text, grid, starts,
      [&](int64_t layer, const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
        std::vector<at::Tensor> seen;
        for (std::size_t i = 0; i < pasts.size(); ++i) {
          const auto own = [&](const at::Tensor& x) { return x.narrow(0, static_cast<int64_t>(i), 1); };
          const nn::KeyValue visible = pasts[i]->write(layer, own(k), own(v));
          seen.push_back(nn::attention(own(q), visible.k, visible.v));
        }
        return at::cat(seen);
      },
      additions);
}

at::Tensor Transformer::forward(const at::Tensor& latents, const at::Tensor& t, const TextContext& text,
                                const at::Tensor& condition, int64_t seq_len, const FrameAdditions& additions) const {
  const int64_t B = latents.size(0);
  require(t.dim() == 1 && t.size(0) == B, ErrorCode::invalid_argument, "t must be [{}], one time per sample", B);
  const nn::TokenGrid grid = core_.grid(latents, 0);
  require(seq_len == 0 || grid.tokens() <= seq_len, ErrorCode::invalid_argument, "{} tokens do not fit seq_len {}",
          grid.tokens(), seq_len);
  const at::Tensor channels =
      condition.defined() ? at::cat({latents, condition.to(latents.scalar_type())}, 1) : latents;
  return core_.flow(
      channels, core_.embed_time(t.unsqueeze(1)), text, grid,
      [](int64_t, const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) { return nn::attention(q, k, v); },
      additions);
}

}  // namespace rushes::wan
