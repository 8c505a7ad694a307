#include "rushes/training/foresight/shipped_language.h"

#include <cmath>
#include <fstream>

#include "rushes/base/error.h"
#include "rushes/models/qwen/checkpoint.h"
#include "rushes/tensor/ops.h"
#include "rushes/tensor/safetensors.h"
#include "rushes/training/foresight/foresight_world.h"

namespace rushes::training {
namespace {

namespace fs = std::filesystem;

// So that questions outside the grammar split into something better than letters.
constexpr std::string_view kOrdinaryWords =
    " the of and to in is you that it he she was for on are as with his her they at be this have from or one by word"
    " not what all were we when your can said there use an each which how their if will up other about out many then"
    " them these so some would make like him into time has look two more write go see number no way could people my"
    " than first been who now find long down day did get come made may part picture image video scene describe tell"
    " explain show shows please think guess happen next soon later before after move moves moving push pull drop throw"
    " kick touch turn spin roll jump fly left right above below under over between near far big small colour color"
    " shape thing object things objects where why does do dog cat car house tree person water table glass cup book";
const std::vector<std::string> kControl{"<|endoftext|>",  "<|im_start|>",  "<|im_end|>",   "<|vision_start|>",
                                        "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"};

fs::path merges_file(const fs::path& directory) { return directory / "language.merges.txt"; }

}  // namespace

text::BpeMerges train_foresight_bpe(uint64_t seed) {
  std::vector<std::string> texts;
  for (uint64_t i = 0; i < 4000; ++i) {
    const ForesightScene scene = make_foresight_scene(seed, i, Split::train);
    texts.push_back(scene.question);
    texts.push_back(scene.answer);
    // As the template has them.
    texts.emplace_back("system\n").append(qwen::kSystemText);
    texts.emplace_back("user\n");
    texts.emplace_back("assistant\n");
  }
  for (int i = 0; i < 40; ++i) texts.emplace_back(kOrdinaryWords);
  return text::train_bpe(texts, kForesightMerges);
}

text::BpeFiles foresight_tokenizer(const text::BpeMerges& merges) { return text::bpe_files(merges, kControl); }

qwen::Config foresight_language(const text::BpeMerges& merges) {
  const text::BpeFiles tokenizer = foresight_tokenizer(merges);
  const auto control = [&](std::string_view content) {
    for (const text::BpeAddedToken& token : tokenizer.added)
      if (token.content == content) return token.id;
    return int64_t{-1};
  };
  qwen::Config config;
  config.text = {.vocab_size = (control("<|video_pad|>") + 8) / 8 * 8,
                 .hidden_size = 192,
                 .intermediate_size = 512,
                 .num_hidden_layers = 4,
                 .num_attention_heads = 6,
                 .num_key_value_heads = 2,
                 .max_position_embeddings = 4096,
                 .rope_theta = 1e4,
                 .mrope_section = {4, 6, 6},
                 .tie_word_embeddings = true};
  config.vision = {.depth = 4,
                   .hidden_size = 128,
                   .intermediate_size = 344,
                   .num_heads = 4,
                   .out_hidden_size = config.text.hidden_size,
                   .fullatt_block_indexes = {0, 1, 2, 3}};
  // A little more than the square has, which would else be rounded down to the one below.
  config.picture.max_pixels = kForesightPictureSide * kForesightPictureSide + 156;
  config.picture.min_pixels = 84 * kForesightPictureSide;
  config.sampling = {.do_sample = false, .top_k = 0};
  config.eos_token_ids = {control("<|im_end|>"), control("<|endoftext|>")};
  config.vision_start_token_id = control("<|vision_start|>");
  config.vision_end_token_id = control("<|vision_end|>");
  config.image_token_id = control("<|image_pad|>");
  config.video_token_id = control("<|video_pad|>");
  return config;
}

std::map<std::string, at::Tensor> fresh_foresight_language(const qwen::Config& config) {
  std::map<std::string, at::Tensor> weights;
  for (const auto& [key, shape] : qwen::parameter_shapes(config)) {
    const bool is_bias = key.ends_with("bias");
    if (shape.size() == 1) {
      weights[key] = is_bias ? at::zeros(shape, at::kFloat) : at::ones(shape, at::kFloat);
      continue;
    }
    double inputs = 1;
    for (std::size_t axis = 1; axis < shape.size(); ++axis) inputs *= static_cast<double>(shape[axis]);
    double size = 1 / std::sqrt(inputs);
    // What adds to the residual stream begins small; words and what is seen of pictures begin alike.
    if (key.ends_with("o_proj.weight") || key.ends_with("down_proj.weight") || key.ends_with("attn.proj.weight"))
      size *= 0.3;
    if (key.ends_with("embed_tokens.weight")) size = 0.05;
    if (key.ends_with("merger.mlp.2.weight")) size *= 0.15;
    weights[key] = at::randn(shape, at::kFloat) * size;
  }
  return weights;
}

void write_merges(const fs::path& directory, const text::BpeMerges& merges) {
  fs::create_directories(directory);
  std::ofstream out(merges_file(directory), std::ios::binary);
  for (const auto& [left, right] : merges) out << left << ' ' << right << '\n';
  out.close();
  require(!out.fail(), ErrorCode::unavailable, "cannot write '{}'", merges_file(directory).string());
}

text::BpeMerges read_merges(const fs::path& directory) {
  std::ifstream in(merges_file(directory), std::ios::binary);
  require(in.is_open(), ErrorCode::not_found, "there is no '{}': run foresight-language first",
          merges_file(directory).string());
  text::BpeMerges merges;
  for (std::string left, right; in >> left >> right;) merges.emplace_back(left, right);
  return merges;
}

generation::LanguageFiles trained_language(const fs::path& directory) {
  const text::BpeMerges merges = read_merges(directory);
  const qwen::Config config = foresight_language(merges);
  return {config, qwen::load(directory / "language.safetensors", config).to(at::kBFloat16),
          foresight_tokenizer(merges)};
}

std::shared_ptr<const qwen::Model> model_of(const generation::LanguageFiles& files) {
  return std::make_shared<const qwen::Model>(
      qwen::Model{.config = files.config,
                  .tokenizer = std::make_shared<const text::ByteLevelBpe>(files.tokenizer),
                  .language = qwen::LanguageModel(files.config.text, qwen::language_weights(files.weights)),
                  .vision = qwen::VisionTower(files.config.vision, qwen::vision_weights(files.weights))});
}

}  // namespace rushes::training
