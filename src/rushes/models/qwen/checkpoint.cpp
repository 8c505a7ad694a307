#include "rushes/models/qwen/checkpoint.h"

#include <fmt/format.h>

#include "rushes/tensor/checkpoint.h"

namespace rushes::qwen {
namespace {

struct Spelling {
  std::string_view from, to;
};
// Longest first: the first that fits counts.
constexpr Spelling kSpellings[] = {{"model.language_model.", "model."},
                                   {"language_model.model.", "model."},
                                   {"language_model.lm_head.", "lm_head."},
                                   {"model.visual.", "visual."}};

void add_layer(tensor::Shapes& shapes, const std::string& key, int64_t out, int64_t in, bool bias) {
  shapes[key + ".weight"] = {out, in};
  if (bias) shapes[key + ".bias"] = {out};
}

void add_mlp(tensor::Shapes& shapes, const std::string& key, int64_t C, int64_t width, bool bias) {
  add_layer(shapes, key + "gate_proj", width, C, bias);
  add_layer(shapes, key + "up_proj", width, C, bias);
  add_layer(shapes, key + "down_proj", C, width, bias);
}

}  // namespace

tensor::Shapes language_shapes(const TextConfig& config) {
  tensor::Shapes shapes;
  const int64_t C = config.hidden_size, D = config.head_size(), queries = config.num_attention_heads * D,
                keys = config.num_key_value_heads * D;
  shapes["embed_tokens.weight"] = {config.vocab_size, C};
  shapes["norm.weight"] = {C};
  if (!config.tie_word_embeddings) shapes["lm_head.weight"] = {config.vocab_size, C};
  for (int64_t i = 0; i < config.num_hidden_layers; ++i) {
    const std::string layer = fmt::format("layers.{}.", i);
    shapes[layer + "input_layernorm.weight"] = shapes[layer + "post_attention_layernorm.weight"] = {C};
    add_layer(shapes, layer + "self_attn.q_proj", queries, C, true);
    add_layer(shapes, layer + "self_attn.k_proj", keys, C, true);
    add_layer(shapes, layer + "self_attn.v_proj", keys, C, true);
    add_layer(shapes, layer + "self_attn.o_proj", C, queries, false);
    add_mlp(shapes, layer + "mlp.", C, config.intermediate_size, false);
  }
  return shapes;
}

tensor::Shapes vision_shapes(const VisionConfig& config) {
  tensor::Shapes shapes;
  const int64_t C = config.hidden_size, joined = C * config.unit_patches();
  shapes["patch_embed.proj.weight"] = {C, config.in_channels, config.temporal_patch_size, config.patch_size,
                                       config.patch_size};
  for (int64_t i = 0; i < config.depth; ++i) {
    const std::string block = fmt::format("blocks.{}.", i);
    shapes[block + "norm1.weight"] = shapes[block + "norm2.weight"] = {C};
    add_layer(shapes, block + "attn.qkv", 3 * C, C, true);
    add_layer(shapes, block + "attn.proj", C, C, true);
    add_mlp(shapes, block + "mlp.", C, config.intermediate_size, true);
  }
  shapes["merger.ln_q.weight"] = {C};
  add_layer(shapes, "merger.mlp.0", joined, joined, true);
  add_layer(shapes, "merger.mlp.2", config.out_hidden_size, joined, true);
  return shapes;
}

tensor::Shapes parameter_shapes(const Config& config) {
  tensor::Shapes shapes;
  for (const auto& [key, shape] : language_shapes(config.text))
    shapes[key.starts_with("lm_head.") ? key : "model." + key] = shape;
  for (const auto& [key, shape] : vision_shapes(config.vision)) shapes["visual." + key] = shape;
  return shapes;
}

tensor::WeightMap with_published_names(const tensor::WeightMap& tensors) {
  tensor::WeightMap published;
  for (const auto& [key, tensor] : tensors.tensors()) {
    std::string name = key;
    for (const Spelling& spelling : kSpellings)
      if (key.starts_with(spelling.from)) {
        name = std::string(spelling.to) + key.substr(spelling.from.size());
        break;
      }
    published.set(name, tensor);
  }
  return published;
}

tensor::WeightMap language_weights(const tensor::WeightMap& published) {
  tensor::WeightMap own = published.under("model.");
  if (published.contains("lm_head.weight")) own.set("lm_head.weight", published.at("lm_head.weight"));
  return own;
}

tensor::WeightMap vision_weights(const tensor::WeightMap& published) { return published.under("visual."); }

tensor::WeightMap load(const std::filesystem::path& path, const Config& config, tensor::Extra extra) {
  tensor::WeightMap found = with_published_names(tensor::load_checkpoint(path).tensors);
  if (config.text.tie_word_embeddings && found.contains("lm_head.weight")) {
    std::map<std::string, at::Tensor> own = found.tensors();
    own.erase("lm_head.weight");
    found = tensor::WeightMap(std::move(own));
  }
  return tensor::take_complete(found, parameter_shapes(config), "'" + path.string() + "', Qwen2.5-VL", extra);
}

}  // namespace rushes::qwen
