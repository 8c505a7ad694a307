#include "rushes/generation/wan/tiny.h"

#include <cmath>
#include <fstream>
#include <iterator>
#include <sstream>

#include "rushes/base/manifest.h"
#include "rushes/generation/wan/model.h"
#include "rushes/models/wan/tiny_autoencoder.h"
#include "rushes/models/wan/transformer.h"
#include "rushes/models/wan/umt5.h"
#include "rushes/tensor/ops.h"
#include "rushes/tensor/random.h"
#include "rushes/tensor/safetensors.h"

namespace rushes::generation {
namespace {

/// Random tensors whose size keeps activations near 1 whatever the layer.
class RandomWeights {
 public:
  explicit RandomWeights(uint64_t seed) : random_(seed) {}

  void normal(const std::string& key, const std::vector<int64_t>& shape, double std, double mean = 0) {
    weights_.set(key, random_.normal(shape) * std + mean);
  }
  /// N(0, 1 / inputs): axis 0 is the output.
  void matrix(const std::string& key, const std::vector<int64_t>& shape) {
    double inputs = 1;
    for (size_t axis = 1; axis < shape.size(); ++axis) inputs *= static_cast<double>(shape[axis]);
    normal(key, shape, 1.0 / std::sqrt(inputs));
  }
  void linear(const std::string& key, int64_t out, int64_t in) {
    matrix(key + ".weight", {out, in});
    normal(key + ".bias", {out}, 0.1);
  }
  tensor::WeightMap take() { return std::move(weights_); }

 private:
  tensor::RandomStream random_;
  tensor::WeightMap weights_;
};

tensor::WeightMap make_transformer_weights(const wan::TransformerConfig& c, uint64_t seed) {
  RandomWeights w(seed);
  const auto [pt, ph, pw] = c.patch_size;
  w.matrix("patch_embedding.weight", {c.dim, c.in_dim, pt, ph, pw});
  w.normal("patch_embedding.bias", {c.dim}, 0.1);
  w.linear("text_embedding.0", c.dim, c.text_dim);
  w.linear("text_embedding.2", c.dim, c.dim);
  w.linear("time_embedding.0", c.dim, c.freq_dim);
  w.linear("time_embedding.2", c.dim, c.dim);
  w.linear("time_projection.1", 6 * c.dim, c.dim);
  w.linear("head.head", pt * ph * pw * c.out_dim, c.dim);
  w.normal("head.modulation", {1, 2, c.dim}, 0.3);
  for (int64_t layer = 0; layer < c.num_layers; ++layer) {
    const std::string block = "blocks." + std::to_string(layer) + ".";
    w.normal(block + "modulation", {1, 6, c.dim}, 0.3);
    for (const std::string part : {"self_attn.", "cross_attn."}) {
      for (const std::string leaf : {"q", "k", "v", "o"}) w.linear(block + part + leaf, c.dim, c.dim);
      for (const std::string leaf : {"norm_q.weight", "norm_k.weight"}) w.normal(block + part + leaf, {c.dim}, 0.1, 1);
    }
    w.normal(block + "norm3.weight", {c.dim}, 0.1, 1);
    w.normal(block + "norm3.bias", {c.dim}, 0.1);
    w.linear(block + "ffn.0", c.ffn_dim, c.dim);
    w.linear(block + "ffn.2", c.dim, c.ffn_dim);
  }
  return w.take();
}

tensor::WeightMap make_text_weights(const wan::Umt5Config& c, uint64_t seed) {
  RandomWeights w(seed);
  w.normal("token_embedding.weight", {c.vocab, c.dim}, 1);
  w.normal("norm.weight", {c.dim}, 0.1, 1);
  for (int64_t layer = 0; layer < c.num_layers; ++layer) {
    const std::string block = "blocks." + std::to_string(layer) + ".";
    w.normal(block + "norm1.weight", {c.dim}, 0.1, 1);
    w.normal(block + "norm2.weight", {c.dim}, 0.1, 1);
    for (const std::string leaf : {"q", "k", "v"}) w.matrix(block + "attn." + leaf + ".weight", {c.dim_attn, c.dim});
    w.matrix(block + "attn.o.weight", {c.dim, c.dim_attn});
    w.matrix(block + "ffn.gate.0.weight", {c.dim_ffn, c.dim});
    w.matrix(block + "ffn.fc1.weight", {c.dim_ffn, c.dim});
    w.matrix(block + "ffn.fc2.weight", {c.dim, c.dim_ffn});
    w.normal(block + "pos_embedding.embedding.weight", {c.num_buckets, c.num_heads}, 0.1);
  }
  return w.take();
}

tensor::WeightMap make_autoencoder_weights(const wan::TinyAutoencoderConfig& config, uint64_t seed) {
  RandomWeights w(seed);
  for (const auto& [key, shape] : wan::parameter_shapes(config)) {
    if (shape.size() == 1) {
      w.normal(key, shape, 0.1);
    } else {
      w.matrix(key, shape);
    }
  }
  return w.take();
}

/// One id per word, 2 and up; 1 ends the text. Not std::hash, which differs between libraries.
at::Tensor word_ids(const std::string& prompt, const wan::Umt5Config& config) {
  std::vector<int64_t> ids;
  std::istringstream words(prompt);
  for (std::string word; words >> word && static_cast<int64_t>(ids.size()) + 1 < config.text_len;) {
    uint64_t hash = 1469598103934665603ull;
    for (const char c : word) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ull;
    ids.push_back(2 + static_cast<int64_t>(hash % static_cast<uint64_t>(config.vocab - 2)));
  }
  ids.push_back(1);
  return at::tensor(ids, at::kLong).unsqueeze(0);
}

/// With the token at the end.
int64_t count_words(std::string_view prompt) {
  std::istringstream words{std::string(prompt)};
  return std::distance(std::istream_iterator<std::string>(words), {}) + 1;
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
      : text_weights(make_text_weights(text, 3 * seed)),
        transformer_weights(make_transformer_weights(transformer, 3 * seed + 1)),
        autoencoder_weights(make_autoencoder_weights(autoencoder, 3 * seed + 2)) {}
};

}  // namespace

std::shared_ptr<const Model> random_wan_model(uint64_t seed) {
  // Work this small is lost in waiting for other threads: measured 7 ms a block on one thread, up to 1 s on a busy
  // machine.
  at::set_num_threads(1);
  const Parts parts(seed);
  const auto encoder = std::make_shared<const wan::Umt5Encoder>(parts.text, parts.text_weights);
  const auto transformer = std::make_shared<const wan::CausalTransformer>(parts.transformer, parts.transformer_weights);
  const auto autoencoder = std::make_shared<const wan::TinyAutoencoder>(parts.autoencoder, parts.autoencoder_weights);
  return std::make_shared<const WanModel>(ModelCard{.name = "random",
                                                    .family = "wan",
                                                    .description = "random weights, for tests; float32 on cpu",
                                                    .is_small = true},
                                          parts.defaults, transformer, autoencoder, autoencoder,
                                          PromptEncoder{.encode =
                                                            [encoder](const std::string& prompt) {
                                                              const at::Tensor ids =
                                                                  word_ids(prompt, encoder->config());
                                                              return encoder->encode(ids, at::ones_like(ids));
                                                            },
                                                        .tokens = encoder->config().text_len,
                                                        .count = count_words});
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
