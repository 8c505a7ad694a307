// LTX-Video 2B at its published widths: a denoising step of 256x256 pixels and 9 frames with guidance, as our sampler
// does it and operator by operator as the published pipeline does, which makes keys and values of the text, padding
// included, anew in every step; and the decode of those frames.
#include <fmt/format.h>

#include "bench.h"
#include "rushes/models/ltx/random_weights.h"
#include "rushes/models/ltx/time_sinusoid.h"
#include "rushes/nn/norm.h"
#include "rushes/nn/stock_operators.h"
#include "rushes/tensor/ops.h"

namespace rushes::app::bench {
namespace {

/// The transformer as the reference implementation runs it.
class StockLtx {
 public:
  StockLtx(const ltx::TransformerConfig& config, tensor::WeightMap weights)
      : config_(config), weights_(std::move(weights)) {}

  /// Of text embeddings [B, L, caption_channels]. Not measured: of the whole model it is less than a percent.
  at::Tensor projected(const at::Tensor& text) const {
    return linear("caption_projection.linear_2", at::gelu(linear("caption_projection.linear_1", text), "tanh"));
  }
  /// words: projected [B, L, C]; bias [B, 1, 1, L]: 0 for words, -10000 for padding.
  at::Tensor forward(const at::Tensor& tokens, const at::Tensor& timestep, const at::Tensor& words,
                     const at::Tensor& bias, const ltx::RopeTable& rope) const {
    at::Tensor x = linear("proj_in", tokens);
    const std::string time = "time_embed.emb.timestep_embedder.";
    const at::Tensor sinusoid = ltx::time_sinusoid(timestep).to(x.scalar_type());
    const at::Tensor e = linear(time + "linear_2", at::silu(linear(time + "linear_1", sinusoid)));
    const at::Tensor modulation = linear("time_embed.linear", at::silu(e)).unflatten(-1, {6, -1});
    for (int64_t i = 0; i < config_.num_layers; ++i)
      x = block(fmt::format("transformer_blocks.{}.", i), x, modulation, words, bias, rope);
    const auto m = (weights_.at("scale_shift_table") + e.unsqueeze(2)).unbind(2);
    return linear("proj_out", nn::modulate(at::layer_norm(x, {config_.dim()}, {}, {}, config_.norm_eps), m[0], m[1]));
  }

 private:
  at::Tensor block(const std::string& key, const at::Tensor& x, const at::Tensor& modulation, const at::Tensor& words,
                   const at::Tensor& bias, const ltx::RopeTable& rope) const {
    const auto m = (weights_.at(key + "scale_shift_table") + modulation).unbind(2);
    const at::Tensor a = nn::modulate(rms(x), m[0], m[1]);
    at::Tensor y = nn::add_gated(x, attention(key + "attn1.", a, a, {}, &rope), m[2]);
    y = y + attention(key + "attn2.", y, words, bias, nullptr);
    const at::Tensor b = nn::modulate(rms(y), m[3], m[4]);
    return nn::add_gated(y, linear(key + "ff.net.2", at::gelu(linear(key + "ff.net.0.proj", b), "tanh")), m[5]);
  }
  at::Tensor attention(const std::string& key, const at::Tensor& from, const at::Tensor& to, const at::Tensor& bias,
                       const ltx::RopeTable* rope) const {
    at::Tensor q = nn::rms_norm(linear(key + "to_q", from), weights_.at(key + "norm_q.weight"), config_.qk_norm_eps),
               k = nn::rms_norm(linear(key + "to_k", to), weights_.at(key + "norm_k.weight"), config_.qk_norm_eps);
    if (rope != nullptr) {
      q = ltx::rotate(q, *rope);
      k = ltx::rotate(k, *rope);
    }
    const auto heads = [&](const at::Tensor& t) {
      return t.unflatten(-1, {config_.num_attention_heads, config_.attention_head_dim}).transpose(1, 2);
    };
    const std::optional<at::Tensor> mask = bias.defined() ? std::optional(bias) : std::nullopt;
    const at::Tensor seen = at::scaled_dot_product_attention(heads(q), heads(k), heads(linear(key + "to_v", to)), mask);
    return linear(key + "to_out.0", seen.transpose(1, 2).flatten(2));
  }
  at::Tensor linear(const std::string& key, const at::Tensor& x) const {
    return at::linear(x, weights_.at(key + ".weight"), weights_.at(key + ".bias"));
  }
  at::Tensor rms(const at::Tensor& x) const {
    const at::Tensor wide = x.to(at::kFloat);
    return (wide * at::rsqrt(wide.square().mean({-1}, true) + config_.norm_eps)).to(x.scalar_type());
  }

  ltx::TransformerConfig config_;
  tensor::WeightMap weights_;
};

void bench_step(Report& report, at::ScalarType dtype) {
  const Setup& setup = report.setup();
  ltx::TransformerConfig config;
  config.num_layers = setup.quick ? 1 : 4;  // of 28
  const ltx::LatentGrid grid{2, 8, 8};
  const int64_t words = 128, tokens = grid.tokens();
  const std::string name = fmt::format("LTX step at 256 x 256, {} x {} tokens, {} layers, {}", 2, tokens,
                                       config.num_layers, dtype == at::kFloat ? "float32" : "bfloat16");
  if (!report.wants(name)) return;

  const tensor::WeightMap weights = ltx::random_transformer_weights(config).to(dtype).to(setup.device);
  const ltx::Transformer model(config, weights);
  const StockLtx stock(config, weights);
  const ltx::RopeTable rope = ltx::rope_table(config, grid, {8 / 25.0, 32, 32}, setup.device);
  const at::Tensor text = at::randn({2, words, config.caption_channels}, setup.floats()).to(dtype);
  at::Tensor mask = at::zeros({2, words}, at::TensorOptions(at::kLong).device(setup.device));
  mask.select(0, 0).narrow(0, 0, 16).fill_(1);  // negative prompt
  mask.select(0, 1).narrow(0, 0, 12).fill_(1);
  const at::Tensor bias = ((1 - mask.to(dtype)) * -10000.0).view({2, 1, 1, words});
  const ltx::TextContext context = model.context(text, mask);
  const at::Tensor x = at::randn({2, tokens, config.in_channels}, setup.floats()).to(dtype);
  at::Tensor timestep = at::full({2, grid.latent_frames}, 700.0, setup.floats());
  timestep.select(1, 0).fill_(0);
  const at::Tensor projected = stock.projected(text);
  const at::Tensor each = timestep.repeat_interleave(grid.tokens_per_frame(), 1);

  const double rows = 2.0 * static_cast<double>(tokens), C = static_cast<double>(config.dim());
  Operation operation{.name = name,
                      .flop = 2 * rows * C * C * 14 * static_cast<double>(config.num_layers),
                      .tolerance = dtype == at::kFloat ? 1e-4 : 0.05};
  operation.candidates.push_back({"rushes", [&] { return model.forward(x, timestep, context, rope); }});
  operation.candidates.push_back({"stock operators", [&] { return stock.forward(x, each, projected, bias, rope); }});
  report.measure(operation);
}

void bench_decode(Report& report, at::ScalarType dtype) {
  const Setup& setup = report.setup();
  const int64_t side = setup.quick ? 4 : 8;
  const std::string name = fmt::format("LTX VAE 0.9.0, decode of 9 frames at {0} x {0}, {1}", 32 * side,
                                       dtype == at::kFloat ? "float32" : "bfloat16");
  if (!report.wants(name)) return;
  const ltx::VaeConfig config;
  const tensor::WeightMap whole = ltx::random_vae_weights(config);
  tensor::WeightMap weights;
  for (const auto& [key, tensor] : whole.tensors())
    if (key.starts_with("decoder.")) weights.set(key, tensor.to(setup.device, dtype));
  const ltx::Vae own(config, weights);
  std::optional<ltx::Vae> stock;
  {
    const nn::StockOperators guard;
    stock.emplace(config, weights);
  }
  const at::Tensor latents = at::randn({1, config.latent_channels, 2, side, side}, setup.floats());
  Operation operation{.name = name, .flop = ltx::decode_flop(config, 2, side, side), .tolerance = 0.1};
  operation.candidates.push_back({"rushes", [&] { return own.decode(latents); }});
  operation.candidates.push_back({"stock operators", [&] { return stock->decode(latents); }});
  report.measure(operation);
}

}  // namespace

void bench_ltx(Report& report) {
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) bench_step(report, dtype);
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) bench_decode(report, dtype);
}

}  // namespace rushes::app::bench
