#include "rushes/generation/omniavatar/tiny.h"

#include "rushes/generation/omniavatar/model.h"
#include "rushes/generation/wan/random_parts.h"
#include "rushes/models/omniavatar/checkpoint.h"
#include "rushes/models/wan/tiny_autoencoder.h"
#include "rushes/models/wan/umt5.h"
#include "rushes/models/wav2vec/checkpoint.h"
#include "rushes/tensor/ops.h"

namespace rushes::generation {
namespace {

wav2vec::Config speech_config() {
  wav2vec::Config config;
  config.hidden_size = 8;
  config.num_hidden_layers = 1;
  config.num_attention_heads = 2;
  config.intermediate_size = 16;
  config.conv_dim = {8, 8, 8, 8, 8, 8, 8};
  config.num_conv_pos_embeddings = 8;
  config.num_conv_pos_embedding_groups = 2;
  return config;
}

/// Of shapes: matrices of unit gain, gains of norms near 1, small biases.
tensor::WeightMap random_weights(const tensor::Shapes& shapes, uint64_t seed) {
  RandomWeights weights(seed);
  for (const auto& [key, shape] : shapes) {
    const bool is_norm = key.find("norm") != std::string::npos;
    if (shape.size() > 1 && key.find("modulation") == std::string::npos && !key.ends_with("weight_g"))
      weights.matrix(key, shape);
    else
      weights.normal(key, shape, 0.1, (is_norm && key.ends_with("weight")) || key.ends_with("weight_g") ? 1 : 0);
  }
  return weights.take();
}

}  // namespace

std::shared_ptr<const Model> random_omniavatar_model(uint64_t seed, omniavatar::Sampler sampler) {
  at::set_num_threads(1);  // work this small is lost in waiting for other threads
  const wan::Umt5Config text{
      .vocab = 512, .dim = 16, .dim_attn = 16, .dim_ffn = 32, .num_heads = 2, .num_layers = 1, .text_len = 32};
  const wav2vec::Config speech = speech_config();
  omniavatar::TransformerConfig config;
  config.wan = {.dim = 32,
                .ffn_dim = 64,
                .num_heads = 2,
                .num_layers = 6,
                .in_dim = 33,
                .freq_dim = 32,
                .text_dim = text.dim,
                .text_len = text.text_len};
  config.speech = {.feature_dim = omniavatar::speech_feature_dim(speech), .hidden_size = 8};
  const wan::TinyAutoencoderConfig autoencoder{.decoder_widths = {16, 16, 16, 16}, .encoder_width = 16};

  OmniAvatarSettings defaults;
  defaults.sampler = sampler;
  defaults.height = defaults.width = 32;
  defaults.max_hw = 0;
  OmniAvatarParts parts;
  const tensor::WeightMap weights = random_weights(omniavatar::parameter_shapes(config), 5 * seed);
  if (defaults.causal()) {
    defaults.window = 9;
    parts.causal = std::make_shared<const omniavatar::CausalAvatarTransformer>(config, weights);
  } else {
    defaults.fps = 25;
    defaults.max_tokens = 13;
    defaults.overlap_video_frames = 5;
    parts.bidirectional = std::make_shared<const omniavatar::AvatarTransformer>(config, weights);
  }
  parts.autoencoder =
      std::make_shared<const wan::TinyAutoencoder>(autoencoder, random_autoencoder_weights(autoencoder, 5 * seed + 1));
  parts.speech =
      std::make_shared<const wav2vec::Encoder>(speech, random_weights(wav2vec::parameter_shapes(speech), 5 * seed + 2));
  return std::make_shared<const OmniAvatarModel>(
      ModelCard{.name = "random", .description = "random weights, for tests; float32 on cpu", .is_small = true},
      defaults, std::move(parts), random_prompt_encoder(text, random_text_weights(text, 5 * seed + 3)));
}

}  // namespace rushes::generation
