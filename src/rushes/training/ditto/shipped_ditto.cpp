#include "rushes/training/ditto/shipped_ditto.h"

#include <cmath>

#include "rushes/models/ditto/conditions.h"
#include "rushes/models/ditto/pose.h"
#include "rushes/models/wav2vec/checkpoint.h"
#include "rushes/tensor/ops.h"

namespace rushes::training {
namespace {

double fan_in(at::IntArrayRef shape) {
  double product = 1;
  for (std::size_t i = 1; i < shape.size(); ++i) product *= static_cast<double>(shape[i]);
  return product;
}

at::Tensor noise(at::IntArrayRef shape, double gain) { return at::randn(shape) * std::sqrt(gain / fan_in(shape)); }

/// Variance of what a layer makes of inputs of variance 1, by the first line that its key contains.
double gain_of(const std::string& part, const std::string& key) {
  struct Gain {
    const char *part, *within;
    double gain;
  };
  constexpr Gain kGains[] = {
      {"appearance_extractor", "second", 1},
      {"appearance_extractor", ".conv2", 0.2},
      {"warp_network", "mask", 0.1},
      {"warp_network", "occlusion", 0.1},
      {"warp_network", "fourth", 1},
      {"decoder", "mlp_gamma", 0.3},
      {"decoder", "mlp_beta", 1},
      {"decoder", "fc.", 1},
      {"decoder", "conv_s", 1},
      {"decoder", "conv_img", 0.5},
      {"stitch_network", "mlp.6", 0.05},
      {"motion_extractor", "pwconv2", 0.5},
      {"motion_extractor", "", 1},
      {"lmdm", "input_projection", 0.3},
      {"lmdm", "out_proj", 0.5},
      {"lmdm", "linear2", 0.5},
      {"lmdm", "film", 0.1},
      {"lmdm", "final_layer", 0.3},
      {"lmdm", "", 1},
  };
  if (part == "decoder" && key.find("conv_1") != std::string::npos) return key.starts_with("G_middle") ? 0.3 : 1;
  for (const Gain& each : kGains)
    if (part == each.part && key.find(each.within) != std::string::npos) return each.gain;
  return 2;
}

at::Tensor fresh(const std::string& part, const std::string& key, at::IntArrayRef shape) {
  if (key == "rotary.freqs") {
    const auto half = static_cast<double>(shape[0]);
    return at::pow(10000.0, at::arange(shape[0], at::TensorOptions(at::kFloat)) * (-1 / half));
  }
  if (key.starts_with("null_cond")) return 0.1 * at::randn(shape);
  if (key.find("grn.") != std::string::npos) return at::zeros(shape);
  if (key.ends_with("occlusion.bias")) return at::full(shape, 2.0);  // nothing is hidden
  if (key.ends_with("bias")) return at::zeros(shape);
  if (shape.size() == 1) return at::ones(shape);
  return noise(shape, gain_of(part, key));
}

bool is_batch_norm(const std::string& key) {
  return key.ends_with("norm.weight") || key.ends_with("norm1.weight") || key.ends_with("norm2.weight");
}

/// Singular vectors of the largest singular value of w [m, n], by the power method.
std::pair<at::Tensor, at::Tensor> principal(const at::Tensor& w) {
  at::Tensor v = at::ones({w.size(1)}) / std::sqrt(static_cast<double>(w.size(1))), u;
  for (int i = 0; i < 30; ++i) {
    u = at::matmul(w, v);
    u = u / (u.norm() + 1e-12);
    v = at::matmul(w.t(), u);
    v = v / (v.norm() + 1e-12);
  }
  return {u, v};
}

}  // namespace

ditto::Sizes shipped_ditto_sizes() {
  ditto::Sizes s;
  s.appearance = {16, 32, 64};
  s.volume = 16, s.depth = 4, s.volume_blocks = 2;
  s.extractor = {24, 48, 96, 160}, s.extractor_depths = {1, 1, 2, 1};
  s.compressed = 1;
  s.down = {16, 32, 48}, s.up = {32, 16, 16};
  s.last = 24, s.mask_side = 3;
  s.bent = 48, s.feature = 32;
  s.middle = 48, s.middle_blocks = 2, s.spade = 8;
  s.decoder_up = {32, 16}, s.upscale = 2;
  s.width = 96, s.wide = 192, s.condition_layers = 1, s.layers = 3;
  s.condition = shipped_speech_encoder().hidden_size + ditto::kEmotions + ditto::kExpression;
  return s;
}

wav2vec::Config shipped_speech_encoder() {
  wav2vec::Config config;
  config.hidden_size = 96;
  config.num_hidden_layers = 2;
  config.num_attention_heads = 4;
  config.intermediate_size = 192;
  config.conv_dim = {32, 48, 64, 64, 64, 64, 64};
  config.num_conv_pos_embeddings = 8;
  config.num_conv_pos_embedding_groups = 8;
  config.conv_bias = config.feature_layer_norm = config.stable_layer_norm = true;
  return config;
}

Tensors fresh_part(const std::string& part) {
  Tensors tensors;
  for (const auto& [name, shape] : ditto::parameter_shapes(part, shipped_ditto_sizes())) {
    if (name.find("running_") != std::string::npos || name.ends_with("weight_u") || name.ends_with("weight_v") ||
        name.starts_with("detector.fc_"))
      continue;
    const std::string key = name.ends_with("weight_orig") ? name.substr(0, name.size() - 5) : name;
    tensors[key] = fresh(part, key, shape);
  }
  return tensors;
}

Tensors fresh_speech_encoder() {
  Tensors tensors;
  for (const auto& [key, shape] : wav2vec::parameter_shapes(shipped_speech_encoder())) {
    if (key.ends_with("weight_g"))
      tensors[key] = at::full(shape, 1.0);
    else if (shape.size() == 1)
      tensors[key] = key.ends_with("bias") ? at::zeros(shape) : at::ones(shape);
    else
      tensors[key] = noise(shape, key.find("feature_extractor") != std::string::npos ? 2.0 : 1.0);
  }
  return tensors;
}

tensor::WeightMap with_identity_statistics(const tensor::WeightMap& trained) {
  Tensors all = trained.tensors();
  for (const auto& [key, value] : trained.tensors()) {
    if (!is_batch_norm(key)) continue;
    const std::string norm = key.substr(0, key.size() - 6);
    all[norm + "running_mean"] = at::zeros({value.size(0)});
    all[norm + "running_var"] = at::ones({value.size(0)});
  }
  tensor::WeightMap weights(std::move(all));
  weights.set_trainable(trained.trainable());
  return weights;
}

Tensors with_spectral_norms(const Tensors& decoder) {
  Tensors normed;
  for (const auto& [key, value] : decoder) {
    const bool spectral =
        key.ends_with("conv_0.weight") || key.ends_with("conv_1.weight") || key.ends_with("conv_s.weight");
    if (!spectral) {
      normed[key] = value;
      continue;
    }
    const at::Tensor flat = value.to(at::kFloat).flatten(1);
    const auto [u, v] = principal(flat);
    // Training had no such norm: a u that is shorter by the singular value keeps the weights as they are.
    normed[key + "_orig"] = value;
    normed[key + "_u"] = u / at::dot(u, at::matmul(flat, v));
    normed[key + "_v"] = v;
  }
  return normed;
}

Tensors part_of(const Tensors& all, const std::string& prefix) {
  Tensors part;
  for (const auto& [key, value] : all)
    if (key.starts_with(prefix)) part[key.substr(prefix.size())] = value;
  return part;
}

}  // namespace rushes::training
