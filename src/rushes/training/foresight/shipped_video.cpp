#include "rushes/training/foresight/shipped_video.h"

#include <fmt/format.h>

#include <cmath>
#include <functional>

#include "rushes/models/ltx/transformer.h"
#include "rushes/models/t5/t5_encoder.h"
#include "rushes/tensor/ops.h"
#include "rushes/tensor/safetensors.h"
#include "rushes/text/train_unigram.h"
#include "rushes/training/foresight/foresight_world.h"
#include "rushes/training/precision.h"

namespace rushes::training {
namespace {

namespace fs = std::filesystem;
using Tensors = std::map<std::string, at::Tensor>;

// The sampler draws from the posterior: of a width that a decoder which has learnt to bear more does not show.
constexpr double kPosteriorWidth = 0.03;

// So that questions outside the grammar split into something better than letters.
constexpr std::string_view kOrdinaryWords =
    "the of and to in is you that it he she was for on are as with his her they at be this have from or one by word "
    "not what all were we when your can said there use an each which how their if will up other about out many then "
    "picture image scene describe show please think guess happen soon later move push pull drop throw kick touch turn "
    "spin roll jump fly left right above below under over between near far big small colour shape thing object";

Tensors fresh(const tensor::Shapes& shapes, const std::function<double(const std::string&)>& gain) {
  Tensors tensors;
  for (const auto& [key, shape] : shapes) {
    if (shape.size() < 2) {
      tensors[key] = key.find("norm") != std::string::npos && key.ends_with("weight") ? at::ones(shape, at::kFloat)
                                                                                      : at::zeros(shape, at::kFloat);
      continue;
    }
    double inputs = 1;
    for (std::size_t axis = 1; axis < shape.size(); ++axis) inputs *= static_cast<double>(shape[axis]);
    tensors[key] = at::randn(shape, at::kFloat) * (gain(key) / std::sqrt(inputs));
  }
  return tensors;
}

Tensors fresh_transformer() {
  Tensors all = fresh(ltx::parameter_shapes(foresight_transformer()), [](const std::string& key) {
    if (key == "proj_out.weight") return 0.1;
    if (key == "time_embed.linear.weight") return 0.2;
    return key.find("to_out") != std::string::npos || key.find("ff.net.2") != std::string::npos ? 0.5 : 1.0;
  });
  for (auto& [key, value] : all) {
    if (key.find("scale_shift_table") == std::string::npos) continue;
    value.zero_();
    // Gates begin at a half: blocks contribute from the first step on.
    if (value.size(0) == 6) value[2].fill_(0.5), value[5].fill_(0.5);
  }
  return all;
}

Tensors fresh_text_encoder() {
  const t5::Config config = foresight_text_encoder();
  return fresh(t5::parameter_shapes(config), [&](const std::string& key) {
    if (key == "shared.weight") return std::sqrt(static_cast<double>(config.d_model));
    // Attention is not scaled by the head size: queries begin small instead.
    if (key.ends_with("SelfAttention.q.weight")) return 1 / std::sqrt(static_cast<double>(config.d_kv));
    if (key.find("relative_attention_bias") != std::string::npos) return 0.3;
    return key.ends_with("o.weight") || key.ends_with("wo.weight") ? 0.5 : 1.0;
  });
}

// The present frame and the middle of a convolution's view.
at::Tensor middle(at::Tensor& weight, int64_t out) {
  return weight[out].zero_().select(1, 2).select(1, 1).select(1, 1);
}

// The untrained autoencoder already gives back the mean colours of blocks, and training adds the rest; from random
// weights alone it hangs grey for long. Red, green and blue go through as +x and -x beside channels that are constant:
// those make the norms nearly constant, and silu(x) - silu(-x) = x.
void open_colour_path(Tensors& all) {
  constexpr double kSize = 1.6, kEncoderConstant = 4, kDecoderConstant = 2.83;  // mean squares of about 1
  at::Tensor &in = all.at("encoder.conv_in.conv.weight"), &latent = all.at("encoder.conv_out.conv.weight"),
             &from = all.at("decoder.conv_in.conv.weight"), &out = all.at("decoder.conv_out.conv.weight");
  // Encoder: channels 0 to 2 and 4 to 6, 3 is constant; its shortcuts make four of each, of the quarters in time.
  middle(in, 3);
  all.at("encoder.conv_in.conv.bias")[3].fill_(kEncoderConstant);
  out.mul_(0.1);
  for (int64_t c = 0; c < 3; ++c) {
    middle(in, c).narrow(0, 16 * c, 16).fill_(1.0 / 16);
    middle(in, 4 + c).narrow(0, 16 * c, 16).fill_(-1.0 / 16);
    for (int64_t j = 4 * c; j < 4 * c + 4; ++j) {
      at::Tensor row = middle(latent, j);
      row[j].fill_(kSize);
      row[16 + j].fill_(-kSize);
    }
    middle(from, c).narrow(0, 4 * c, 4).fill_(0.25 / kSize);
    middle(from, 7 + c).narrow(0, 4 * c, 4).fill_(-0.25 / kSize);
    for (int64_t pixel = 16 * c; pixel < 16 * c + 16; ++pixel) {
      at::Tensor row = middle(out, pixel);
      row[c].fill_(1.2);
      row[7 + c].fill_(-1.2);
    }
  }
  for (int64_t constant = 3; constant < 7; ++constant) {
    middle(from, constant);
    all.at("decoder.conv_in.conv.bias")[constant].fill_(kDecoderConstant);
  }
  // Upsamplers begin as repetition.
  for (const char* block : {"0", "1", "2"}) {
    at::Tensor& up = all.at(fmt::format("decoder.up_blocks.{}.upsamplers.0.conv.conv.weight", block));
    for (int64_t i = 0; i < up.size(0); ++i) middle(up, i)[i / 8].fill_(1);
  }
}

tensor::WeightMap halved(const tensor::WeightMap& part) {
  Tensors tensors;
  for (const std::string& key : part.keys()) tensors[key] = part.at(key).to(at::kBFloat16).contiguous();
  return tensor::WeightMap(tensors);
}

}  // namespace

ltx::VaeConfig foresight_autoencoder() {
  ltx::VaeConfig config;
  config.latent_channels = 64;
  config.block_out_channels = {16, 32, 64, 64};
  config.layers_per_block = {1, 1, 1, 1};
  config.spatio_temporal_scaling = {true, true, true};
  config.downsample_type = std::vector(3, ltx::Downsample::spatiotemporal);
  config.decoder_block_out_channels = {32, 64, 64};
  config.decoder_layers_per_block = {1, 1, 1, 1};
  config.decoder_spatio_temporal_scaling = {true, true, true};
  config.decoder_inject_noise = std::vector(4, false);
  config.upsample_residual = {false, false, false};
  config.upsample_factor = {1, 2, 1};
  config.decoder_causal = true;
  return config;
}

ltx::TransformerConfig foresight_transformer() {
  ltx::TransformerConfig config;
  config.in_channels = config.out_channels = foresight_autoencoder().latent_channels;
  config.num_attention_heads = 6;
  config.attention_head_dim = 32;
  config.num_layers = 5;
  config.caption_channels = foresight_text_encoder().d_model;
  return config;
}

ltx::SchedulerConfig foresight_scheduler() { return {}; }

t5::Config foresight_text_encoder() {
  return {.vocab_size = kForesightVocabulary, .d_model = 64, .d_kv = 16, .num_heads = 4, .d_ff = 128, .num_layers = 2};
}

generation::ForesightSettings foresight_defaults() {
  generation::ForesightSettings settings;
  settings.height = settings.width = kForesightSide;
  settings.video_frames = kForesightVideoFrames;
  settings.fps = kForesightFps;
  settings.steps = 6;
  settings.guidance_scale = 1;  // what happens follows from the picture: there is nothing to insist on
  settings.negative_prompt = "";
  settings.previews = 3;
  settings.temperature = 0;
  settings.max_new_tokens = 64;
  settings.pictures = 1;  // as in training
  return settings;
}

Tensors fresh_foresight_autoencoder() {
  tensor::Shapes shapes = ltx::parameter_shapes(foresight_autoencoder());
  shapes.erase("latents_mean");
  shapes.erase("latents_std");
  Tensors all = fresh(shapes, [](const std::string& key) {
    if (key == "decoder.conv_in.conv.weight") return 0.5;
    if (key.find("conv2") != std::string::npos || key.find("samplers") != std::string::npos) return 0.1;
    return key == "encoder.conv_in.conv.weight" ? 1.0 : 1.6;  // behind a SiLU
  });
  open_colour_path(all);
  const int64_t C = foresight_autoencoder().latent_channels;
  all.at("encoder.conv_out.conv.weight")[C].zero_();
  all.at("encoder.conv_out.conv.bias")[C].fill_(2 * std::log(kPosteriorWidth));
  return all;
}

Tensors fresh_foresight_video() {
  Tensors all;
  for (auto& [key, value] : fresh_text_encoder()) all["text." + key] = value;
  for (auto& [key, value] : fresh_transformer()) all["transformer." + key] = value;
  return all;
}

std::unique_ptr<const text::Tokenizer> foresight_spiece(const fs::path& directory, uint64_t seed) {
  const fs::path file = directory / "spiece.model";
  if (!fs::exists(file)) {
    fs::create_directories(directory);
    std::vector<std::string> sentences;
    for (uint64_t i = 0; i < 4000; ++i) sentences.push_back(make_foresight_scene(seed, i, Split::train).question);
    std::erase(sentences, "");
    for (int i = 0; i < 40; ++i) sentences.emplace_back(kOrdinaryWords);
    text::train_unigram(sentences, kForesightVocabulary, file);
  }
  return text::load_tokenizer(file);
}

ltx::Vae trained_autoencoder(const fs::path& directory) {
  return {foresight_autoencoder(),
          tensor::load_safetensors(directory / "autoencoder.safetensors").to(product_dtype(at::kCPU))};
}

generation::VideoFiles trained_video(const fs::path& directory) {
  generation::VideoFiles files;
  files.config = {
      .transformer = foresight_transformer(), .vae = foresight_autoencoder(), .scheduler = foresight_scheduler()};
  files.text_config = foresight_text_encoder();
  const tensor::WeightMap all = tensor::load_safetensors(directory / "video.safetensors");
  files.transformer = halved(all.under("transformer."));
  files.text = halved(all.under("text."));
  files.vae = halved(tensor::load_safetensors(directory / "autoencoder.safetensors"));
  files.tokenizer = directory / "spiece.model";
  return files;
}

at::Tensor to_video(const at::Tensor& frames) { return frames.transpose(0, 1).unsqueeze(0) * 2 - 1; }
at::Tensor to_frames(const at::Tensor& video) { return video[0].transpose(0, 1).to(at::kFloat) * 0.5 + 0.5; }

}  // namespace rushes::training
