#include "rushes/models/qwen/model.h"

#include <algorithm>
#include <numeric>

#include "rushes/base/error.h"
#include "rushes/models/qwen/checkpoint.h"
#include "rushes/models/qwen/config_json.h"
#include "rushes/models/qwen/positions.h"
#include "rushes/tensor/ops.h"
#include "rushes/text/bpe_files.h"

namespace rushes::qwen {
namespace {

/// Of tokenizers whose files do not list them, in this order behind the vocabulary. Those that are not special are
/// marks within a text.
constexpr const char* kSpecialTokens[] = {
    "<|endoftext|>",  "<|im_start|>",   "<|im_end|>",     "<|object_ref_start|>", "<|object_ref_end|>",
    "<|box_start|>",  "<|box_end|>",    "<|quad_start|>", "<|quad_end|>",         "<|vision_start|>",
    "<|vision_end|>", "<|vision_pad|>", "<|image_pad|>",  "<|video_pad|>"};
constexpr const char* kMarks[] = {"<tool_call>",    "</tool_call>", "<|fim_prefix|>", "<|fim_middle|>",
                                  "<|fim_suffix|>", "<|fim_pad|>",  "<|repo_name|>",  "<|file_sep|>"};

void add_standard_tokens(text::BpeFiles& files) {
  int64_t next = 0;
  for (const auto& [token, id] : files.vocabulary) next = std::max(next, id + 1);
  for (const char* token : kSpecialTokens) files.added.push_back({token, next++, true});
  for (const char* token : kMarks) files.added.push_back({token, next++, false});
}

/// 0: as many as the processor's file allows.
PictureConfig reduced_to(int64_t max_pixels, PictureConfig picture) {
  if (max_pixels > 0) picture.max_pixels = std::max(picture.min_pixels, std::min(picture.max_pixels, max_pixels));
  return picture;
}

}  // namespace

PictureFeatures Model::see(const at::Tensor& image, int64_t max_pixels) const {
  require(vision.has_value(), ErrorCode::unsupported, "this model has no vision tower: it reads text only");
  const PicturePatches patches = picture_patches(image, reduced_to(max_pixels, config.picture));
  return {vision->forward(patches.values, patches.grid), patches.grid};
}

int64_t Model::picture_tokens(PictureSize picture, int64_t max_pixels) const {
  const PictureConfig how = reduced_to(max_pixels, config.picture);
  const auto [height, width] = smart_resize(picture, how.factor(), how.min_pixels, how.max_pixels);
  return (height / how.factor()) * (width / how.factor());
}

std::vector<int64_t> Model::ids(std::span<const Turn> turns, const PictureTokenCounts& counts) const {
  std::vector<int64_t> ids = ChatPrompt(*tokenizer).ids(turns, counts);
  require(std::ssize(ids) < config.text.max_position_embeddings, ErrorCode::too_large,
          "the prompt and its pictures have {} tokens, {} of them of pictures; the language model reads at most {}",
          ids.size(), std::accumulate(counts.begin(), counts.end(), int64_t{0}),
          config.text.max_position_embeddings - 1);
  return ids;
}

Prompt Model::prompt(std::span<const Turn> turns, std::vector<PictureFeatures> pictures) const {
  PictureTokenCounts counts;
  for (const PictureFeatures& picture : pictures) counts.push_back(picture.tokens.size(0));
  return {ids(turns, counts), std::move(pictures)};
}

Model::Embedded Model::embedded(const Prompt& prompt) const {
  require(!prompt.ids.empty(), ErrorCode::invalid_argument, "the prompt is empty");
  const at::Tensor ids = at::tensor(prompt.ids, at::TensorOptions(at::kLong)).unsqueeze(0);
  std::vector<at::Tensor> grids, tokens;
  for (const PictureFeatures& picture : prompt.pictures) {
    grids.push_back(picture.grid);
    tokens.push_back(picture.tokens.to(language.device(), language.dtype()));
  }
  const at::Tensor grid = grids.empty() ? at::Tensor() : at::cat(grids, 0);
  const Positions positions = rope_index(ids, {}, grid, {config.image_token_id, config.vision.spatial_merge_size});
  at::Tensor x = language.embed(ids);
  if (!tokens.empty()) {
    const at::Tensor places = at::nonzero(ids[0].eq(config.image_token_id)).squeeze(1).to(language.device());
    x = x.clone();
    x.select(0, 0).index_copy_(0, places, at::cat(tokens, 0));
  }
  return {x, positions.ids.to(language.device()), positions.deltas[0].item<int64_t>()};
}

at::Tensor Model::hidden_states(const Prompt& prompt) const {
  const Embedded read = embedded(prompt);
  return language.forward(read.x, read.positions);
}

Model load_model(const std::filesystem::path& folder, const tensor::Placement& placement) {
  const Config config = read_config(folder);
  text::BpeFiles files = text::read_bpe_files(folder);
  if (files.added.empty()) add_standard_tokens(files);
  auto tokenizer = std::make_shared<const text::ByteLevelBpe>(files);
  require(tokenizer->vocabulary_size() <= config.text.vocab_size, ErrorCode::corrupt_data,
          "'{}': the tokenizer has {} tokens, the model {}", folder.string(), tokenizer->vocabulary_size(),
          config.text.vocab_size);
  const ChatPrompt has_all_control_tokens(*tokenizer);
  const tensor::WeightMap weights = load(folder, config);
  return {.config = config,
          .tokenizer = std::move(tokenizer),
          .language = LanguageModel(config.text, placement.put(language_weights(weights))),
          .vision = VisionTower(config.vision, placement.put(vision_weights(weights)))};
}

}  // namespace rushes::qwen
