#include "rushes/models/omniavatar/checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "rushes/base/manifest.h"
#include "rushes/base/message_of.h"
#include "rushes/base/scratch_folder.h"
#include "rushes/models/wan/checkpoint.h"
#include "rushes/models/wav2vec/checkpoint.h"
#include "rushes/tensor/checkpoint.h"
#include "rushes/tensor/checkpoint_forge.h"
#include "rushes/tensor/ops.h"

namespace rushes::omniavatar {
namespace {

namespace fs = std::filesystem;
namespace forge = tensor::forge;
using ::testing::HasSubstr;
using Specs = std::vector<forge::TensorSpec>;

/// The tensors of a published file, from its manifest.
Specs published(const std::string& name, const std::string& prefix = "") {
  Specs tensors = forge::published(fs::path(RUSHES_SOURCE_DIR) / "tests/manifests" / name, at::kBFloat16);
  for (forge::TensorSpec& spec : tensors) spec.key.insert(0, prefix);
  return tensors;
}

/// Files of full size that take no room: what a user downloads for one of OmniAvatar's models.
struct Downloads : ScratchFolder {
  Downloads() {
    const fs::path wan = path / "Wan2.1-T2V-1.3B", speech = path / "wav2vec2-base-960h";
    fs::create_directories(wan / "google/umt5-xxl");
    fs::create_directories(speech);
    forge::write_sparse_safetensors(wan / "diffusion_pytorch_model.safetensors",
                                    published("manifest_wan2.1_t2v_1.3b.json"));
    forge::write_sparse_torch_zip(wan / "models_t5_umt5-xxl-enc-bf16.pth",
                                  {{"", published("manifest_umt5_xxl_enc_bf16.json")}});
    forge::write_sparse_torch_zip(wan / "Wan2.1_VAE.pth", {{"", published("manifest_wan2.1_vae.json")}});
    std::ofstream(wan / "google/umt5-xxl/tokenizer.json") << "{}";
    Specs encoder;
    for (const auto& [key, shape] : wav2vec::parameter_shapes({})) encoder.push_back({"wav2vec2." + key, shape});
    forge::write_sparse_safetensors(speech / "model.safetensors", encoder);
  }
  fs::path add_adapter(const std::string& config, const Specs& tensors) const {
    const fs::path folder = path / "OmniAvatar-1.3B";
    fs::create_directories(folder);
    forge::write_sparse_torch_zip(folder / "pytorch_model.pt", {{"", tensors}});
    std::ofstream(folder / "config.json") << config;
    return folder;
  }
  fs::path add_adapter() const {
    return add_adapter(R"({"train_architecture": "lora", "lora_rank": 128, "lora_alpha": 64})",
                       published("omniavatar/manifest_OmniAvatar-1.3B.json"));
  }
  fs::path add_merged(const std::string& name, const std::string& prefix = "") const {
    const fs::path folder = path / name;
    fs::create_directories(folder);
    forge::write_sparse_safetensors(folder / "model.safetensors",
                                    published("omniavatar/manifest_OmniAvatar-1.3B-causal.json", prefix));
    return folder;
  }
};

TEST(AvatarDirectory, a_base_with_its_adapter_is_found_as_published) {
  const Downloads downloads;
  const fs::path folder = downloads.add_adapter();
  EXPECT_TRUE(is_model_directory(downloads.path));
  for (const fs::path& given : {downloads.path, folder}) {  // the folder of all downloads, and the checkpoint's own
    const ModelDirectory model = open_model_directory(given);
    EXPECT_EQ(model.transformer.adapter, folder / "pytorch_model.pt");
    EXPECT_EQ(model.transformer.file.filename(), "diffusion_pytorch_model.safetensors");
    EXPECT_EQ(model.transformer.lora, (Lora{64, 128}));
    EXPECT_EQ(model.transformer.config, TransformerConfig{});
    EXPECT_EQ(model.audio_encoder.config, wav2vec::Config{});
    EXPECT_EQ(model.autoencoder.vae, wan::VaeConfig{});
    EXPECT_EQ(model.tokenizer.filename(), "umt5-xxl");
    EXPECT_EQ(model.defaults, published_defaults(Sampler::bidirectional));
    EXPECT_EQ(model.defaults.steps, 50);
  }
}

TEST(AvatarDirectory, a_causal_model_is_found_with_and_without_the_prefix_of_its_names) {
  for (const char* prefix : {"", "model."}) {
    const Downloads downloads;
    const fs::path folder = downloads.add_merged("causal", prefix);
    const ModelDirectory model = open_model_directory(folder);
    EXPECT_EQ(model.transformer.file, folder / "model.safetensors");
    EXPECT_TRUE(model.transformer.adapter.empty());
    EXPECT_EQ(model.transformer.config, TransformerConfig{});
    EXPECT_EQ(model.defaults, published_defaults(Sampler::causal));
    ASSERT_EQ(model.assumptions.size(), 1);
    EXPECT_EQ(load_transformer(model.transformer, at::kBFloat16, tensor::Extra::refuse).keys().size(), 857);
  }
}

TEST(AvatarDirectory, livetalk_is_sampled_with_its_window_and_sink) {
  const Downloads downloads;
  const ModelDirectory model = open_model_directory(downloads.add_merged("LiveTalk-1.3B-V0.1"));
  EXPECT_EQ(model.defaults.height, 512);
  EXPECT_EQ(model.defaults.width, 512);
  EXPECT_EQ(model.defaults.window, 15);
  EXPECT_EQ(model.defaults.sink, 9);
  EXPECT_EQ(model.defaults.fps, 16);
  EXPECT_THAT(model.assumptions.at(0), HasSubstr("LiveTalk"));
}

TEST(AvatarDirectory, of_two_checkpoints_the_user_chooses) {
  const Downloads downloads;
  downloads.add_adapter();
  const fs::path causal = downloads.add_merged("causal");
  EXPECT_THAT(message_of([&] { open_model_directory(downloads.path); }, ErrorCode::invalid_argument),
              HasSubstr("several checkpoints of avatars (causal/model.safetensors, OmniAvatar-1.3B/pytorch_model.pt)"));
  EXPECT_EQ(open_model_directory(causal).transformer.file, causal / "model.safetensors");
}

TEST(AvatarDirectory, of_two_bases_the_one_as_wide_as_the_adapter_is_taken) {
  const Downloads downloads;
  const fs::path folder = downloads.add_adapter(), other = downloads.path / "Wan2.1-T2V-14B";
  fs::create_directories(other);
  forge::write_sparse_safetensors(other / "diffusion_pytorch_model.safetensors",
                                  published("manifest_wan2.1_t2v_14b.json"));
  forge::write_sparse_torch_zip(other / "Wan2.1_VAE.pth", {{"", published("manifest_wan2.1_vae.json")}});
  ModelDirectory model = open_model_directory(downloads.path);
  EXPECT_EQ(model.transformer.file.parent_path().filename(), "Wan2.1-T2V-1.3B");
  EXPECT_EQ(model.autoencoder.file.parent_path(), model.transformer.file.parent_path());
  forge::write_sparse_torch_zip(folder / "pytorch_model.pt",
                                {{"", published("omniavatar/manifest_OmniAvatar-14B.json")}});
  model = open_model_directory(folder);
  EXPECT_EQ(model.transformer.file.parent_path(), other);
  EXPECT_EQ(model.transformer.config.wan.num_layers, 40);
  EXPECT_EQ(model.transformer.config.speech_layers(), 19);
}

TEST(AvatarDirectory, what_is_missing_is_named) {
  const Downloads downloads;
  downloads.add_adapter();
  fs::remove_all(downloads.path / "wav2vec2-base-960h");
  fs::remove(downloads.path / "Wan2.1-T2V-1.3B/diffusion_pytorch_model.safetensors");
  const std::string message = message_of([&] { open_model_directory(downloads.path); }, ErrorCode::not_found);
  EXPECT_THAT(message, HasSubstr("wav2vec2-base-960h (audio encoder)"));
  EXPECT_THAT(message, HasSubstr("diffusion_pytorch_model.safetensors of Wan2.1-T2V (transformer)"));
}

TEST(AvatarDirectory, the_strength_of_an_adapter_comes_from_its_config) {
  const Specs tensors = published("omniavatar/manifest_OmniAvatar-1.3B.json");
  const std::pair<const char*, const char*> cases[] = {
      {"{}", "no number 'lora_alpha'"},
      {R"({"lora_alpha": 64})", "no whole number 'lora_rank'"},
      {R"({"lora_alpha": "64", "lora_rank": 128})", "no number 'lora_alpha'"},
      {R"({"lora_alpha": 64, "lora_rank": 1e300})", "no whole number 'lora_rank'"},
      {R"({"lora_alpha": 64, "lora_rank": 0})", "must be more than 0"},
  };
  for (const auto& [config, words] : cases) {
    const Downloads downloads;
    downloads.add_adapter(config, tensors);
    EXPECT_THAT(message_of([&] { open_model_directory(downloads.path); }), HasSubstr(words)) << config;
  }
  const Downloads downloads;
  downloads.add_adapter(R"({"train_architecture": "full"})", tensors);
  EXPECT_THAT(message_of([&] { open_model_directory(downloads.path); }, ErrorCode::unsupported), HasSubstr("'full'"));
}

TEST(AvatarDirectory, a_checkpoint_for_another_speech_encoder_is_refused) {
  Specs tensors = published("omniavatar/manifest_OmniAvatar-1.3B.json");
  for (auto& tensor : tensors)
    if (tensor.key == "audio_proj.proj.weight") tensor.shape[1] = 4 * 768;
  const Downloads downloads;
  downloads.add_adapter(R"({"lora_alpha": 64, "lora_rank": 128})", tensors);
  EXPECT_THAT(message_of([&] { open_model_directory(downloads.path); }, ErrorCode::invalid_argument),
              HasSubstr("speech features of width 768"));
}

struct SmallFolder : ScratchFolder {
  SmallFolder() {
    for (const char* name : {"t.safetensors", "e.safetensors", "a.safetensors", "s.safetensors", "words.model"})
      std::ofstream(path / name) << "x";
  }
};

constexpr const char* kManifest = R"(schema: 1
name: small
family: omniavatar
transformer: {file: t.safetensors, dim: 96, ffn_dim: 128, num_heads: 4, num_layers: 6, in_dim: 33, text_dim: 48, text_len: 32, audio_hidden_size: 16}
text_encoder: {file: e.safetensors, vocab: 640, dim: 48, dim_attn: 48, dim_ffn: 64, num_heads: 4, num_layers: 1, text_len: 32}
autoencoder: {kind: tiny, file: a.safetensors, decoder_widths: [64, 48, 16, 16], encoder_width: 16}
tokenizer: words.model
audio_encoder: {file: s.safetensors, hidden_size: 24, num_hidden_layers: 2, num_attention_heads: 2, num_conv_pos_embedding_groups: 4}
defaults: {sampler: causal, height: 96, width: 96, window: 21, sink: 3}
)";

TEST(AvatarManifest, sets_what_it_names_and_leaves_the_defaults) {
  const SmallFolder folder;
  std::ofstream(folder.path / kManifestName) << kManifest;
  EXPECT_TRUE(is_model_directory(folder.path));
  const ModelDirectory model = open_model_directory(folder.path);
  EXPECT_EQ(model.transformer.config.wan.dim, 96);
  EXPECT_EQ(model.transformer.config.speech, (SpeechConfig{.feature_dim = 4 * 24, .hidden_size = 16, .group = 4}));
  EXPECT_EQ(model.audio_encoder.file, folder.path / "s.safetensors");
  EXPECT_EQ(model.defaults.window, 21);
  EXPECT_EQ(model.defaults.steps, 4);
  ModelDirectory changed = model;
  changed.defaults = published_defaults(Sampler::bidirectional);
  changed.transformer.adapter = folder.path / "a.safetensors";
  changed.transformer.lora = {3, 6};
  changed.trained_for.sizes = {{400, 720}};
  changed.words.phrases = {"a", "short hair"};
  for (const ModelDirectory& each : {model, changed})
    EXPECT_EQ(parse_manifest(manifest_yaml(each), folder.path, "m"), each) << manifest_yaml(each);
}

TEST(AvatarManifest, a_wrong_one_is_refused_by_the_name_of_the_field) {
  const SmallFolder folder;
  const std::tuple<const char*, const char*, const char*> cases[] = {
      {"in_dim: 33", "in_dim: 32", "'transformer.in_dim' must be 33"},
      {"window: 21", "window: 5", "'defaults.window' of 5 latent frames with a sink of 3"},
      {"sampler: causal", "sampler: quick", "allowed values are causal and bidirectional"},
      {"sink: 3", "overlap_frame: 12", "'defaults.overlap_frame'"},
      {"sink: 3", "max_hw: 700", "'defaults.max_hw' must be 720, 1280 or 0"},
      {"audio_hidden_size: 16", "lora_rank: 3", "'transformer.lora_rank' is not a known key"},
      {"num_attention_heads: 2", "num_attention_heads: 5", "'audio_encoder.num_attention_heads' 5 does not divide"},
      {"num_hidden_layers: 2", "conv_dim: [8, 8]", "'audio_encoder.conv_dim' must have as many entries"},
      {"text_dim: 48", "text_dim: 64", "'transformer.text_dim' is 64"},
  };
  for (const auto& [from, to, words] : cases) {
    std::string yaml = kManifest;
    yaml.replace(yaml.find(from), std::string_view(from).size(), to);
    EXPECT_THAT(message_of([&] { parse_manifest(yaml, folder.path, "m"); }, ErrorCode::invalid_argument),
                HasSubstr(words));
  }
}

tensor::WeightMap weights_of(const Specs& specs) {
  tensor::WeightMap weights;
  for (const auto& [key, shape, dtype] : specs) weights.set(key, at::randn(shape, at::kFloat));
  return weights;
}

const Specs kBase{{"patch_embedding.weight", {6, 4, 1, 2, 2}}, {"l.weight", {6, 5}}, {"l.bias", {6}}};
const Specs kPatch{{"patch_embedding.weight", {6, 9, 1, 2, 2}}};

TEST(MergeAdapter, adds_the_product_with_its_strength_under_both_spellings) {
  const tensor::WeightMap base = weights_of(kBase);
  for (const char* spelling : {"", ".default"}) {
    Specs specs = kPatch;
    specs.push_back({fmt::format("l.lora_A{}.weight", spelling), {2, 5}});
    specs.push_back({fmt::format("l.lora_B{}.weight", spelling), {6, 2}});
    const tensor::WeightMap adapter = with_published_names(weights_of(specs));
    const tensor::WeightMap merged = merge_adapter(base, adapter, {3, 2}, at::kFloat);
    const at::Tensor product = at::matmul(adapter.at("l.lora_B.weight"), adapter.at("l.lora_A.weight"));
    EXPECT_TRUE(at::allclose(merged.at("l.weight"), base.at("l.weight") + 1.5 * product, 1e-5, 1e-6));
    EXPECT_TRUE(at::equal(merged.at("l.bias"), base.at("l.bias")));
    EXPECT_TRUE(at::equal(merged.at("patch_embedding.weight"), adapter.at("patch_embedding.weight")));
    EXPECT_EQ(merged.keys().size(), 3);
  }
}

TEST(MergeAdapter, rounds_once) {
  Specs specs = kPatch;
  specs.push_back({"l.lora_A.weight", {2, 5}});
  specs.push_back({"l.lora_B.weight", {6, 2}});
  const tensor::WeightMap base = weights_of(kBase), adapter = weights_of(specs);
  const at::Tensor exact = merge_adapter(base, adapter, {1, 2}, at::kFloat).at("l.weight");
  EXPECT_TRUE(at::equal(merge_adapter(base, adapter, {1, 2}, at::kBFloat16).at("l.weight"), exact.to(at::kBFloat16)));
}

TEST(MergeAdapter, what_does_not_fit_is_refused_by_name) {
  struct Variant {
    Specs adapter;
    ErrorCode code;
    const char* words;
  };
  const auto bad = ErrorCode::corrupt_data;
  const Specs down{{"l.lora_A.weight", {2, 5}}}, up{{"l.lora_B.weight", {6, 2}}};
  const auto all = [&](std::initializer_list<Specs> parts) {
    Specs joined;
    for (const Specs& part : parts) joined.insert(joined.end(), part.begin(), part.end());
    return joined;
  };
  const Variant variants[] = {
      {all({down, up}), bad, "has no 'patch_embedding.weight'"},
      {all({down, up, {{"patch_embedding.weight", {6, 4, 1, 2, 2}}}}), bad, "no more input channels than the base"},
      {all({kPatch, down}), bad, "but no 'l.lora_B.weight'"},
      {all({kPatch, up}), bad, "but no 'l.lora_A.weight'"},
      {all({kPatch, down, {{"l.lora_B.weight", {5, 2}}}}), bad, "do not make an addition to 'l.weight' [6, 5]"},
      {all({kPatch, {{"l.lora_A.weight", {3, 5}}, {"l.lora_B.weight", {6, 3}}}}), bad, "has rank 3"},
      {all({kPatch, {{"m.lora_A.weight", {2, 5}}, {"m.lora_B.weight", {6, 2}}}}), bad, "has no 'm.weight'"},
      {all({kPatch, down, up, {{"l.lora_magnitude_vector", {6}}}}), ErrorCode::unsupported, "lora_magnitude_vector"},
  };
  const tensor::WeightMap base = weights_of(kBase);
  for (const Variant& variant : variants)
    EXPECT_THAT(message_of(
                    [&] {
                      merge_adapter(base, weights_of(variant.adapter), {1, 2}, at::kFloat);
                    },
                    variant.code),
                HasSubstr(variant.words));
}

TEST(PublishedCheckpoints, have_the_names_that_the_dimensions_give) {
  tensor::Shapes shapes;
  for (const auto& spec : published("omniavatar/manifest_OmniAvatar-1.3B-causal.json")) shapes[spec.key] = spec.shape;
  EXPECT_EQ(parameter_shapes({}), shapes);
}

TEST(PublishedCheckpoints, are_known_by_their_fingerprints) {
  const Downloads downloads;
  const auto tensors = [](const fs::path& folder) {
    return tensor::load_checkpoint(folder / "model.safetensors").tensors;
  };
  const tensor::WeightMap plain = tensors(downloads.add_merged("plain")),
                          prefixed = tensors(downloads.add_merged("prefixed", "model."));
  EXPECT_EQ(fingerprint(plain, true), "2bf9513c7a3e908015f11a800fc9b820");
  EXPECT_EQ(fingerprint(plain, false), "d0427e639e275f96ed5fcd258b70e239");
  EXPECT_EQ(fingerprint(prefixed, true), "932ee6d0f20cc990c6959ad5f2deff77");
  EXPECT_EQ(fingerprint(prefixed, false), "ea185b6f94cb198c7e36c151ff4d86b1");
  EXPECT_EQ(known_file(plain), "OmniAvatar 1.3B, causal");
  EXPECT_EQ(known_file({}), std::nullopt);
  EXPECT_EQ(kind_of(plain), CheckpointKind::merged);
  EXPECT_EQ(kind_of(weights_of(kBase)), std::nullopt);
}

}  // namespace
}  // namespace rushes::omniavatar
