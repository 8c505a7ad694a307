#include "rushes/generation/wan/random_parts.h"

#include <cmath>
#include <iterator>
#include <sstream>

#include "rushes/models/wan/tiny_autoencoder.h"
#include "rushes/models/wan/umt5.h"
#include "rushes/tensor/ops.h"

namespace rushes::generation {
namespace {

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

}  // namespace

void RandomWeights::normal(const std::string& key, const std::vector<int64_t>& shape, double std, double mean) {
  weights_.set(key, random_.normal(shape) * std + mean);
}

void RandomWeights::matrix(const std::string& key, const std::vector<int64_t>& shape) {
  double inputs = 1;
  for (size_t axis = 1; axis < shape.size(); ++axis) inputs *= static_cast<double>(shape[axis]);
  normal(key, shape, 1.0 / std::sqrt(inputs));
}

void RandomWeights::linear(const std::string& key, int64_t out, int64_t in) {
  matrix(key + ".weight", {out, in});
  normal(key + ".bias", {out}, 0.1);
}

void add_transformer_weights(RandomWeights& w, const wan::TransformerConfig& c) {
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
}

tensor::WeightMap random_text_weights(const wan::Umt5Config& c, uint64_t seed) {
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

tensor::WeightMap random_autoencoder_weights(const wan::TinyAutoencoderConfig& config, uint64_t seed) {
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

PromptEncoder random_prompt_encoder(const wan::Umt5Config& config, const tensor::WeightMap& weights) {
  const auto encoder = std::make_shared<const wan::Umt5Encoder>(config, weights);
  return {.encode =
              [encoder](const std::string& prompt) {
                const at::Tensor ids = word_ids(prompt, encoder->config());
                return encoder->encode(ids, at::ones_like(ids));
              },
          .tokens = config.text_len,
          .count = count_words};
}

}  // namespace rushes::generation
