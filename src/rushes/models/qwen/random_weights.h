// A model of no meaning but of the right shapes: for tests, benchmarks and models without a checkpoint.
#pragma once
#include <ATen/CPUGeneratorImpl.h>

#include <cmath>
#include <string>

#include "rushes/models/qwen/checkpoint.h"
#include "rushes/models/qwen/config.h"
#include "rushes/models/qwen/model.h"
#include "rushes/tensor/ops.h"

namespace rushes::qwen {

/// Numbers that keep activations near 1; the same for the same seed. Published names, float32.
inline tensor::WeightMap random_weights(const Config& config, uint64_t seed) {
  at::Generator generator = at::detail::createCPUGenerator(seed);
  tensor::WeightMap weights;
  for (const auto& [key, shape] : parameter_shapes(config)) {
    at::Tensor value = at::randn(shape, generator, at::TensorOptions(at::kFloat));
    if (shape.size() == 1)
      value = key.ends_with("bias") ? 0.1 * value : 1 + 0.1 * value;
    else if (!key.ends_with("embed_tokens.weight"))
      value = value / std::sqrt(static_cast<double>(value.numel()) / static_cast<double>(value.size(0)));
    weights.set(key, value);
  }
  return weights;
}

/// One token for each byte, then the control tokens.
inline text::BpeFiles byte_tokenizer_files() {
  text::BpeFiles files;
  for (int byte = 0; byte < 256; ++byte) {
    const auto character = static_cast<char>(byte);
    files.vocabulary[text::to_byte_alphabet({&character, 1})] = byte;
  }
  int64_t next = 256;
  for (const char* token : {"<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>",
                            "<|image_pad|>", "<|video_pad|>"})
    files.added.push_back({token, next++, true});
  return files;
}

/// Dimensions of a model that answers within milliseconds, for byte_tokenizer_files().
inline Config tiny_config() {
  Config config;
  config.text = {.vocab_size = 264,
                 .hidden_size = 48,
                 .intermediate_size = 96,
                 .num_hidden_layers = 2,
                 .num_attention_heads = 3,
                 .num_key_value_heads = 1,
                 .max_position_embeddings = 4096,
                 .mrope_section = {2, 3, 3}};
  config.vision = {.depth = 2,
                   .hidden_size = 24,
                   .intermediate_size = 36,
                   .num_heads = 2,
                   .window_size = 56,
                   .out_hidden_size = 48,
                   .fullatt_block_indexes = {1}};
  config.picture.max_pixels = 128 * 128;
  config.eos_token_ids = {258, 256};
  config.vision_start_token_id = 259;
  config.vision_end_token_id = 260;
  config.image_token_id = 261;
  config.video_token_id = 262;
  return config;
}

inline Model random_model(const Config& config, uint64_t seed, const tensor::Placement& placement = {}) {
  const tensor::WeightMap weights = random_weights(config, seed);
  return {.config = config,
          .tokenizer = std::make_shared<const text::ByteLevelBpe>(byte_tokenizer_files()),
          .language = LanguageModel(config.text, placement.put(language_weights(weights))),
          .vision = VisionTower(config.vision, placement.put(vision_weights(weights)))};
}

}  // namespace rushes::qwen
