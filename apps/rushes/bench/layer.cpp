// One whole layer of the Wan 2.1 1.3B transformer, and the head behind it: the third block of three latent frames of
// 480x832, with the keys and values of two blocks before it; the same layer of OmniAvatar's causal model, with speech
// and a full cache; what makes that speech; and a layer of its bidirectional model with guidance.
#include <fmt/format.h>

#include "bench.h"
#include "rushes/models/omniavatar/random_weights.h"
#include "rushes/models/omniavatar/speech_conditioner.h"
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

  at::Tensor forward(const at::Tensor& tokens, const wan::TimeEmbedding& time, const nn::KeyValue& text,
                     const at::Tensor& rope, const wan::SelfAttend& attend, const at::Tensor& addition) const {
    const at::Tensor none;
    const at::Tensor x = wan::add_to_frames(tokens, addition);
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

/// A block of latent frames on which a layer looks back on all that the cache holds, itself included.
struct Shape {
  std::string model;
  int64_t frames, height, width, keys;  // of tokens
  bool speech;
};

void bench_layer_of(Report& report, const Shape& shape) {
  const Setup& setup = report.setup();
  wan::TransformerConfig config;
  config.num_layers = 1;
  const int64_t frames = shape.frames, per_frame = shape.height * shape.width, tokens = frames * per_frame;
  const std::string name = fmt::format("one layer of {}, {} x {} tokens", shape.model, tokens, shape.keys);
  if (!report.wants(name)) return;

  const tensor::WeightMap weights = wan::random_transformer_weights(config).to(setup.dtype).to(setup.device);
  const wan::Block block(config, weights.under("blocks.0."));
  const auto random = [&](std::vector<int64_t> shape) { return at::randn(shape, setup.floats()).to(setup.dtype); };
  const at::Tensor x = random({1, tokens, config.dim});
  const wan::TimeEmbedding time{random({1, frames, config.dim}), random({1, frames, 6, config.dim})};
  const nn::CrossKeyValues text{{block.cross_text(random({1, config.text_len, config.dim}))}, {}};
  const at::Tensor rope =
      nn::rope_table({frames, shape.height, shape.width, shape.keys / per_frame}, config.head_size(), setup.device);
  wan::FrameAdditions additions;
  if (shape.speech) additions.values = random({1, 1, frames, config.dim});

  nn::KvCache cache({.layers = 1,
                     .heads = config.num_heads,
                     .head_size = config.head_size(),
                     .tokens_per_frame = per_frame,
                     .capacity_tokens = shape.keys},
                    setup.options());
  const std::vector<int64_t> by_head{1, shape.keys - tokens, config.num_heads, config.head_size()};
  cache.write(0, random(by_head), random(by_head));
  cache.commit();
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
  Operation operation{.name = name, .flop = layer_flop(config, tokens, shape.keys)};
  operation.candidates.push_back(
      {"rushes", [&] {
         if (!fused)
           return stock.head(
               block.forward(wan::add_to_frames(x, additions.before(0)), time.e0, text.text[0], nullptr, rope, attend),
               time.e);
         return fused->forward(
             x.clone(), time, text, rope,
             [&](int64_t, const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) { return attend(q, k, v); },
             additions);
       }});
  operation.candidates.push_back(
      {"stock operators",
       [&] { return stock.forward(x, time, text.text[0], rope, stock_attend, additions.before(0)); }});
  report.measure(operation);
}

/// What a block pays for speech once, whatever its number of denoising steps.
void bench_speech(Report& report) {
  const Setup& setup = report.setup();
  const omniavatar::TransformerConfig config;
  const std::string name =
      fmt::format("speech of OmniAvatar 1.3B, 3 latent frames for {} layers", config.speech_layers());
  if (!report.wants(name)) return;
  tensor::WeightMap weights;
  omniavatar::add_random_speech(weights, config);
  const omniavatar::SpeechConditioner conditioner(config, weights.to(setup.dtype).to(setup.device));
  const at::Tensor features = at::randn({1, 3 * config.speech.group, config.speech.feature_dim}, setup.floats());
  const double in = static_cast<double>(config.speech.group * config.speech.feature_dim),
               out = static_cast<double>(config.speech_layers() * config.wan.dim);
  Operation operation{.name = name, .flop = 2 * 3 * static_cast<double>(config.speech.hidden_size) * (in + out)};
  operation.candidates.push_back({"rushes", [&] { return conditioner.forward(features).values; }});
  report.measure(operation);
}

/// A denoising step of a segment with guidance is two passes: one layer of both, as one batch and one after the other.
void bench_guidance(Report& report) {
  const Setup& setup = report.setup();
  wan::TransformerConfig config;
  config.num_layers = 1;
  const nn::TokenGrid grid{setup.quick ? 1 : 5, 25, 45};
  const std::string name =
      fmt::format("guidance of OmniAvatar 1.3B, one layer of two passes of {} tokens", grid.tokens());
  if (!report.wants(name)) return;
  const tensor::WeightMap weights = wan::random_transformer_weights(config).to(setup.dtype).to(setup.device);
  if (!wan::FusedTransformer::serves(weights)) return;
  const wan::FusedTransformer fused(config, weights);
  const wan::Block block(config, weights.under("blocks.0."));
  const auto random = [&](std::vector<int64_t> shape) { return at::randn(shape, setup.floats()).to(setup.dtype); };
  const at::Tensor x = random({2, grid.tokens(), config.dim});
  const wan::TimeEmbedding time{random({2, 1, config.dim}), random({2, 1, 6, config.dim})};
  const nn::KeyValue words = block.cross_text(random({2, config.text_len, config.dim}));
  const at::Tensor rope = nn::rope_table(grid, config.head_size(), setup.device);
  const auto attend = [](int64_t, const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
    return nn::attention(q, k, v);
  };
  const auto pass = [&](int64_t first, int64_t count) {
    const auto own = [&](const at::Tensor& all) { return all.narrow(0, first, count); };
    return fused.forward(own(x).clone(), {own(time.e), own(time.e0)}, {{{own(words.k), own(words.v)}}, {}}, rope,
                         attend);
  };
  Operation operation{.name = name, .flop = 2 * layer_flop(config, grid.tokens(), grid.tokens())};
  operation.candidates.push_back({"one batch", [&] { return pass(0, 2); }});
  operation.candidates.push_back({"one after the other", [&] { return at::cat({pass(0, 1), pass(1, 1)}); }});
  report.measure(operation);
}

}  // namespace

void bench_layer(Report& report) {
  const bool quick = report.setup().quick;
  const int64_t width = quick ? 17 : 52;
  bench_layer_of(report, {"Wan 1.3B", 3, 30, width, 3 * 3 * 30 * width, false});
  // 400x720: 25 x 45 tokens a latent frame, and the published cache.
  bench_layer_of(report, quick ? Shape{"OmniAvatar 1.3B with speech", 3, 25, 11, 8'190, true}
                               : Shape{"OmniAvatar 1.3B with speech", 3, 25, 45, 32'760, true});
  bench_speech(report);
  bench_guidance(report);
}

}  // namespace rushes::app::bench
