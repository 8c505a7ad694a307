#include "rushes/generation/wan/tiny.h"

#include <fstream>

#include "rushes/base/manifest.h"
#include "rushes/generation/wan/model.h"
#include "rushes/generation/wan/random_parts.h"
#include "rushes/models/wan/tiny_autoencoder.h"
#include "rushes/models/wan/transformer.h"
#include "rushes/models/wan/umt5.h"
#include "rushes/tensor/ops.h"
#include "rushes/tensor/safetensors.h"

namespace rushes::generation {
namespace {

tensor::WeightMap random_transformer(const wan::TransformerConfig& config, uint64_t seed) {
  RandomWeights weights(seed);
  add_transformer_weights(weights, config);
  return weights.take();
}

/// Sizes and weights of the parts.
struct Parts {
  wan::Umt5Config text{
      .vocab = 512, .dim = 16, .dim_attn = 16, .dim_ffn = 32, .num_heads = 2, .num_layers = 1, .text_len = 32};
  wan::TransformerConfig transformer{.dim = 32,
                                     .ffn_dim = 64,
                                     .num_heads = 2,
                                     .num_layers = 2,
                                     .freq_dim = 32,
                                     .text_dim = text.dim,
                                     .text_len = text.text_len};
  wan::TinyAutoencoderConfig autoencoder{.decoder_widths = {16, 16, 16, 16}, .encoder_width = 16};
  wan::Defaults defaults{.height = 32, .width = 32};
  tensor::WeightMap text_weights, transformer_weights, autoencoder_weights;

  explicit Parts(uint64_t seed)
      : text_weights(random_text_weights(text, 3 * seed)),
        transformer_weights(random_transformer(transformer, 3 * seed + 1)),
        autoencoder_weights(random_autoencoder_weights(autoencoder, 3 * seed + 2)) {}
};

}  // namespace

std::shared_ptr<const Model> random_wan_model(uint64_t seed) {
  // Work this small is lost in waiting for other threads: measured 7 ms a block on one thread, up to 1 s on a busy
  // machine.
  at::set_num_threads(1);
  const Parts parts(seed);
  const auto transformer = std::make_shared<const wan::CausalTransformer>(parts.transformer, parts.transformer_weights);
  const auto autoencoder = std::make_shared<const wan::TinyAutoencoder>(parts.autoencoder, parts.autoencoder_weights);
  return std::make_shared<const WanModel>(ModelCard{.name = "random",
                                                    .family = "wan",
                                                    .description = "random weights, for tests; float32 on cpu",
                                                    .is_small = true},
                                          parts.defaults, transformer, autoencoder, autoencoder,
                                          random_prompt_encoder(parts.text, parts.text_weights));
}

void write_random_model(const std::filesystem::path& directory, const std::filesystem::path& tokenizer, uint64_t seed) {
  const Parts parts(seed);
  std::filesystem::create_directories(directory);
  wan::ModelDirectory model;
  model.directory = std::filesystem::absolute(directory);
  model.name = "random";
  model.transformer = {model.directory / "transformer.safetensors", wan::Branch::generator, parts.transformer};
  model.text_encoder = {model.directory / "text_encoder.safetensors", parts.text};
  model.autoencoder = {model.directory / "autoencoder.safetensors", wan::AutoencoderKind::tiny, {}, parts.autoencoder};
  model.tokenizer = model.directory / ("tokenizer" + tokenizer.extension().string());
  model.defaults = parts.defaults;
  tensor::save_safetensors(model.transformer.file, parts.transformer_weights.tensors());
  tensor::save_safetensors(model.text_encoder.file, parts.text_weights.tensors());
  tensor::save_safetensors(model.autoencoder.file, parts.autoencoder_weights.tensors());
  std::filesystem::copy_file(tokenizer, model.tokenizer, std::filesystem::copy_options::overwrite_existing);
  std::ofstream(model.directory / kManifestName) << wan::manifest_yaml(model);
}

}  // namespace rushes::generation
