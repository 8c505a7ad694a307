// Golden cases of the language model that sees: its two networks, and whole texts from pictures.
#include "rushes/models/qwen/checkpoint.h"
#include "rushes/models/qwen/config_json.h"
#include "rushes/models/qwen/generation.h"
#include "rushes/models/qwen/picture_patches.h"
#include "rushes/models/qwen/positions.h"
#include "rushes/models/qwen/random_weights.h"
#include "rushes/tensor/ops.h"
#include "rushes/verify/foresight/qwen_cases.h"
#include "rushes/verify/runners.h"

namespace rushes::verify {

qwen::Config qwen_case_config(const nlohmann::json& hyper) {
  qwen::Config config;
  config.text = qwen::text_config(hyper.at("text"), "hyper.text");
  config.text.tie_word_embeddings = hyper.value("tie_word_embeddings", config.text.tie_word_embeddings);
  config.vision = qwen::vision_config(hyper.value("vision", nlohmann::json::object()), "hyper.vision");
  config.picture.patch_size = config.vision.patch_size;
  config.picture.merge_size = config.vision.spatial_merge_size;
  config.picture.temporal_patch_size = config.vision.temporal_patch_size;
  config.image_token_id = hyper.value("image_token_id", config.image_token_id);
  config.vision_start_token_id = hyper.value("vision_start_token_id", config.vision_start_token_id);
  config.vision_end_token_id = hyper.value("vision_end_token_id", config.vision_end_token_id);
  return config;
}

qwen::Model qwen_case_model(const Case& c, qwen::Config config, const tensor::WeightMap& weights) {
  const tensor::WeightMap published = qwen::with_published_names(weights);
  std::optional<qwen::VisionTower> vision;
  const tensor::WeightMap eyes = qwen::vision_weights(published);
  if (!eyes.keys().empty()) vision.emplace(config.vision, c.completed(eyes, qwen::vision_shapes(config.vision)));
  qwen::LanguageModel language(config.text,
                               c.completed(qwen::language_weights(published), qwen::language_shapes(config.text)));
  return {.config = std::move(config),
          .tokenizer = std::make_shared<const text::ByteLevelBpe>(qwen::byte_tokenizer_files()),
          .language = std::move(language),
          .vision = std::move(vision)};
}

namespace {

Produced qwen_vision(const Case& c) {
  const qwen::VisionConfig config = qwen::vision_config(c.hyper, "hyper");
  const tensor::WeightMap published = qwen::vision_weights(qwen::with_published_names(c.weights));
  const qwen::VisionTower tower(
      config, c.completed(published.keys().empty() ? c.weights : published, qwen::vision_shapes(config)));
  return {{{"out_merged", tower.forward(c.input("pixel_values"), c.input("grid_thw"))}}, {}};
}

Produced qwen_language_model(const Case& c) {
  const qwen::TextConfig config = qwen::text_config(c.hyper, "hyper");
  const tensor::WeightMap weights = qwen::language_weights(qwen::with_published_names(c.weights));
  const qwen::LanguageModel model(config, c.completed(weights, qwen::language_shapes(config)));
  const at::Tensor hidden = model.forward(model.embed(c.input("input_ids")), c.input("position_ids"));
  Produced produced{{{"out_hidden", hidden}}, {}};
  if (c.wants("out_logits")) produced.tensors["out_logits"] = model.logits(hidden);
  return produced;
}

Produced qwen_generate(const Case& c) {
  qwen::Config config = qwen_case_config(c.hyper);
  const nlohmann::json limits = c.hyper.value("preprocessor", nlohmann::json::object());
  config.picture.min_pixels = limits.value("min_pixels", config.picture.min_pixels);
  config.picture.max_pixels = limits.value("max_pixels", config.picture.max_pixels);
  config.eos_token_ids = {-1};  // as many tokens as are recorded
  const auto model = std::make_shared<const qwen::Model>(qwen_case_model(c, std::move(config), c.weights));

  const at::Tensor ids = c.input("input_ids").cpu().flatten().contiguous();
  const int64_t* id = ids.const_data_ptr<int64_t>();
  qwen::Prompt prompt{{id, id + ids.numel()}, {}};
  for (int64_t i = 0; c.has_input("image_" + std::to_string(i)); ++i)
    prompt.pictures.push_back(model->see(c.input("image_" + std::to_string(i))));

  const at::Tensor* recorded = c.wanted("out_tokens");
  const int64_t count = recorded ? recorded->size(1) : c.hyper.at("max_new_tokens").get<int64_t>();
  qwen::Generation generation(model, std::move(prompt), {.sampling = {.do_sample = false}, .max_new_tokens = count});
  std::vector<at::Tensor> logits;
  while (!generation.finished()) {
    generation.step();
    logits.push_back(generation.logits());
  }
  return {{{"out_tokens", at::tensor(generation.tokens(), at::TensorOptions(at::kLong)).unsqueeze(0)},
           {"out_step_logits", at::stack(logits).unsqueeze(0)}},
          {}};
}

}  // namespace

void add_foresight_qwen_networks(Registry& registry) {
  registry[{"foresight", "qwen_vision"}] = qwen_vision;
  registry[{"foresight", "qwen_language_model"}] = qwen_language_model;
  registry[{"foresight", "qwen_generate"}] = qwen_generate;
}

}  // namespace rushes::verify
