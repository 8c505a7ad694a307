#include "rushes/training/wan/shipped_model.h"

#include <cmath>

#include "rushes/models/wan/tiny_autoencoder.h"
#include "rushes/tensor/ops.h"

namespace rushes::training {
namespace {

using Tensors = std::map<std::string, at::Tensor>;

void matrix(Tensors& tensors, const std::string& key, int64_t out, int64_t in, double gain = 1) {
  tensors[key] = at::randn({out, in}, at::kFloat) * (gain / std::sqrt(static_cast<double>(in)));
}

void linear(Tensors& tensors, const std::string& key, int64_t out, int64_t in, double gain = 1) {
  matrix(tensors, key + ".weight", out, in, gain);
  tensors[key + ".bias"] = at::zeros({out}, at::kFloat);
}

}  // namespace

wan::TinyAutoencoderConfig shipped_autoencoder() {
  wan::TinyAutoencoderConfig config;
  // Half the picture's size is where edges are placed between pixels: 16 channels there drew them a pixel wide.
  config.decoder_widths = {64, 48, 32, 16};
  config.encoder_width = 32;
  config.latent_channels = 12;
  return config;
}

wan::Umt5Config shipped_text_encoder() {
  wan::Umt5Config config;
  config.vocab = kShippedVocabulary;
  config.dim = 96;
  config.dim_attn = 96;
  config.dim_ffn = 192;
  config.num_heads = 4;
  config.num_layers = 2;
  config.text_len = 40;
  return config;
}

wan::TransformerConfig shipped_transformer() {
  wan::TransformerConfig config;
  config.dim = 256;
  config.ffn_dim = 640;
  config.num_heads = 4;
  config.num_layers = 6;
  config.in_dim = config.out_dim = shipped_autoencoder().latent_channels;
  config.freq_dim = 64;
  config.text_dim = shipped_text_encoder().dim;
  config.text_len = shipped_text_encoder().text_len;
  // Three blocks, itself and the two before: what training shows. With relative positions an endless video never
  // leaves it.
  config.local_attn_size = 9;
  return config;
}

wan::Defaults shipped_defaults() {
  wan::Defaults defaults;
  defaults.denoising_step_list = {1000, 750, 500, 250};
  defaults.warp_denoising_step = true;
  defaults.timestep_shift = 3.0;
  defaults.height = defaults.width = kShippedSide;
  defaults.fps = 16;
  return defaults;
}

// Channels 0..2 carry the colour straight through: the untrained autoencoder already gives back 8x8 block means, and
// training adds the rest. From random weights alone it learns brightness first and hangs there, grey, for long.
void open_colour_path(const std::string& key, at::Tensor& weight) {
  const int64_t inputs = weight.size(1), width = weight.size(2);
  const bool memory = key.find(".conv.4.") != std::string::npos, inner = key.find(".conv.") != std::string::npos;
  if (inner && !memory && width == 3) return;  // inside a memory block: the skip carries the colour
  for (int64_t c = 0; c < 3; ++c) {
    if (width == 1 && weight.size(0) > inputs) {  // growing: every frame gets the same colour
      for (int64_t out = c; out < weight.size(0); out += inputs) weight[out].zero_()[c].fill_(1);
      continue;
    }
    weight[c].zero_();
    if (memory) continue;
    const int64_t frames = width == 1 && inputs > weight.size(0) ? inputs / weight.size(0) : 1;  // pooling: their mean
    for (int64_t f = 0; f < frames; ++f)
      if (width == 1)
        weight[c][c + f * weight.size(0)].fill_(1.0 / static_cast<double>(frames));
      else
        weight[c][c][1][1].fill_(1);
  }
}

Tensors fresh_autoencoder(const wan::TinyAutoencoderConfig& config) {
  Tensors tensors;
  for (const auto& [key, shape] : wan::parameter_shapes(config)) {
    if (shape.size() == 1) {
      tensors[key] = at::zeros(shape, at::kFloat);
      continue;
    }
    const double fan_in = static_cast<double>(shape[1] * shape[2] * shape[3]);
    const bool mixes = shape[2] == 1;  // 1x1 of pooling and growing: no ReLU behind
    const bool closes = key.find("conv.4.") != std::string::npos;
    at::Tensor weight = at::randn(shape, at::kFloat) * ((closes ? 0.3 : 1.0) * std::sqrt((mixes ? 1.0 : 2.0) / fan_in));
    open_colour_path(key, weight);
    tensors[key] = weight;
  }
  // Latents of the colour path are 4 (rgb - 1/2): about unit variance, within the decoder's clamp.
  tensors["encoder.17.weight"].narrow(0, 0, 3).mul_(4);
  tensors["encoder.17.bias"].narrow(0, 0, 3).fill_(-2);
  tensors["decoder.1.weight"].narrow(0, 0, 3).div_(4);
  tensors["decoder.1.bias"].narrow(0, 0, 3).fill_(0.5);
  return tensors;
}

Tensors fresh_text_encoder(const wan::Umt5Config& config) {
  Tensors tensors;
  tensors["token_embedding.weight"] = at::randn({config.vocab, config.dim}, at::kFloat);
  tensors["norm.weight"] = at::ones({config.dim}, at::kFloat);
  for (int64_t i = 0; i < config.num_layers; ++i) {
    const std::string block = "blocks." + std::to_string(i) + ".";
    tensors[block + "norm1.weight"] = at::ones({config.dim}, at::kFloat);
    tensors[block + "norm2.weight"] = at::ones({config.dim}, at::kFloat);
    // Attention is not scaled by the head size: queries begin small instead.
    const double head = static_cast<double>(config.dim_attn / config.num_heads);
    matrix(tensors, block + "attn.q.weight", config.dim_attn, config.dim, 1 / std::sqrt(head));
    matrix(tensors, block + "attn.k.weight", config.dim_attn, config.dim);
    matrix(tensors, block + "attn.v.weight", config.dim_attn, config.dim);
    matrix(tensors, block + "attn.o.weight", config.dim, config.dim_attn, 0.5);
    matrix(tensors, block + "ffn.gate.0.weight", config.dim_ffn, config.dim);
    matrix(tensors, block + "ffn.fc1.weight", config.dim_ffn, config.dim);
    matrix(tensors, block + "ffn.fc2.weight", config.dim, config.dim_ffn, 0.5);
    tensors[block + "pos_embedding.embedding.weight"] =
        at::randn({config.num_buckets, config.num_heads}, at::kFloat) * 0.3;
  }
  return tensors;
}

Tensors fresh_transformer(const wan::TransformerConfig& config) {
  Tensors tensors;
  const int64_t dim = config.dim;
  const auto [pt, ph, pw] = config.patch_size;
  const int64_t patch = pt * ph * pw;
  tensors["patch_embedding.weight"] =
      at::randn({dim, config.in_dim, pt, ph, pw}, at::kFloat) / std::sqrt(static_cast<double>(config.in_dim * patch));
  tensors["patch_embedding.bias"] = at::zeros({dim}, at::kFloat);
  linear(tensors, "text_embedding.0", dim, config.text_dim);
  linear(tensors, "text_embedding.2", dim, dim);
  linear(tensors, "time_embedding.0", dim, config.freq_dim);
  linear(tensors, "time_embedding.2", dim, dim);
  linear(tensors, "time_projection.1", 6 * dim, dim, 0.2);
  linear(tensors, "head.head", patch * config.out_dim, dim, 0.1);
  tensors["head.modulation"] = at::zeros({1, 2, dim}, at::kFloat);
  for (int64_t i = 0; i < config.num_layers; ++i) {
    const std::string block = "blocks." + std::to_string(i) + ".";
    // Shifts and scales begin at zero, gates at a half: blocks contribute from the first step on.
    at::Tensor modulation = at::zeros({1, 6, dim}, at::kFloat);
    modulation.select(1, 2).fill_(0.5);
    modulation.select(1, 5).fill_(0.5);
    tensors[block + "modulation"] = modulation;
    for (const std::string part : {"self_attn.", "cross_attn."}) {
      for (const std::string leaf : {"q", "k", "v"}) linear(tensors, block + part + leaf, dim, dim);
      linear(tensors, block + part + "o", dim, dim, 0.5);
      tensors[block + part + "norm_q.weight"] = at::ones({dim}, at::kFloat);
      tensors[block + part + "norm_k.weight"] = at::ones({dim}, at::kFloat);
    }
    tensors[block + "norm3.weight"] = at::ones({dim}, at::kFloat);
    tensors[block + "norm3.bias"] = at::zeros({dim}, at::kFloat);
    linear(tensors, block + "ffn.0", config.ffn_dim, dim);
    linear(tensors, block + "ffn.2", dim, config.ffn_dim, 0.5);
  }
  return tensors;
}

}  // namespace rushes::training
