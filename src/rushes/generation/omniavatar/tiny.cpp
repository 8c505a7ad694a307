#include "rushes/generation/omniavatar/tiny.h"

#include <fstream>

#include "rushes/base/manifest.h"
#include "rushes/generation/omniavatar/model.h"
#include "rushes/generation/wan/random_parts.h"
#include "rushes/models/omniavatar/checkpoint.h"
#include "rushes/models/wan/tiny_autoencoder.h"
#include "rushes/models/wan/umt5.h"
#include "rushes/models/wav2vec/checkpoint.h"
#include "rushes/tensor/ops.h"
#include "rushes/tensor/safetensors.h"

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

/// Sizes and weights of the parts.
struct Parts {
  wan::Umt5Config text{
      .vocab = 512, .dim = 16, .dim_attn = 16, .dim_ffn = 32, .num_heads = 2, .num_layers = 1, .text_len = 32};
  wav2vec::Config speech = speech_config();
  omniavatar::TransformerConfig transformer{
      .wan = {.dim = 32,
              .ffn_dim = 64,
              .num_heads = 2,
              .num_layers = 6,
              .in_dim = 33,
              .freq_dim = 32,
              .text_dim = text.dim,
              .text_len = text.text_len},
      .speech = {.feature_dim = omniavatar::speech_feature_dim(speech), .hidden_size = 8}};
  wan::TinyAutoencoderConfig autoencoder{.decoder_widths = {16, 16, 16, 16}, .encoder_width = 16};
  omniavatar::Defaults defaults;
  tensor::WeightMap transformer_weights, autoencoder_weights, speech_weights, text_weights;

  Parts(uint64_t seed, omniavatar::Sampler sampler)
      : transformer_weights(random_weights(omniavatar::parameter_shapes(transformer), 5 * seed)),
        autoencoder_weights(random_autoencoder_weights(autoencoder, 5 * seed + 1)),
        speech_weights(random_weights(wav2vec::parameter_shapes(speech), 5 * seed + 2)),
        text_weights(random_text_weights(text, 5 * seed + 3)) {
    defaults.sampler = sampler;
    defaults.height = defaults.width = 32;
    defaults.max_hw = 0;
    if (sampler == omniavatar::Sampler::causal) {
      defaults.window = 9;
    } else {
      defaults.fps = 25;
      defaults.max_tokens = 13;
      defaults.overlap_frame = 5;
    }
  }
};

}  // namespace

std::shared_ptr<const Model> random_omniavatar_model(uint64_t seed, omniavatar::Sampler sampler) {
  at::set_num_threads(1);  // work this small is lost in waiting for other threads
  const Parts own(seed, sampler);
  OmniAvatarParts parts;
  if (sampler == omniavatar::Sampler::causal)
    parts.causal =
        std::make_shared<const omniavatar::CausalAvatarTransformer>(own.transformer, own.transformer_weights);
  else
    parts.bidirectional =
        std::make_shared<const omniavatar::AvatarTransformer>(own.transformer, own.transformer_weights);
  parts.autoencoder = std::make_shared<const wan::TinyAutoencoder>(own.autoencoder, own.autoencoder_weights);
  parts.speech = std::make_shared<const wav2vec::Encoder>(own.speech, own.speech_weights);
  return std::make_shared<const OmniAvatarModel>(
      ModelCard{.name = "random", .description = "random weights, for tests; float32 on cpu", .is_small = true},
      settings_of(own.defaults), std::move(parts), random_prompt_encoder(own.text, own.text_weights));
}

void write_random_omniavatar_model(const std::filesystem::path& directory, const std::filesystem::path& tokenizer,
                                   uint64_t seed, omniavatar::Sampler sampler) {
  const Parts own(seed, sampler);
  std::filesystem::create_directories(directory);
  omniavatar::ModelDirectory model;
  model.directory = std::filesystem::absolute(directory);
  model.name = "random";
  const auto save = [&](const char* name, const tensor::WeightMap& weights) {
    const std::filesystem::path file = model.directory / name;
    tensor::save_safetensors(file, weights.tensors());
    return file;
  };
  model.transformer.file = save("transformer.safetensors", own.transformer_weights);
  model.transformer.config = own.transformer;
  model.text_encoder = {save("text_encoder.safetensors", own.text_weights), own.text};
  model.autoencoder = {
      save("autoencoder.safetensors", own.autoencoder_weights), wan::AutoencoderKind::tiny, {}, own.autoencoder};
  model.audio_encoder = {save("audio_encoder.safetensors", own.speech_weights), own.speech};
  model.tokenizer = model.directory / ("tokenizer" + tokenizer.extension().string());
  model.defaults = own.defaults;
  std::filesystem::copy_file(tokenizer, model.tokenizer, std::filesystem::copy_options::overwrite_existing);
  std::ofstream(model.directory / kManifestName) << omniavatar::manifest_yaml(model);
}

}  // namespace rushes::generation
