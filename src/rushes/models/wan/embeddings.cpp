#include "rushes/models/wan/embeddings.h"

#include "rushes/base/error.h"
#include "rushes/tensor/ops.h"

namespace rushes::wan {

at::Tensor time_sinusoid(const at::Tensor& t, int64_t freq_dim) {
  const int64_t half = freq_dim / 2;
  const at::Tensor k = at::arange(half, at::TensorOptions(at::kDouble).device(t.device()));
  const at::Tensor angle = t.to(at::kDouble).unsqueeze(-1) * at::pow(10000.0, k / static_cast<double>(-half));
  return at::cat({at::cos(angle), at::sin(angle)}, -1);
}

TimeEmbedder::TimeEmbedder(const TransformerConfig& config, const tensor::WeightMap& weights)
    : freq_dim_(config.freq_dim),
      dim_(config.dim),
      in_w_(weights.at("time_embedding.0.weight", {config.dim, config.freq_dim})),
      in_b_(weights.at("time_embedding.0.bias", {config.dim})),
      out_w_(weights.at("time_embedding.2.weight", {config.dim, config.dim})),
      out_b_(weights.at("time_embedding.2.bias", {config.dim})),
      projection_w_(weights.at("time_projection.1.weight", {6 * config.dim, config.dim})),
      projection_b_(weights.at("time_projection.1.bias", {6 * config.dim})) {}

TimeEmbedding TimeEmbedder::forward(const at::Tensor& t) const {
  const at::Tensor sinusoid = time_sinusoid(t, freq_dim_).to(in_w_.scalar_type());
  const at::Tensor e = at::linear(at::silu(at::linear(sinusoid, in_w_, in_b_)), out_w_, out_b_);
  const at::Tensor e0 = at::linear(at::silu(e), projection_w_, projection_b_);
  return {e, e0.view({t.size(0), t.size(1), 6, dim_})};
}

TextEmbedder::TextEmbedder(const TransformerConfig& config, const tensor::WeightMap& weights)
    : text_len_(config.text_len),
      text_dim_(config.text_dim),
      in_w_(weights.at("text_embedding.0.weight", {config.dim, config.text_dim})),
      in_b_(weights.at("text_embedding.0.bias", {config.dim})),
      out_w_(weights.at("text_embedding.2.weight", {config.dim, config.dim})),
      out_b_(weights.at("text_embedding.2.bias", {config.dim})) {}

at::Tensor TextEmbedder::forward(const at::Tensor& text) const {
  require(text.dim() == 3 && text.size(1) <= text_len_ && text.size(2) == text_dim_, ErrorCode::invalid_argument,
          "encoded text must be [B, L, {}] with at most {} rows, got {} axes, last extents {} x {}", text_dim_,
          text_len_, text.dim(), text.size(-2), text.size(-1));
  const at::Tensor padded = at::constant_pad_nd(text.to(in_w_.scalar_type()), {0, 0, 0, text_len_ - text.size(1)}, 0);
  return at::linear(at::gelu(at::linear(padded, in_w_, in_b_), "tanh"), out_w_, out_b_);
}

ImageEmbedder::ImageEmbedder(const TransformerConfig& config, const tensor::WeightMap& weights)
    : norm_in_w_(weights.at("img_emb.proj.0.weight", {config.image_dim})),
      norm_in_b_(weights.at("img_emb.proj.0.bias", {config.image_dim})),
      in_w_(weights.at("img_emb.proj.1.weight", {config.image_dim, config.image_dim})),
      in_b_(weights.at("img_emb.proj.1.bias", {config.image_dim})),
      out_w_(weights.at("img_emb.proj.3.weight", {config.dim, config.image_dim})),
      out_b_(weights.at("img_emb.proj.3.bias", {config.dim})),
      norm_out_w_(weights.at("img_emb.proj.4.weight", {config.dim})),
      norm_out_b_(weights.at("img_emb.proj.4.bias", {config.dim})) {}

at::Tensor ImageEmbedder::forward(const at::Tensor& tokens) const {
  require(tokens.dim() == 3 && tokens.size(2) == norm_in_w_.size(0), ErrorCode::invalid_argument,
          "image tokens must be [B, 257, {}], got {} axes, last extent {}", norm_in_w_.size(0), tokens.dim(),
          tokens.size(-1));
  constexpr double kEps = 1e-5;  // the MLP's own norms; those of the blocks have 1e-6
  const at::Tensor x = at::layer_norm(tokens.to(in_w_.scalar_type()), {tokens.size(2)}, norm_in_w_, norm_in_b_, kEps);
  const at::Tensor y = at::linear(at::gelu(at::linear(x, in_w_, in_b_)), out_w_, out_b_);
  return at::layer_norm(y, {y.size(2)}, norm_out_w_, norm_out_b_, kEps);
}

at::Tensor patchify(const at::Tensor& latents, const TransformerConfig& config) {
  const auto [pt, ph, pw] = config.patch_size;
  require(latents.dim() == 5 && latents.size(1) == config.in_dim && latents.size(2) % pt == 0 &&
              latents.size(3) % ph == 0 && latents.size(4) % pw == 0,
          ErrorCode::invalid_argument,
          "latents must be [B, {}, F, h, w] with F, h, w multiples of {}, {}, {}; got {} axes and {} channels",
          config.in_dim, pt, ph, pw, latents.dim(), latents.dim() > 1 ? latents.size(1) : 0);
  const int64_t B = latents.size(0), C = latents.size(1);
  const int64_t f = latents.size(2) / pt, h = latents.size(3) / ph, w = latents.size(4) / pw;
  return latents.reshape({B, C, f, pt, h, ph, w, pw})
      .permute({0, 2, 4, 6, 1, 3, 5, 7})
      .reshape({B, f * h * w, C * pt * ph * pw});
}

at::Tensor unpatchify(const at::Tensor& tokens, int64_t latent_frames, int64_t height, int64_t width,
                      const TransformerConfig& config) {
  const auto [pt, ph, pw] = config.patch_size;
  const int64_t B = tokens.size(0), C = config.out_dim;
  return tokens.reshape({B, latent_frames / pt, height / ph, width / pw, pt, ph, pw, C})
      .permute({0, 7, 1, 4, 2, 5, 3, 6})
      .reshape({B, C, latent_frames, height, width});
}

at::Tensor i2v_condition(const at::Tensor& image_latent) {
  require(image_latent.dim() == 4 && image_latent.size(0) == 16, ErrorCode::invalid_argument,
          "the code of an image must be [16, F, h, w], got {} axes", image_latent.dim());
  constexpr int64_t kMaskChannels = 4;  // one for each video frame of a latent frame
  at::Tensor mask = at::zeros({kMaskChannels, image_latent.size(1), image_latent.size(2), image_latent.size(3)},
                              image_latent.options());
  mask.select(1, 0).fill_(1);
  return at::cat({mask, image_latent}, 0);
}

}  // namespace rushes::wan
