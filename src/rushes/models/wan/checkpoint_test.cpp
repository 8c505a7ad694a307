#include "rushes/models/wan/checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "rushes/base/message_of.h"
#include "rushes/base/scratch_folder.h"
#include "rushes/tensor/checkpoint.h"
#include "rushes/tensor/checkpoint_forge.h"
#include "rushes/tensor/ops.h"
#include "rushes/tensor/safetensors.h"

namespace rushes::wan {
namespace {

namespace fs = std::filesystem;
namespace forge = tensor::forge;
using ::testing::HasSubstr;
using Shapes = std::map<std::string, std::vector<int64_t>>;

nlohmann::json read_json(const std::string& name) {
  std::ifstream in(fs::path(RUSHES_SOURCE_DIR) / "tests/manifests" / name);
  return nlohmann::json::parse(in);
}

std::vector<forge::TensorSpec> manifest(const std::string& name) {
  return forge::published(read_json("manifest_" + name + ".json"));
}

Shapes shapes_of(const std::vector<forge::TensorSpec>& tensors) {
  Shapes shapes;
  for (const auto& tensor : tensors) shapes[tensor.key] = tensor.shape;
  return shapes;
}

Shapes shapes_of(const tensor::WeightMap& weights) {
  Shapes shapes;
  for (const auto& [key, tensor] : weights.tensors()) shapes[key] = tensor.sizes().vec();
  return shapes;
}

TransformerConfig t2v_14b() { return {.dim = 5120, .ffn_dim = 13824, .num_heads = 40, .num_layers = 40}; }
TransformerConfig i2v_14b() {
  TransformerConfig config = t2v_14b();
  config.model_type = ModelType::i2v;
  config.in_dim = 36;
  return config;
}

TEST(WanCheckpoint, tables_are_those_of_the_published_files) {
  EXPECT_EQ(parameter_shapes(TransformerConfig{}), shapes_of(manifest("wan2.1_t2v_1.3b")));
  EXPECT_EQ(parameter_shapes(t2v_14b()), shapes_of(manifest("wan2.1_t2v_14b")));
  EXPECT_EQ(parameter_shapes(i2v_14b()), shapes_of(manifest("wan2.1_i2v_14b")));
  EXPECT_EQ(parameter_shapes(Umt5Config{}), shapes_of(manifest("umt5_xxl_enc_bf16")));
  EXPECT_EQ(parameter_shapes(VaeConfig{}), shapes_of(manifest("wan2.1_vae")));
  EXPECT_EQ(parameter_shapes(TinyAutoencoderConfig{}), shapes_of(manifest("taew2_1")));
}

TEST(WanCheckpoint, a_full_size_t2v_file_is_recognised_and_loaded) {
  const ScratchFolder scratch;
  const fs::path file = scratch.path / "diffusion_pytorch_model.safetensors";
  forge::write_sparse_safetensors(file, manifest("wan2.1_t2v_1.3b"));
  const TransformerConfig config = read_transformer_config(file);
  EXPECT_EQ(config, TransformerConfig{});
  EXPECT_EQ(published_name(config), "Wan2.1 T2V 1.3B");
  const auto weights = load_transformer(file, config);
  EXPECT_EQ(weights.parameter_count(), 1'418'996'800);
  EXPECT_EQ(shapes_of(weights), parameter_shapes(config));
}

TEST(WanCheckpoint, full_size_shards_are_recognised_and_loaded) {
  for (const auto& [name, config] : {std::pair("wan2.1_t2v_14b", t2v_14b()), std::pair("wan2.1_i2v_14b", i2v_14b())}) {
    SCOPED_TRACE(name);
    const ScratchFolder scratch;
    const fs::path& folder = scratch.path;
    const auto tensors = manifest(name);
    nlohmann::json weight_map;
    const std::size_t shard_size = tensors.size() / 5;
    for (std::size_t begin = 0; begin < tensors.size(); begin += shard_size) {
      const std::vector<forge::TensorSpec> part(
          tensors.begin() + static_cast<std::ptrdiff_t>(begin),
          tensors.begin() + static_cast<std::ptrdiff_t>(std::min(begin + shard_size, tensors.size())));
      const std::string file =
          fmt::format("diffusion_pytorch_model-{:05}-of-00006.safetensors", begin / shard_size + 1);
      forge::write_sparse_safetensors(folder / file, part);
      for (const auto& tensor : part) weight_map[tensor.key] = file;
    }
    const fs::path index = folder / "diffusion_pytorch_model.safetensors.index.json";
    std::ofstream(index) << nlohmann::json{{"metadata", {{"total_size", 1}}}, {"weight_map", weight_map}};
    EXPECT_EQ(read_transformer_config(index), config);
    EXPECT_EQ(shapes_of(load_transformer(folder, config)), parameter_shapes(config));
  }
  EXPECT_EQ(published_name(t2v_14b()), "Wan2.1 T2V 14B");
  EXPECT_EQ(published_name(i2v_14b()), "Wan2.1 I2V 14B");
}

TEST(WanCheckpoint, full_size_pickles_of_vae_text_encoder_and_tiny_autoencoder_are_loaded) {
  const ScratchFolder scratch;
  const fs::path& folder = scratch.path;
  forge::write_sparse_torch_zip(folder / "vae.pth", {{"", manifest("wan2.1_vae")}});
  EXPECT_EQ(read_vae_config(folder / "vae.pth"), VaeConfig{});
  EXPECT_EQ(load_vae(folder / "vae.pth", VaeConfig{}).parameter_count(), 126'892'531);
  forge::write_sparse_torch_zip(folder / "umt5.pth", {{"", manifest("umt5_xxl_enc_bf16")}});
  EXPECT_EQ(read_umt5_config(folder / "umt5.pth"), Umt5Config{});
  const auto text = load_text_encoder(folder / "umt5.pth", Umt5Config{});
  EXPECT_EQ(text.parameter_count(), 5'680'910'336);
  EXPECT_EQ(text.at("norm.weight").scalar_type(), at::kBFloat16);
  forge::write_sparse_torch_zip(folder / "taew2_1.pth", {{"", manifest("taew2_1")}});
  EXPECT_EQ(read_tiny_autoencoder_config(folder / "taew2_1.pth"), TinyAutoencoderConfig{});
  EXPECT_EQ(load_tiny_autoencoder(folder / "taew2_1.pth", TinyAutoencoderConfig{}).keys().size(), 128u);
}

TEST(WanCheckpoint, the_few_step_checkpoint_gives_the_asked_branch_or_its_sibling) {
  const ScratchFolder scratch;
  const fs::path file = scratch.path / "self_forcing_dmd.pt";
  const auto tensors = manifest("self_forcing_dmd");  // keys with "model."
  auto half = tensors;
  for (auto& tensor : half) tensor.dtype = at::kBFloat16;
  forge::write_sparse_torch_zip(file, {{"generator", half}, {"generator_ema", tensors}, {"critic", tensors}});
  EXPECT_EQ(read_transformer_config(file), TransformerConfig{});
  EXPECT_EQ(load_transformer(file, {}, Branch::generator).at("head.modulation").scalar_type(), at::kBFloat16);
  EXPECT_EQ(load_transformer(file, {}, Branch::generator_ema).at("head.modulation").scalar_type(), at::kFloat);
  EXPECT_EQ(shapes_of(load_transformer(file, {})), parameter_shapes(TransformerConfig{}));

  forge::write_sparse_torch_zip(file, {{"generator_ema", tensors}, {"critic", tensors}});
  EXPECT_EQ(load_transformer(file, {}, Branch::generator).at("head.modulation").scalar_type(), at::kFloat);
  forge::write_sparse_torch_zip(file, {{"generator", half}});
  EXPECT_EQ(load_transformer(file, {}, Branch::generator_ema).at("head.modulation").scalar_type(), at::kBFloat16);
  forge::write_sparse_torch_zip(file, {{"critic", tensors}});
  EXPECT_THAT(message_of([&] { load_transformer(file, {}); }, ErrorCode::unsupported), HasSubstr("'critic.model.'"));
  forge::write_sparse_torch_zip(file, {{"teacher", tensors}, {"student", tensors}});
  EXPECT_THAT(message_of([&] { load_transformer(file, {}); }, ErrorCode::unsupported),
              HasSubstr("'student.model.', 'teacher.model.'"));
}

TEST(WanCheckpoint, prefixes_and_wrappers_of_training_frameworks_are_taken_off) {
  const ScratchFolder scratch;
  const fs::path file = scratch.path / "model.safetensors";
  const TransformerConfig config{
      .dim = 8, .ffn_dim = 12, .num_heads = 2, .num_layers = 2, .freq_dim = 4, .text_dim = 6};
  for (const std::string prefix :
       {"", "model.", "module.model.", "model.diffusion_model.", "model._fsdp_wrapped_module.", "_orig_mod."}) {
    SCOPED_TRACE(prefix);
    std::vector<forge::TensorSpec> tensors;
    for (const auto& [key, shape] : parameter_shapes(config)) {
      std::string wrapped = prefix + key;
      if (const auto at = wrapped.find("self_attn"); at != std::string::npos)
        wrapped.insert(at, "_checkpoint_wrapped_module.");
      tensors.push_back({wrapped, shape});
    }
    forge::write_sparse_safetensors(file, tensors);
    EXPECT_EQ(shapes_of(load_transformer(file, config)), parameter_shapes(config));
  }
}

// Renames the published keys by the map, whose blocks stand for all blocks, and checks that loading undoes it.
std::vector<forge::TensorSpec> in_diffusers_names(const std::vector<forge::TensorSpec>& tensors,
                                                  const nlohmann::json& map) {
  std::vector<forge::TensorSpec> renamed;
  for (const auto& tensor : tensors) {
    std::string key = tensor.key, block;
    if (!map.contains(key)) {
      const auto dot = key.find('.', 7);
      block = key.substr(7, dot - 7);
      key = "blocks.0" + key.substr(dot);
    }
    std::string other = map.at(key);
    if (!block.empty())
      for (const std::string begin : {"blocks.0.", "encoder.block.0."})
        if (other.starts_with(begin))
          other = begin.substr(0, begin.size() - 2) + block + "." + other.substr(begin.size());
    renamed.push_back({other, tensor.shape, tensor.dtype});
  }
  return renamed;
}

TEST(WanCheckpoint, diffusers_and_transformers_names_mean_the_same) {
  const ScratchFolder scratch;
  const fs::path& folder = scratch.path;
  const nlohmann::json map = read_json("diffusers_key_map.json");
  forge::write_sparse_safetensors(folder / "t2v", in_diffusers_names(manifest("wan2.1_t2v_1.3b"), map["transformer"]));
  EXPECT_EQ(read_transformer_config(folder / "t2v"), TransformerConfig{});
  EXPECT_EQ(shapes_of(load_transformer(folder / "t2v", {})), parameter_shapes(TransformerConfig{}));
  forge::write_sparse_safetensors(folder / "i2v", in_diffusers_names(manifest("wan2.1_i2v_14b"), map["transformer"]));
  EXPECT_EQ(read_transformer_config(folder / "i2v"), i2v_14b());
  EXPECT_EQ(shapes_of(load_transformer(folder / "i2v", i2v_14b())), parameter_shapes(i2v_14b()));
  forge::write_sparse_safetensors(folder / "vae", in_diffusers_names(manifest("wan2.1_vae"), map["vae"]));
  EXPECT_EQ(read_vae_config(folder / "vae"), VaeConfig{});
  EXPECT_EQ(shapes_of(load_vae(folder / "vae", {})), parameter_shapes(VaeConfig{}));
  auto text = in_diffusers_names(manifest("umt5_xxl_enc_bf16"), map["umt5_block0"]);
  text.push_back({"encoder.embed_tokens.weight", {256384, 4096}, at::kBFloat16});  // the tied copy that some files have
  forge::write_sparse_safetensors(folder / "umt5", text);
  EXPECT_EQ(read_umt5_config(folder / "umt5"), Umt5Config{});
  EXPECT_EQ(shapes_of(load_text_encoder(folder / "umt5", {})), parameter_shapes(Umt5Config{}));
}

TEST(WanCheckpoint, of_tied_tables_any_one_serves) {
  const ScratchFolder scratch;
  const fs::path file = scratch.path / "model.safetensors";
  const nlohmann::json map = read_json("diffusers_key_map.json");
  const auto tensors = in_diffusers_names(manifest("umt5_xxl_enc_bf16"), map["umt5_block0"]);
  for (const std::string twin : {"shared.weight", "encoder.embed_tokens.weight", "decoder.embed_tokens.weight"}) {
    SCOPED_TRACE(twin);
    auto alone = tensors;
    for (auto& tensor : alone)
      if (tensor.key == "shared.weight") tensor.key = twin;
    forge::write_sparse_safetensors(file, alone);
    EXPECT_EQ(read_umt5_config(file), Umt5Config{});
    EXPECT_EQ(shapes_of(load_text_encoder(file, {}, Extra::refuse)), parameter_shapes(Umt5Config{}));
  }
  auto none = tensors;
  std::erase_if(none, [](const auto& tensor) { return tensor.key == "shared.weight"; });
  forge::write_sparse_safetensors(file, none);
  EXPECT_THAT(message_of([&] { load_text_encoder(file, {}); }), HasSubstr("missing (1):\n    token_embedding.weight"));
}

TEST(WanCheckpoint, scaled_8_bit_floats_are_read_under_every_spelling_of_the_names) {
  const ScratchFolder scratch;
  const fs::path file = scratch.path / "model.safetensors";
  const TransformerConfig config{
      .dim = 8, .ffn_dim = 12, .num_heads = 2, .num_layers = 1, .freq_dim = 4, .text_dim = 6};
  const nlohmann::json map = read_json("diffusers_key_map.json")["transformer"];
  for (const std::string prefix : {"", "model.diffusion_model.", "diffusers"}) {
    SCOPED_TRACE(prefix);
    std::map<std::string, at::Tensor> tensors;
    for (const auto& [key, shape] : parameter_shapes(config)) {
      const std::string name = prefix == "diffusers" ? map.at(key).get<std::string>() : prefix + key;
      const bool is_scaled = shape.size() == 2 && key.starts_with("blocks.");
      tensors[name] = at::full(shape, 3.0F).to(is_scaled ? at::kFloat8_e4m3fn : at::kHalf);
      if (is_scaled) tensors[name.substr(0, name.size() - 6) + "scale_weight"] = at::full({}, 0.5F);
    }
    tensors[(prefix == "diffusers" ? "" : prefix) + "scaled_fp8"] = at::zeros({2}, at::kFloat).to(at::kFloat8_e4m3fn);
    tensor::save_safetensors(file, tensors);
    const auto weights = load_transformer(file, config, Branch::generator, Extra::refuse).to(at::kFloat);
    EXPECT_EQ(weights.at("blocks.0.ffn.0.weight").max().item<float>(), 1.5F);
    EXPECT_EQ(weights.at("blocks.0.self_attn.q.weight").min().item<float>(), 1.5F);
  }
}

TEST(WanCheckpoint, what_others_put_beside_the_weights_is_left_out) {
  const ScratchFolder scratch;
  const fs::path file = scratch.path / "model.safetensors";
  const auto with = [&](auto tensors, const std::vector<forge::TensorSpec>& more) {
    tensors.insert(tensors.end(), more.begin(), more.end());
    forge::write_sparse_safetensors(file, tensors);
  };
  const std::vector<forge::TensorSpec> strays = {
      {"spiece_model", {4'548'313}, at::kByte}, {"freqs", {1024, 64}, at::kDouble}, {"ema.updates", {}, at::kLong}};
  with(manifest("wan2.1_t2v_1.3b"), strays);
  EXPECT_EQ(shapes_of(load_transformer(file, {})), parameter_shapes(TransformerConfig{}));
  with(manifest("wan2.1_vae"), strays);
  EXPECT_EQ(shapes_of(load_vae(file, {})), parameter_shapes(VaeConfig{}));
  with(manifest("taew2_1"), strays);
  EXPECT_EQ(shapes_of(load_tiny_autoencoder(file, {})), parameter_shapes(TinyAutoencoderConfig{}));
  with(manifest("umt5_xxl_enc_bf16"), strays);
  EXPECT_EQ(shapes_of(load_text_encoder(file, {})), parameter_shapes(Umt5Config{}));
  const std::string message = message_of([&] { load_text_encoder(file, {}, Extra::refuse); });
  EXPECT_THAT(message, HasSubstr("not part of this model (3)"));
}

TEST(WanCheckpoint, every_name_of_the_map_is_translated_to_its_own_original) {
  const nlohmann::json map = read_json("diffusers_key_map.json");
  for (const auto& [part, list] : {std::pair(Part::transformer, "transformer"), std::pair(Part::vae, "vae"),
                                   std::pair(Part::text_encoder, "umt5_block0")})
    for (const auto& [original, other] : map[list].items())
      EXPECT_EQ(original_name(part, other.get<std::string>(), 3), original) << other;
}

TEST(WanCheckpoint, all_that_does_not_fit_is_listed_in_one_message) {
  const ScratchFolder scratch;
  const fs::path file = scratch.path / "model.safetensors";
  const TransformerConfig config{
      .dim = 8, .ffn_dim = 12, .num_heads = 2, .num_layers = 12, .freq_dim = 4, .text_dim = 6};
  Shapes shapes = parameter_shapes(config);
  shapes.erase("head.head.bias");
  for (const int block : {0, 1, 2, 7}) shapes.erase(fmt::format("blocks.{}.norm3.bias", block));
  shapes["blocks.3.ffn.0.weight"] = {13, 8};
  shapes["lora.up.weight"] = {2};
  std::vector<forge::TensorSpec> tensors;
  for (const auto& [key, shape] : shapes)
    tensors.push_back({key, shape, key == "patch_embedding.bias" ? at::kLong : at::kFloat});
  forge::write_sparse_safetensors(file, tensors);
  const std::string message = message_of([&] { load_transformer(file, config, Branch::generator, Extra::refuse); });
  for (const char* words : {"model.safetensors", "missing (5)", "blocks.{0-2,7}.norm3.bias", "head.head.bias",
                            "not part of this model (1)", "lora.up.weight", "of another shape (1)",
                            "blocks.3.ffn.0.weight [13, 8], expected [12, 8]", "patch_embedding.bias int64"})
    EXPECT_THAT(message, HasSubstr(words));
}

TEST(WanCheckpoint, weights_of_another_size_are_refused_by_what_differs) {
  const ScratchFolder scratch;
  const fs::path file = scratch.path / "large.safetensors";
  forge::write_sparse_safetensors(file, manifest("wan2.1_t2v_14b"));
  const std::string message = message_of([&] { load_transformer(file, TransformerConfig{}); });
  EXPECT_THAT(message, HasSubstr("blocks.{30-39}.ffn.0.weight"));
  EXPECT_THAT(message, HasSubstr("blocks.{0-29}.ffn.0.weight [13824, 5120], expected [8960, 1536]"));
  EXPECT_LT(message.size(), 20'000u);
}

TEST(WanCheckpoint, a_file_of_another_part_is_named_as_what_it_is) {
  const ScratchFolder scratch;
  const fs::path& folder = scratch.path;
  forge::write_sparse_torch_zip(folder / "vae.pth", {{"", manifest("wan2.1_vae")}});
  EXPECT_THAT(message_of([&] { load_transformer(folder / "vae.pth", {}); }, ErrorCode::not_found),
              HasSubstr("has no transformer of a Wan model, but a vae"));
  forge::write_sparse_safetensors(folder / "other", {{"conv.weight", {3}}, {"fc.weight", {2}}});
  EXPECT_THAT(message_of([&] { load_vae(folder / "other", {}); }, ErrorCode::not_found),
              HasSubstr("2 tensors, including conv.weight, fc.weight"));
}

TEST(WanCheckpoint, growth_layers_with_too_many_channels_keep_the_last) {
  const ScratchFolder scratch;
  const fs::path file = scratch.path / "tiny.safetensors";
  const TinyAutoencoderConfig config{.decoder_widths = {8, 6, 4, 4}, .encoder_width = 4, .latent_channels = 4};
  std::map<std::string, at::Tensor> tensors;
  for (const auto& [key, shape] : parameter_shapes(config)) tensors[key] = at::zeros(shape);
  const at::Tensor wide = at::arange(16).to(at::kFloat).view({16, 1, 1, 1}).expand({16, 8, 1, 1}).contiguous();
  tensors["decoder.7.conv.weight"] = wide;
  tensor::save_safetensors(file, tensors);
  EXPECT_EQ(read_tiny_autoencoder_config(file), config);
  EXPECT_TRUE(load_tiny_autoencoder(file, config).at("decoder.7.conv.weight").equal(wide.narrow(0, 8, 8)));
}

TEST(WanCheckpoint, the_number_of_heads_comes_from_config_json_where_no_rule_gives_it) {
  const ScratchFolder scratch;
  const fs::path& folder = scratch.path;
  const TransformerConfig small{.dim = 48, .ffn_dim = 64, .num_heads = 3, .num_layers = 1};
  std::vector<forge::TensorSpec> tensors;
  for (const auto& [key, shape] : parameter_shapes(small)) tensors.push_back({key, shape});
  forge::write_sparse_safetensors(folder / "model.safetensors", tensors);
  EXPECT_EQ(read_transformer_config(folder).num_heads, 0);
  EXPECT_THAT(
      message_of([&] { load_transformer(folder, read_transformer_config(folder)); }, ErrorCode::invalid_argument),
      HasSubstr("num_heads"));
  std::ofstream(folder / "config.json") << R"({"dim": 48, "num_heads": 3, "eps": 1e-6})";
  EXPECT_EQ(read_transformer_config(folder), small);
  std::ofstream(folder / "config.json") << R"({"dim": 96, "num_heads": 6})";
  EXPECT_EQ(read_transformer_config(folder).num_heads, 0) << "the config.json of another model is not used";
}

TEST(WanCheckpoint, parts_in_one_file_are_found_by_their_prefixes) {
  const VaeConfig vae{.dim = 4, .z_dim = 4, .num_res_blocks = 1, .mean = {0, 0, 0, 0}, .std = {1, 1, 1, 1}};
  tensor::WeightMap all;
  for (const auto& [key, shape] : parameter_shapes(vae)) all.set("vae.model." + key, at::zeros(shape));
  const Umt5Config text{
      .vocab = 10, .dim = 4, .dim_attn = 4, .dim_ffn = 8, .num_heads = 2, .num_layers = 1, .num_buckets = 8};
  for (const auto& [key, shape] : parameter_shapes(text)) all.set("text_encoder.text_encoder." + key, at::zeros(shape));
  const auto components = find_components(all);
  ASSERT_EQ(components.size(), 2u);
  EXPECT_EQ(components[0].found, (FoundPart{Part::text_encoder, Naming::original, "text_encoder.text_encoder."}));
  EXPECT_EQ(components[1].found, (FoundPart{Part::vae, Naming::original, "vae.model."}));
  EXPECT_EQ(infer_vae(components[1].tensors), vae);
  tensor::WeightMap decoder;
  for (const auto& [key, tensor] : components[1].tensors.tensors())
    if (!key.starts_with("encoder.")) decoder.set(key, tensor);
  EXPECT_EQ(infer_vae(decoder), vae);
  EXPECT_EQ(infer_umt5(components[0].tensors), text);
  check_complete(components[1].tensors, parameter_shapes(vae), "here");
}

TEST(WanCheckpoint, absurd_shapes_give_an_error_not_a_crash) {
  tensor::WeightMap weights;
  weights.set("patch_embedding.weight", at::zeros({1, 1, 3, 3, 3}));
  weights.set("head.head.weight", at::zeros({10, 1}));
  EXPECT_THAT(message_of([&] { infer_transformer(weights); }), HasSubstr("not a multiple of the patch size"));
  tensor::WeightMap vae;
  vae.set("encoder.conv1.bias", at::zeros({4}));
  vae.set("encoder.downsamples.0.residual.6.bias", at::zeros({5}));
  EXPECT_THAT(message_of([&] { infer_vae(vae); }), HasSubstr("not a multiple of its width"));
}

}  // namespace
}  // namespace rushes::wan
