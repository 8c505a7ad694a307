#include "rushes/models/qwen/checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "rushes/base/message_of.h"
#include "rushes/base/scratch_folder.h"
#include "rushes/models/qwen/config_json.h"
#include "rushes/models/qwen/model.h"
#include "rushes/models/qwen/random_weights.h"
#include "rushes/tensor/checkpoint_forge.h"

namespace rushes::qwen {
namespace {

namespace fs = std::filesystem;
namespace forge = tensor::forge;
using nlohmann::json;
using ::testing::HasSubstr;

json manifest(const std::string& size) {
  std::ifstream in(fs::path(RUSHES_SOURCE_DIR) / "tests/manifests/foresight" /
                   ("manifest_qwen2.5_vl_" + size + ".json"));
  return json::parse(in);
}

Config config_of(const json& manifest) {
  Config config;
  config.text = text_config(manifest.at("text_config"), "manifest");
  config.vision = vision_config(manifest.at("vision_config"), "manifest");
  check(config, "manifest");
  return config;
}

/// Two shards and their index.
void write_shards(const fs::path& folder, const std::vector<forge::TensorSpec>& tensors) {
  json index;
  std::vector<forge::TensorSpec> parts[2];
  for (size_t i = 0; i < tensors.size(); ++i) {
    parts[i % 2].push_back(tensors[i]);
    index["weight_map"][tensors[i].key] = fmt::format("model-0000{}-of-00002.safetensors", i % 2 + 1);
  }
  for (size_t i = 0; i < 2; ++i)
    forge::write_sparse_safetensors(folder / fmt::format("model-0000{}-of-00002.safetensors", i + 1), parts[i]);
  std::ofstream(folder / "model.safetensors.index.json") << index.dump();
}

using Renaming = std::function<std::string(const std::string&)>;

std::vector<forge::TensorSpec> renamed(std::vector<forge::TensorSpec> tensors, const Renaming& name) {
  for (forge::TensorSpec& spec : tensors) spec.key = name(spec.key);
  return tensors;
}

TEST(QwenCheckpoint, names_and_shapes_are_those_of_the_published_files) {
  for (const char* size : {"7b", "3b"}) {
    const json published = manifest(size);
    tensor::Shapes wanted;
    for (const forge::TensorSpec& spec : forge::published(published, at::kBFloat16)) wanted[spec.key] = spec.shape;
    EXPECT_EQ(parameter_shapes(config_of(published)), wanted) << size;
  }
  EXPECT_EQ(config_of(manifest("7b")), Config{});
}

TEST(QwenCheckpoint, full_size_shards_are_read_in_every_spelling_without_copying) {
  const json published = manifest("3b");
  const Config config = config_of(published);
  const Renaming spellings[] = {
      [](const std::string& key) { return key; },
      [](const std::string& key) { return key.starts_with("model.") ? "model.language_" + key : "model." + key; },
      [](const std::string& key) { return key.starts_with("model.") ? "language_model." + key : key; }};
  for (const Renaming& spelling : spellings) {
    const ScratchFolder scratch;
    write_shards(scratch.path, renamed(forge::published(published, at::kBFloat16), spelling));
    const tensor::WeightMap weights = load(scratch.path, config, tensor::Extra::refuse);
    EXPECT_EQ(std::ssize(weights.keys()), std::ssize(parameter_shapes(config)));
    const LanguageModel language(config.text, language_weights(weights));  // borrows: 6 GB of holes cost nothing
    EXPECT_EQ(language.dtype(), at::kBFloat16);
    EXPECT_EQ(language.bytes_per_token(),
              2 * (151936 * 2048LL + 36 * (2048LL * (2048 * 2 + 512) + 3 * 2048LL * 11008)));
    const VisionTower vision(config.vision, vision_weights(weights));
  }
}

TEST(QwenCheckpoint, a_tied_head_that_is_stored_is_left_out) {
  Config config = tiny_config();
  config.text.tie_word_embeddings = true;
  std::vector<forge::TensorSpec> tensors;
  for (const auto& [key, shape] : parameter_shapes(config)) tensors.push_back({key, shape});
  tensors.push_back({"lm_head.weight", {config.text.vocab_size, config.text.hidden_size}});
  const ScratchFolder scratch;
  forge::write_sparse_safetensors(scratch.path / "model.safetensors", tensors);
  EXPECT_FALSE(load(scratch.path, config, tensor::Extra::refuse).contains("lm_head.weight"));
}

TEST(QwenCheckpoint, errors_name_what_is_missing_and_misshapen) {
  const Config config = tiny_config();
  std::vector<forge::TensorSpec> tensors;
  for (const auto& [key, shape] : parameter_shapes(config))
    if (key != "model.layers.1.mlp.up_proj.weight") tensors.push_back({key, shape});
  tensors.front().shape.push_back(3);
  const ScratchFolder scratch;
  forge::write_sparse_safetensors(scratch.path / "model.safetensors", tensors);
  EXPECT_THAT(message_of([&] { load(scratch.path, config); }),
              ::testing::AllOf(HasSubstr("model.layers.1.mlp.up_proj.weight"), HasSubstr(tensors.front().key)));
}

void write(const fs::path& file, const std::string& text) { std::ofstream(file) << text; }

TEST(QwenConfig, both_layouts_of_config_json_say_the_same) {
  const json published = manifest("3b");
  json flat = published.at("text_config"), nested;
  flat["vision_config"] = nested["vision_config"] = published.at("vision_config");
  flat["image_token_id"] = nested["image_token_id"] = 151655;
  nested["text_config"] = published.at("text_config");
  const ScratchFolder one, other;
  write(one.path / "config.json", flat.dump());
  write(other.path / "config.json", nested.dump());
  EXPECT_EQ(read_config(one.path), read_config(other.path));
  EXPECT_TRUE(read_config(one.path).text.tie_word_embeddings);
}

TEST(QwenConfig, the_other_files_are_read_where_they_are) {
  const ScratchFolder scratch;
  write(scratch.path / "config.json", R"({"eos_token_id": 5})");
  EXPECT_EQ(read_config(scratch.path).eos_token_ids, (std::vector<int64_t>{5}));
  EXPECT_EQ(read_config(scratch.path).picture, PictureConfig{});
  write(scratch.path / "generation_config.json",
        R"({"do_sample": true, "temperature": 0.1, "top_k": 1, "top_p": 0.001, "repetition_penalty": 1.05,
            "eos_token_id": [151645, 151643]})");
  write(scratch.path / "preprocessor_config.json", R"({"min_pixels": 784, "max_pixels": 100000})");
  const Config config = read_config(scratch.path);
  EXPECT_EQ(config.sampling, (SamplingConfig{true, 0.1, 1, 0.001, 1.05}));
  EXPECT_EQ(config.eos_token_ids, (std::vector<int64_t>{151645, 151643}));
  EXPECT_EQ(config.picture.min_pixels, 784);
  write(scratch.path / "preprocessor_config.json", R"({"size": {"shortest_edge": 3136, "longest_edge": 5000}})");
  EXPECT_EQ(read_config(scratch.path).picture.max_pixels, 5000);
}

TEST(QwenConfig, refuses_what_it_would_compute_wrongly) {
  struct Damage {
    const char *text, *words;
    ErrorCode code = ErrorCode::corrupt_data;
  };
  constexpr auto kUnsupported = ErrorCode::unsupported;
  for (const Damage& damage :
       {Damage{"[]", "is not a JSON object"},
        Damage{R"({"hidden_size": 0})", "hidden_size is 0; it must be a whole number"},
        Damage{R"({"hidden_size": "3584"})", "it must be a whole number"},
        Damage{R"({"num_attention_heads": 27})", "must divide"}, Damage{R"({"num_key_value_heads": 5})", "must divide"},
        Damage{R"({"hidden_act": "gelu"})", "hidden_act must be silu", kUnsupported},
        Damage{R"({"use_sliding_window": true})", "use_sliding_window", kUnsupported},
        Damage{R"({"rope_scaling": {"type": "yarn"}})", "must be mrope or default", kUnsupported},
        Damage{R"({"rope_scaling": {"mrope_section": [16, 24]}})", "mrope_section"},
        Damage{R"({"rope_scaling": {"mrope_section": [16, 24, 23]}})", "mrope_section"},
        Damage{R"({"vision_config": {"out_hidden_size": 100}})", "out_hidden_size"},
        Damage{R"({"vision_config": {"window_size": 20}})", "window_size"},
        Damage{R"({"vision_config": {"patch_size": 16}})", "disagree about patches"},
        Damage{R"({"image_token_id": 200000})", "below vocab_size"},
        Damage{R"({"eos_token_id": []})", "eos_token_id"}}) {
    const ScratchFolder scratch;
    write(scratch.path / "config.json", damage.text);
    EXPECT_THAT(message_of([&] { read_config(scratch.path); }, damage.code), HasSubstr(damage.words)) << damage.text;
  }
}

}  // namespace
}  // namespace rushes::qwen
