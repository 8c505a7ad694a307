// One whole layer of the Wan 2.1 1.3B transformer, and the head behind it: the third block of three latent frames of
// 480x832, with the keys and values of two blocks before it.
#include <fmt/format.h>

#include "bench.h"
#include "rushes/models/wan/block.h"
#include "rushes/models/wan/fused_transformer.h"
#include "rushes/models/wan/random_weights.h"
#include "rushes/nn/attention.h"
#include "rushes/nn/norm.h"
#include "rushes/nn/rope.h"
#include "rushes/tensor/ops.h"

namespace rushes::app::bench {
namespace {

/// The layer as the reference implementation runs it, operator by operator.
class StockLayer {
 public:
  StockLayer(const wan::TransformerConfig& config, const tensor::WeightMap& weights)
      : config_(config), weights_(weights) {}

  at::Tensor forward(const at::Tensor& x, const wan::TimeEmbedding& time, const nn::KeyValue& text,
                     const at::Tensor& rope, const wan::SelfAttend& attend) const {
    const at::Tensor none;
    const auto m = (weights_.at("blocks.0.modulation").unsqueeze(1) + time.e0).unbind(2);
    const at::Tensor a = nn::modulate(nn::layer_norm(x, none, none, config_.eps), m[0], m[1]);
    const at::Tensor q = nn::rotate(heads(norm("self_attn.norm_q", linear("self_attn.q", a))), rope);
    const at::Tensor k = nn::rotate(heads(norm("self_attn.norm_k", linear("self_attn.k", a))), rope);
    const at::Tensor seen = attend(q, k, heads(linear("self_attn.v", a))).reshape(x.sizes());
    at::Tensor y = nn::add_gated(x, linear("self_attn.o", seen), m[2]);
    const at::Tensor b =
        nn::layer_norm(y, weights_.at("blocks.0.norm3.weight"), weights_.at("blocks.0.norm3.bias"), config_.eps);
    const at::Tensor words =
        nn::stock_attention(heads(norm("cross_attn.norm_q", linear("cross_attn.q", b))), text.k, text.v);
    y = y + linear("cross_attn.o", words.reshape(x.sizes()));
    const at::Tensor c = nn::modulate(nn::layer_norm(y, none, none, config_.eps), m[3], m[4]);
    y = nn::add_gated(y, linear("ffn.2", at::gelu(linear("ffn.0", c), "tanh")), m[5]);
    return head(y, time.e);
  }

  at::Tensor head(const at::Tensor& x, const at::Tensor& e) const {
    const at::Tensor none;
    const auto m = (weights_.at("head.modulation").unsqueeze(1) + e.unsqueeze(2)).unbind(2);
    return at::linear(nn::modulate(nn::layer_norm(x, none, none, config_.eps), m[0], m[1]),
                      weights_.at("head.head.weight"), weights_.at("head.head.bias"));
  }

 private:
  at::Tensor linear(const std::string& key, const at::Tensor& x) const {
    return at::linear(x, weights_.at("blocks.0." + key + ".weight"), weights_.at("blocks.0." + key + ".bias"));
  }
  at::Tensor norm(const std::string& key, const at::Tensor& x) const {
    return nn::rms_norm(x, weights_.at("blocks.0." + key + ".weight"), config_.eps);
  }
  at::Tensor heads(const at::Tensor& x) const {
    return x.view({x.size(0), x.size(1), config_.num_heads, config_.head_size()});
  }

  wan::TransformerConfig config_;
  tensor::WeightMap weights_;
};

double layer_flop(const wan::TransformerConfig& config, int64_t tokens, int64_t keys) {
  const double L = static_cast<double>(tokens), C = static_cast<double>(config.dim);
  const double linears = L * C * (6 * C + 2 * static_cast<double>(config.ffn_dim));
  const double attention = 2 * L * C * static_cast<double>(keys + config.text_len);
  return 2 * (linears + attention + L * C * 4 * static_cast<double>(config.out_dim));
}

}  // namespace

void bench_layer(Report& report) {
  const Setup& setup = report.setup();
  wan::TransformerConfig config;
  config.num_layers = 1;
  const int64_t frames = 3, height = 30, width = setup.quick ? 17 : 52, tokens = frames * height * width,
                past_blocks = 2;
  const std::string name = fmt::format("one layer of Wan 1.3B, {} x {} tokens", tokens, (past_blocks + 1) * tokens);
  if (!report.wants(name)) return;

  const tensor::WeightMap weights = wan::random_transformer_weights(config).to(setup.dtype).to(setup.device);
  const wan::Block block(config, weights.under("blocks.0."));
  const auto random = [&](std::vector<int64_t> shape) { return at::randn(shape, setup.floats()).to(setup.dtype); };
  const at::Tensor x = random({1, tokens, config.dim});
  const wan::TimeEmbedding time{random({1, frames, config.dim}), random({1, frames, 6, config.dim})};
  const nn::CrossKeyValues text{{block.cross_text(random({1, config.text_len, config.dim}))}, {}};
  const at::Tensor rope =
      nn::rope_table({frames, height, width, past_blocks * frames}, config.head_size(), setup.device);

  nn::KvCache cache({.layers = 1,
                     .heads = config.num_heads,
                     .head_size = config.head_size(),
                     .tokens_per_frame = height * width,
                     .capacity_tokens = (past_blocks + 1) * tokens},
                    setup.options());
  const std::vector<int64_t> by_head{1, tokens, config.num_heads, config.head_size()};
  for (int64_t i = 0; i < past_blocks; ++i) {
    cache.write(0, random(by_head), random(by_head));
    cache.commit();
  }
  const auto attend = [&](const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
    const nn::KeyValue seen = cache.write(0, k, v);
    return nn::attention(q, seen.k, seen.v);
  };
  const auto stock_attend = [&](const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
    const nn::KeyValue seen = cache.write(0, k, v);
    return nn::stock_attention(q, seen.k, seen.v);
  };

  const StockLayer stock(config, weights);
  std::optional<wan::FusedTransformer> fused;
  if (wan::FusedTransformer::serves(weights)) fused.emplace(config, weights);
  Operation operation{.name = name, .flop = layer_flop(config, tokens, (past_blocks + 1) * tokens)};
  operation.candidates.push_back(
      {"rushes", [&] {
         if (!fused) return stock.head(block.forward(x, time.e0, text.text[0], nullptr, rope, attend), time.e);
         return fused->forward(
             x.clone(), time, text, rope,
             [&](int64_t, const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) { return attend(q, k, v); });
       }});
  operation.candidates.push_back(
      {"stock operators", [&] { return stock.forward(x, time, text.text[0], rope, stock_attend); }});
  report.measure(operation);
}

}  // namespace rushes::app::bench
