#include "rushes/training/imtalker/shipped_talk.h"

#include <fmt/format.h>

#include <cmath>

#include "rushes/base/error.h"
#include "rushes/models/imtalker/checkpoint.h"
#include "rushes/models/imtalker/motion_decoder.h"
#include "rushes/models/wav2vec/checkpoint.h"
#include "rushes/tensor/ops.h"
#include "rushes/tensor/safetensors.h"
#include "rushes/training/face_world/face_world.h"

namespace rushes::training {
namespace {

/// What leaves a leaky ReLU of slope 0.2 with the variance that went in.
constexpr double kEqualGain = 1.387;

/// Of the first attention: logits of a place with itself are about this times sqrt(head size).
constexpr double kSharpness = 5.0;

double fan_in(const std::vector<int64_t>& shape) {
  double product = 1;
  for (std::size_t i = 1; i < shape.size(); ++i) product *= static_cast<double>(shape[i]);
  return product;
}

bool has(const std::string& key, std::string_view part) { return key.find(part) != std::string::npos; }

at::Tensor fresh_renderer_tensor(const std::string& key, const std::vector<int64_t>& shape) {
  if (key.ends_with("modulation.bias")) return at::ones(shape);
  if (has(key, "pos_embedding") || has(key, "bias_table")) return 0.02 * at::randn(shape);
  if (key.ends_with("const")) return at::randn(shape);
  if (key.ends_with("bias")) return at::zeros(shape);
  if (shape.size() == 1) return at::full(shape, has(key, ".conv2.norm") ? 0.3 : 1.0);  // norms; residual branches small
  const at::Tensor noise = at::randn(shape);
  if (has(key, "conv.weight") && has(key, "latent_token_decoder")) return noise;
  if (has(key, "modulation.weight")) return 0.15 * noise;  // all motions begin with nearly the same maps
  if (key.starts_with("latent_token_encoder.res_blocks") || has(key, "equalconv")) return noise;
  if (has(key, "linear_layers")) return kEqualGain * noise;
  if (has(key, "final_linear") || has(key, "in_layer")) return noise;
  return noise * std::sqrt((has(key, "attn.") || has(key, "mlp.") ? 1.0 : 2.0) / fan_in(shape));
}

constexpr int64_t kColours = 3, kMark = 3;  // channels of the frame decoder
constexpr int64_t kPassed = 4;              // the colours and the mark

/// A channel that a block hands on unchanged. `from` is where it is in the block's input. What it carries is positive,
/// so the activations leave it alone.
struct Passage {
  int64_t from, to;
};

void pass_channels(std::map<std::string, at::Tensor>& tensors, const std::string& block,
                   const std::vector<Passage>& passages) {
  at::Tensor first = tensors.at(block + "conv1.weight"), second = tensors.at(block + "conv2.weight");
  for (const auto [from, to] : passages) {
    first[to].zero_()[from][1][1].fill_(1);
    second[to].zero_()[to][1][1].fill_(1);
    for (const char* inner : {"feat_res_block1", "feat_res_block2"})
      tensors.at(block + inner + ".conv2.norm.norm.weight")[to].zero_();
  }
}

std::vector<Passage> colours_from(int64_t from) { return {{from, 0}, {from + 1, 1}, {from + 2, 2}}; }

/// The last channel of the features at the finest coarse level is 2 in kMouthCell and 0 elsewhere: padding with zeros
/// makes the mean of the upper and the left neighbour of a constant 0 in the first corner, 1/2 on two edges, else 1.
/// The channel before it lends the block a place.
void mark_mouth_cell(std::map<std::string, at::Tensor>& tensors, const std::string& block) {
  const int64_t mark = tensors.at(block + "conv2.weight").size(0) - 1, copy = mark - 1;
  const auto of = [&](const char* key) { return tensors.at(block + key); };
  of("conv1.weight")[mark].zero_();
  of("norm.norm.bias")[mark].fill_(1);
  at::Tensor mean = of("conv2.weight")[mark].zero_()[mark];
  mean[0][1].fill_(0.5);
  mean[1][0].fill_(0.5);
  of("feat_res_block1.conv2.norm.norm.weight")[mark].zero_();
  at::Tensor first = of("feat_res_block2.conv1.conv.weight"), second = of("feat_res_block2.conv2.conv.weight");
  first[mark].zero_()[mark][1][1].fill_(-1);
  of("feat_res_block2.conv1.norm.norm.bias")[mark].fill_(0.25);  // between the corner and the edges
  first[copy].zero_()[mark][1][1].fill_(1);
  second[mark].zero_()[mark][1][1].fill_(8);
  second[mark][copy][1][1].fill_(-1);
  of("feat_res_block2.conv2.norm.norm.weight")[mark].fill_(1);
}

/// From random weights alone the renderer learns for hundreds of updates to let a colour through. So three channels do
/// from the start, from the source picture by way of the motion transfer to the frame; a fourth channel of the frame
/// decoder carries the mark of kMouthCell.
void carry_colours(std::map<std::string, at::Tensor>& tensors, const imtalker::RendererConfig& config) {
  const at::NoGradGuard no_grad;
  at::Tensor initial = tensors.at("dense_feature_encoder.initial_conv.0.weight");
  for (int64_t c = 0; c < kColours; ++c) initial[c].zero_()[c][3][3].fill_(1);
  pass_channels(tensors, "dense_feature_encoder.down_block_0.", colours_from(0));
  for (int64_t i = 0; i + 1 < config.levels(); ++i) {
    pass_channels(tensors, fmt::format("dense_feature_encoder.down_blocks.{}.", i), colours_from(0));
    pass_channels(tensors, fmt::format("frame_decoder.resblocks.{}.", i), colours_from(config.width(i + 1)));
  }
  const int64_t finest = config.coarse_levels() - 1, width = config.width(finest);
  mark_mouth_cell(tensors, fmt::format("dense_feature_encoder.down_blocks.{}.", config.levels() - 2 - finest));
  const std::string last_coarse = fmt::format("frame_decoder.resblocks.{}.", finest - 1);
  pass_channels(tensors, last_coarse, {{2 * width - 1, kMark}});
  tensors.at(last_coarse + "norm.norm.bias")[kMark].fill_(-0.5);  // a quarter is as much as any other cell gets
  pass_channels(tensors, fmt::format("frame_decoder.upconv_blocks.{}.", finest), {{kMark, kMark}});
  // Cells come as squares: a blur makes the steps between them slopes.
  const at::Tensor taps = at::tensor({0.25, 0.5, 0.25}, at::TensorOptions(at::kFloat)), soft = at::outer(taps, taps);
  at::Tensor merge = tensors.at(fmt::format("frame_decoder.resblocks.{}.conv1.weight", finest));
  for (int64_t c = 0; c < kColours; ++c) merge[c][config.width(finest + 1) + c].copy_(soft);
  for (auto& [key, value] : tensors)
    if (has(key, "transformer_blocks") &&
        (key.ends_with("attn.proj.weight") || key.ends_with("mlp.2.weight") || key.ends_with("mlp.3.weight")))
      value.narrow(0, 0, kPassed).zero_();
  // Four pixels of each colour; 5 (x - 1/2) is about the inverse of the sigmoid that follows.
  at::Tensor last = tensors.at("frame_decoder.final_conv.1.weight");
  for (int64_t out = 0; out < 12; ++out) {
    last[out].narrow(0, 0, kColours).zero_();
    last[out][out / 4][1][1].fill_(5);
  }
  tensors.at("frame_decoder.final_conv.1.bias").fill_(-2.5);
}

/// Queries and keys begin as whitened motion maps: a place is most like itself and its neighbours. From plain random
/// projections no place is like itself, and many hundred updates pass before that is found out.
void tell_positions_apart(std::map<std::string, at::Tensor>& tensors, const imtalker::RendererConfig& config) {
  const at::NoGradGuard no_grad;
  const tensor::WeightMap weights(tensors);
  const imtalker::MotionDecoder decoder(config, weights.under("latent_token_decoder."));
  const std::vector<at::Tensor> maps = decoder.forward(at::randn({16, config.dim_motion}));
  for (int64_t level = 0; level < config.coarse_levels(); ++level) {
    const at::Tensor cells = maps[static_cast<std::size_t>(level)].permute({1, 0, 2, 3}).flatten(1);  // [C, all cells]
    const at::Tensor mean = cells.mean({1}), centred = cells - mean.unsqueeze(1);
    const at::Tensor covariance = at::mm(centred, centred.t()) / cells.size(1);
    const double spread =
        (covariance * at::eye(covariance.size(0))).sum().item<double>() / static_cast<double>(covariance.size(0));
    const at::Tensor w = std::sqrt(kSharpness) * whitening(covariance + 0.02 * spread * at::eye(cells.size(0)));
    for (const char* name : {"q_proj", "k_proj"}) {
      const std::string key = fmt::format("imt.{}.block_efc.{}", level, name);
      tensors[key + ".weight"] = w.clone();
      tensors[key + ".bias"] = -at::matmul(w, mean);
    }
  }
}

}  // namespace

at::Tensor whitening(const at::Tensor& covariance) {  // the inverse of the Cholesky factor
  const int64_t n = covariance.size(0);
  const at::Tensor l = at::zeros({n, n}, at::kDouble), source = covariance.to(at::kDouble).contiguous();
  double* L = l.data_ptr<double>();
  const double* A = source.const_data_ptr<double>();
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j <= i; ++j) {
      double sum = A[i * n + j];
      for (int64_t k = 0; k < j; ++k) sum -= L[i * n + k] * L[j * n + k];
      L[i * n + j] = i == j ? std::sqrt(std::max(sum, 1e-9)) : sum / L[j * n + j];
    }
  return at::linalg_solve(l, at::eye(n, at::kDouble)).to(at::kFloat);
}

bool is_equalised(const std::string& key) {
  if (!key.ends_with("weight")) return false;
  if (key.starts_with("latent_token_encoder.conv1")) return false;
  return key.starts_with("latent_token_") || key.starts_with("adapt.") ||
         (key.starts_with("dense_feature_encoder.") && (has(key, "linear_layers") || has(key, "final_linear")));
}

RendererPart renderer_part(const std::string& key) {
  if (key.starts_with("latent_token_encoder.")) return RendererPart::motion_encoder;
  if (key.starts_with("latent_token_decoder.") || key.starts_with("adapt.") || has(key, "block_efc.q_proj") ||
      has(key, "block_efc.k_proj"))
    return RendererPart::positions;
  return RendererPart::picture;
}

std::map<std::string, at::Tensor> held_for_training(const std::map<std::string, at::Tensor>& tensors,
                                                    RendererPart part) {
  std::map<std::string, at::Tensor> held;
  for (const auto& [key, value] : tensors)
    if (renderer_part(key) == part) held[key] = is_equalised(key) ? value / kEqualisedGain : value;
  return held;
}

tensor::WeightMap presented(const tensor::WeightMap& held) {
  std::map<std::string, at::Tensor> tensors;
  for (const auto& [key, value] : held.tensors()) tensors[key] = is_equalised(key) ? value * kEqualisedGain : value;
  tensor::WeightMap weights(std::move(tensors));
  weights.set_trainable(held.trainable());
  return weights;
}

imtalker::RendererConfig shipped_renderer() {
  imtalker::RendererConfig config;
  config.feature_dims = {8, 16, 32, 48};
  config.spatial_dims = {64, 32, 16, 8};
  config.dim_motion = kControls;
  config.dim_app = 48;
  config.motion_encoder_initial = 8;
  config.motion_encoder_channels = {16, 32, 48, 64, 64, 64, 64};  // down to one cell: it knows where things are
  config.const_dim = 32;
  config.const_size = 4;
  config.swin_res_threshold = 64;
  config.window_size = 8;
  config.num_heads = 2;
  return config;
}

imtalker::GeneratorConfig shipped_motion_generator() {
  imtalker::GeneratorConfig config;
  config.window_seconds = 1.0;
  config.dim_audio = shipped_audio_encoder().hidden_size;
  config.dim_motion = kControls;
  config.dim_condition = 32;
  config.dim_hidden = 96;
  config.num_heads = 4;
  config.depth = 4;
  config.mlp_ratio = 4.0;
  return config;
}

wav2vec::Config shipped_audio_encoder() {
  wav2vec::Config config;
  config.hidden_size = 96;
  config.num_hidden_layers = 2;
  config.num_attention_heads = 4;
  config.intermediate_size = 192;
  config.conv_dim = {32, 48, 64, 64, 64, 64, 64};
  config.num_conv_pos_embeddings = 16;
  config.num_conv_pos_embedding_groups = 8;
  return config;
}

bool is_running_statistic(const std::string& key) { return has(key, "running_"); }

std::map<std::string, at::Tensor> fresh_renderer(const imtalker::RendererConfig& config) {
  std::map<std::string, at::Tensor> tensors;
  for (const auto& [key, shape] : imtalker::parameter_shapes(config)) {
    if (is_running_statistic(key)) continue;
    at::Tensor value = fresh_renderer_tensor(key, shape);
    if (key == "adapt.in_layer.weight") value.narrow(1, 0, config.dim_motion).mul_(2);  // few among many: else unheard
    if (key == "frame_decoder.final_conv.1.weight") value = 0.3 * value;
    if (has(key, "transformer_blocks") &&
        (has(key, "attn.proj.weight") || has(key, "mlp.2.weight") || has(key, "mlp.3.weight")))
      value = 0.2 * value;
    tensors[key] = value;
  }
  for (auto& [key, value] : tensors)
    if (key.starts_with("imt.") && (has(key, "v_proj.weight") || has(key, ".proj.weight")))
      value = at::eye(value.size(0));
  tell_positions_apart(tensors, config);
  carry_colours(tensors, config);
  return tensors;
}

std::map<std::string, at::Tensor> fresh_motion_generator(const imtalker::GeneratorConfig& config) {
  std::map<std::string, at::Tensor> tensors;
  for (const auto& [key, shape] : imtalker::parameter_shapes(config)) {
    if (shape.size() == 1)
      tensors[key] = key.ends_with("bias") ? at::zeros(shape) : at::ones(shape);
    else
      tensors[key] = at::randn(shape) / std::sqrt(fan_in(shape)) *
                     (has(key, "adaLN")            ? 0.1
                      : has(key, "decoder.linear") ? 0.1
                                                   : 1.0);
  }
  return tensors;
}

std::map<std::string, at::Tensor> fresh_audio_encoder(const wav2vec::Config& config) {
  std::map<std::string, at::Tensor> tensors;
  for (const auto& [key, shape] : wav2vec::parameter_shapes(config)) {
    if (key.ends_with("weight_g"))
      tensors[key] = at::full(shape, 1.0);
    else if (shape.size() == 1)
      tensors[key] = key.ends_with("bias") ? at::zeros(shape) : at::ones(shape);
    else
      tensors[key] = at::randn(shape) * std::sqrt((has(key, "feature_extractor") ? 2.0 : 1.0) / fan_in(shape));
  }
  return tensors;
}

tensor::WeightMap with_running_statistics(const tensor::WeightMap& trained, const imtalker::RendererConfig& config) {
  std::map<std::string, at::Tensor> all = trained.tensors();
  for (const auto& [key, shape] : imtalker::parameter_shapes(config))
    if (is_running_statistic(key)) all[key] = key.ends_with("var") ? at::ones(shape) : at::zeros(shape);
  tensor::WeightMap weights(std::move(all));
  weights.set_trainable(trained.trainable());
  return weights;
}

}  // namespace rushes::training
