#include "rushes/generation/foresight/tiny.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <sstream>

#include "rushes/generation/foresight/model.h"
#include "rushes/generation/foresight/model_files.h"
#include "rushes/models/dinov2/encoder.h"
#include "rushes/models/qwen/checkpoint.h"
#include "rushes/tensor/ops.h"
#include "rushes/tensor/random.h"

namespace rushes::generation {
namespace {

// ---- weights --------------------------------------------------------------------------------------------------------

/// Matrices of unit gain, gains of norms near 1, small biases and tables.
tensor::WeightMap random_weights(const tensor::Shapes& shapes, uint64_t seed) {
  tensor::RandomStream random(seed);
  tensor::WeightMap weights;
  for (const auto& [key, shape] : shapes) {
    double inputs = 1;
    for (std::size_t axis = 1; axis < shape.size(); ++axis) inputs *= static_cast<double>(shape[axis]);
    const bool is_gain = key.find("norm") != std::string::npos && key.ends_with("weight") && shape.size() == 1;
    const bool is_unit = is_gain || key == "latents_std" || key.find("ln_q") != std::string::npos;
    const bool is_table = key.find("scale_shift_table") != std::string::npos || shape.size() < 2;
    if (key.find("scale_multiplier") != std::string::npos)
      weights.set(key, at::full(shape, 1000.0));
    else if (is_table)
      weights.set(key, random.normal(shape) * 0.1 + (is_unit ? 1 : 0));
    else
      weights.set(key, random.normal(shape) / std::sqrt(inputs));
  }
  return weights;
}

// ---- language model -------------------------------------------------------------------------------------------------

// Of a drawn world; the model says them at random.
constexpr const char* kWords[] = {"a",     "the",   "red",     "green", "blue",   "ball", "square", "star",
                                  "falls", "rolls", "jumps",   "turns", "slowly", "and",  "then",   "left",
                                  "right", "down",  "bounces", "it",    "will",   "stay", "grows",  "shrinks"};
constexpr const char* kControl[] = {"<|endoftext|>",      "<|im_start|>",     "<|im_end|>",     "<|object_ref_start|>",
                                    "<|object_ref_end|>", "<|box_start|>",    "<|box_end|>",    "<|quad_start|>",
                                    "<|quad_end|>",       "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>",
                                    "<|image_pad|>",      "<|video_pad|>"};

/// Every byte, and the words with a space before them.
struct TinyVocabulary {
  text::BpeFiles files;
  int64_t first_word = 256, first_control = 0, size = 0;

  TinyVocabulary() {
    for (int byte = 0; byte < 256; ++byte)
      files.vocabulary[text::to_byte_alphabet(std::string(1, static_cast<char>(byte)))] = byte;
    int64_t next = first_word;
    std::vector<std::string> wholes;
    for (const char* word : kWords) {
      // A merge joins what is there: the word's beginning and its next letter.
      std::string piece = text::to_byte_alphabet(" ");
      for (const char* letter = word; *letter != 0; ++letter) {
        const std::string longer = piece + *letter;
        if (!files.vocabulary.contains(longer)) {
          files.vocabulary[longer] = next++;
          files.merges.emplace_back(piece, std::string(1, *letter));
        }
        piece = longer;
      }
      words.push_back(files.vocabulary.at(piece));
    }
    first_control = next;
    for (const char* control : kControl) files.added.push_back({control, next++, true});
    size = next;
  }

  int64_t control(std::size_t index) const { return first_control + static_cast<int64_t>(index); }
  std::vector<int64_t> words;  // ids of whole words
};

LanguageFiles random_language(uint64_t seed) {
  const TinyVocabulary vocabulary;
  qwen::Config config;
  config.text = {.vocab_size = vocabulary.size,
                 .hidden_size = 48,
                 .intermediate_size = 64,
                 .num_hidden_layers = 2,
                 .num_attention_heads = 3,
                 .num_key_value_heads = 1,
                 .max_position_embeddings = 4096,
                 .mrope_section = {2, 3, 3}};
  config.vision = {.depth = 2,
                   .hidden_size = 32,
                   .intermediate_size = 36,
                   .num_heads = 2,
                   .window_size = 56,
                   .out_hidden_size = 48,
                   .fullatt_block_indexes = {1}};
  config.picture.max_pixels = 112 * 112;
  config.eos_token_ids = {vocabulary.control(2), vocabulary.control(0)};
  config.vision_start_token_id = vocabulary.control(9);
  config.vision_end_token_id = vocabulary.control(10);
  config.image_token_id = vocabulary.control(12);
  config.video_token_id = vocabulary.control(13);
  tensor::WeightMap weights = random_weights(qwen::parameter_shapes(config), 4 * seed);
  // Only words are said: all else stays at 0, which is improbable. So a text is as long as it may be.
  const at::Tensor spoken = at::zeros({vocabulary.size, 1});
  for (const int64_t word : vocabulary.words) spoken[word] = 12.0;
  weights.set("lm_head.weight", weights.at("lm_head.weight") * spoken);
  return {config, weights, vocabulary.files};
}

std::shared_ptr<const qwen::Model> model_of(const LanguageFiles& files) {
  return std::make_shared<const qwen::Model>(
      qwen::Model{.config = files.config,
                  .tokenizer = std::make_shared<const text::ByteLevelBpe>(files.tokenizer),
                  .language = qwen::LanguageModel(files.config.text, qwen::language_weights(files.weights)),
                  .vision = qwen::VisionTower(files.config.vision, qwen::vision_weights(files.weights))});
}

// ---- video model ----------------------------------------------------------------------------------------------------

/// Each word is a token of its own.
class WordTokenizer final : public text::Tokenizer {
 public:
  explicit WordTokenizer(int64_t size) : Tokenizer({.pad = 0, .before = {}, .after = {{1, "</s>"}}}), size_(size) {}
  int64_t vocabulary_size() const override { return size_; }

 protected:
  std::vector<text::Token> split(std::string_view text) const override {
    std::vector<text::Token> tokens;
    std::istringstream words{std::string(text)};
    for (std::string word; words >> word;) {
      uint64_t hash = 1469598103934665603ull;  // not std::hash, which differs between libraries
      for (const char c : word) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ull;
      tokens.push_back({2 + static_cast<int64_t>(hash % static_cast<uint64_t>(size_ - 2)), word});
    }
    return tokens;
  }

 private:
  const int64_t size_;
};

VideoFiles random_video(uint64_t seed, bool encodes_images) {
  VideoFiles files;
  files.text_config = {.vocab_size = 512, .d_model = 16, .d_kv = 8, .num_heads = 2, .d_ff = 24, .num_layers = 1};
  ltx::TransformerConfig& transformer = files.config.transformer;
  transformer.in_channels = transformer.out_channels = 8;
  transformer.num_attention_heads = 2;
  transformer.attention_head_dim = 16;
  transformer.num_layers = 2;
  transformer.caption_channels = files.text_config.d_model;
  ltx::VaeConfig& vae = files.config.vae;
  vae.latent_channels = 8;
  vae.block_out_channels = vae.decoder_block_out_channels = {4, 8, 8, 8};
  vae.layers_per_block = vae.decoder_layers_per_block = {1, 1, 1, 1, 1};
  const tensor::WeightMap all = random_weights(ltx::parameter_shapes(vae), 4 * seed + 2);
  for (const auto& [key, tensor] : all.tensors())
    if (encodes_images || !key.starts_with("encoder.")) files.vae.set(key, tensor);
  files.transformer = random_weights(ltx::parameter_shapes(transformer), 4 * seed + 3);
  files.text = random_weights(t5::parameter_shapes(files.text_config), 4 * seed + 4);
  return files;
}

VideoParts parts_of(const VideoFiles& files) {
  return {.transformer = std::make_shared<const ltx::Transformer>(files.config.transformer, files.transformer),
          .vae = std::make_shared<const ltx::Vae>(files.config.vae, files.vae),
          .scheduler = files.config.scheduler,
          .text = std::make_shared<const t5::TextEncoder>(
              std::make_shared<const WordTokenizer>(files.text_config.vocab_size),
              std::make_shared<const t5::Encoder>(files.text_config, files.text))};
}

AdapterFiles random_adapter(uint64_t seed, const LanguageFiles& language, const VideoFiles& video) {
  AdapterFiles files;
  dinov2::Config& spatial = files.spatial_config;
  spatial.embed_dim = 64, spatial.depth = 1, spatial.num_heads = 1, spatial.mlp_dim = 48, spatial.stored_grid = 5;
  files.config = {.vlm_dim = language.config.text.hidden_size,
                  .spatial_dim = spatial.embed_dim,
                  .hidden_dim = 64,
                  .output_dim = video.config.transformer.caption_channels,
                  .num_layers = 1,
                  .num_queries = 7,
                  .num_heads = 1,
                  .mlp_dim = 64};
  files.square = 42;
  files.spatial = random_weights(dinov2::parameter_shapes(spatial), 4 * seed + 5);
  files.adapter = random_weights(foresight::parameter_shapes(files.config), 4 * seed + 6);
  return files;
}

AdapterParts parts_of(const AdapterFiles& files) {
  return {.spatial = std::make_shared<const dinov2::Encoder>(files.spatial_config, files.spatial),
          .adapter = std::make_shared<const foresight::Adapter>(files.config, files.adapter),
          .square = files.square};
}

ForesightFiles random_files(uint64_t seed, const TinyForesight& wanted) {
  ForesightFiles files;
  files.name = "random";
  if (wanted.language) files.language = random_language(seed);
  if (wanted.video) files.video = random_video(seed, wanted.encodes_images);
  if (wanted.language && wanted.video && wanted.adapter)
    files.adapter = random_adapter(seed, *files.language, *files.video);
  files.defaults.height = files.defaults.width = 64;
  files.defaults.video_frames = 15;
  files.defaults.steps = 4;
  files.defaults.max_new_tokens = 24;
  return files;
}

}  // namespace

std::shared_ptr<const Model> random_foresight_model(uint64_t seed, const TinyForesight& wanted) {
  at::set_num_threads(1);  // work this small is lost in waiting for other threads
  const ForesightFiles files = random_files(seed, wanted);
  std::optional<VideoParts> video;
  std::optional<AdapterParts> adapter;
  if (files.video) video = parts_of(*files.video);
  if (files.adapter) adapter = parts_of(*files.adapter);
  return std::make_shared<const ForesightModel>(
      ModelCard{.name = files.name, .description = "random weights, for tests; float32 on cpu", .is_small = true},
      files.defaults,
      std::make_shared<const ForesightParts>(files.language ? model_of(*files.language) : nullptr, std::move(video),
                                             std::move(adapter)));
}

void write_random_foresight_model(const std::filesystem::path& directory, const std::filesystem::path& tokenizer,
                                  uint64_t seed, const TinyForesight& wanted) {
  ForesightFiles files = random_files(seed, wanted);
  if (files.video) files.video->tokenizer = tokenizer;
  write_foresight_model(directory, files);
}

}  // namespace rushes::generation
