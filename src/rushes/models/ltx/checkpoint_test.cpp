#include "rushes/models/ltx/checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "rushes/base/error.h"
#include "rushes/base/message_of.h"
#include "rushes/base/scratch_folder.h"
#include "rushes/models/ltx/config_json.h"
#include "rushes/models/ltx/random_weights.h"
#include "rushes/models/ltx/single_file.h"
#include "rushes/tensor/checkpoint_forge.h"
#include "rushes/tensor/ops.h"
#include "rushes/tensor/safetensors.h"

namespace rushes::ltx {
namespace {

namespace fs = std::filesystem;
namespace forge = tensor::forge;
using nlohmann::json;
using ::testing::HasSubstr;
using Specs = std::vector<forge::TensorSpec>;

json manifest(const std::string& name) {
  std::ifstream in(fs::path(RUSHES_SOURCE_DIR) / "tests/manifests/foresight" / name);
  return json::parse(in);
}

Specs published(const json& manifest) { return forge::published(manifest, at::kBFloat16); }

tensor::Shapes shapes_of(const json& manifest) {
  tensor::Shapes shapes;
  for (const auto& spec : published(manifest)) shapes[spec.key] = spec.shape;
  return shapes;
}

void write(const fs::path& file, const std::string& text) {
  fs::create_directories(file.parent_path());
  std::ofstream(file) << text;
}

TEST(LtxCheckpoint, names_and_shapes_are_those_of_the_published_files) {
  const json transformer = manifest("manifest_ltx_transformer_diffusers.json");
  EXPECT_EQ(parameter_shapes(transformer_config(transformer.at("config"), "it")), shapes_of(transformer));
  EXPECT_EQ(parameter_shapes(TransformerConfig{}), shapes_of(transformer));
  for (const char* version : {"0.9.0", "0.9.1", "0.9.5"}) {
    SCOPED_TRACE(version);
    const json vae = manifest(fmt::format("manifest_ltx_vae_{}_diffusers.json", version));
    const VaeConfig config = vae_config(vae.at("config"), "it");
    EXPECT_EQ(parameter_shapes(config), shapes_of(vae));
    EXPECT_EQ(config.spatial_compression(), 32);
    EXPECT_EQ(config.temporal_compression(), 8);
  }
  EXPECT_EQ(parameter_shapes(VaeConfig{}), shapes_of(manifest("manifest_ltx_vae_0.9.0_diffusers.json")));
}

/// A diffusers folder of full size that takes no room; the transformer in two shards.
struct DiffusersFolder : ScratchFolder {
  explicit DiffusersFolder(const std::string& version = "0.9.0") {
    const json transformer = manifest("manifest_ltx_transformer_diffusers.json"),
               vae = manifest("manifest_ltx_vae_" + version + "_diffusers.json");
    write(path / "transformer/config.json", transformer.at("config").dump());
    write(path / "vae/config.json", vae.at("config").dump());
    write(path / "scheduler/scheduler_config.json", R"({"shift_terminal": 0.2, "base_shift": 0.95})");
    const Specs all = published(transformer);
    json index{{"weight_map", json::object()}};
    for (const int shard : {0, 1}) {
      const std::string name = fmt::format("diffusion_pytorch_model-0000{}-of-00002.safetensors", shard + 1);
      const auto half = static_cast<std::ptrdiff_t>(all.size() / 2);
      const Specs own(shard == 0 ? all.begin() : all.begin() + half, shard == 0 ? all.begin() + half : all.end());
      forge::write_sparse_safetensors(path / "transformer" / name, own);
      for (const auto& spec : own) index["weight_map"][spec.key] = name;
    }
    write(path / "transformer/diffusion_pytorch_model.safetensors.index.json", index.dump());
    forge::write_sparse_safetensors(path / "vae/diffusion_pytorch_model.safetensors", published(vae));
  }
};

TEST(LtxCheckpoint, reads_a_diffusers_folder_with_shards) {
  for (const char* version : {"0.9.0", "0.9.1", "0.9.5"}) {
    SCOPED_TRACE(version);
    const DiffusersFolder folder(version);
    const ModelFiles files = find_files(folder.path);
    EXPECT_FALSE(files.is_single_file);
    const Config config = read_config(files);
    EXPECT_EQ(config.transformer, TransformerConfig{});
    EXPECT_DOUBLE_EQ(config.scheduler.shift_terminal.value(), 0.2);
    const auto transformer = load_transformer(files, config.transformer, tensor::Extra::refuse);
    EXPECT_EQ(transformer.parameter_count(), 1'923'385'472);
    EXPECT_EQ(transformer.at("proj_in.weight").scalar_type(), at::kBFloat16);  // mapped, not converted
    EXPECT_GT(load_vae(files, config.vae, tensor::Extra::refuse).parameter_count(), 400'000'000);
  }
}

TEST(LtxCheckpoint, reads_the_single_file) {
  const ScratchFolder folder;
  const fs::path file = folder.path / "ltx-video-2b-v0.9.safetensors";
  Specs tensors = published(manifest("manifest_ltx_single_file_0.9.0.json"));
  tensors.push_back({"vae.per_channel_statistics.mean-of-stds", {128}});
  forge::write_sparse_safetensors(file, tensors);
  for (const fs::path& given : {file, folder.path}) {
    const ModelFiles files = find_files(given);
    EXPECT_TRUE(files.is_single_file);
    const Config config = read_config(files);
    EXPECT_EQ(config.transformer, TransformerConfig{});
    EXPECT_EQ(config.vae, VaeConfig{});
    EXPECT_EQ(load_transformer(files, config.transformer, tensor::Extra::refuse).parameter_count(), 1'923'385'472);
    load_vae(files, config.vae, tensor::Extra::refuse);
  }
}

TEST(LtxCheckpoint, names_of_the_single_file_are_those_of_the_published_map) {
  const json map = manifest("mapping_ltx_single_file_0.9.0.json").at("vae");
  tensor::WeightMap single;
  for (const auto& [key, shape] : shapes_of(manifest("manifest_ltx_single_file_0.9.0.json")))
    if (key.starts_with("vae.")) single.set(key, at::zeros({1}).expand(shape));
  const tensor::WeightMap named = vae_of_single_file(single);
  EXPECT_EQ(named.tensors().size(), map.size());
  for (const auto& [diffusers, own] : map.items()) {
    ASSERT_TRUE(named.contains(diffusers)) << diffusers;
    EXPECT_EQ(named.at(diffusers).sizes(), single.at(own.get<std::string>()).sizes()) << diffusers;
  }
}

/// A single file's tensors of the VAE of 0.9.1, by the rules of its names.
tensor::WeightMap flat_091(const tensor::WeightMap& named) {
  tensor::WeightMap flat;
  const std::map<std::string, std::string> encoder{
      {"down_blocks.0.resnets", "down_blocks.0.res_blocks"}, {"down_blocks.0.downsamplers.0", "down_blocks.1"},
      {"down_blocks.0.conv_out", "down_blocks.2"},           {"down_blocks.1.resnets", "down_blocks.3.res_blocks"},
      {"down_blocks.1.downsamplers.0", "down_blocks.4"},     {"mid_block.resnets", "down_blocks.5.res_blocks"}},
      decoder{{"mid_block.resnets", "up_blocks.0.res_blocks"},
              {"mid_block.time_embedder", "up_blocks.0.time_embedder"},
              {"up_blocks.0.upsamplers.0", "up_blocks.1"},
              {"up_blocks.0.resnets", "up_blocks.2.res_blocks"},
              {"up_blocks.0.time_embedder", "up_blocks.2.time_embedder"},
              {"up_blocks.1.upsamplers.0", "up_blocks.3"},
              {"up_blocks.1.resnets", "up_blocks.4.res_blocks"},
              {"up_blocks.1.time_embedder", "up_blocks.4.time_embedder"},
              {"time_embedder", "last_time_embedder"},
              {"scale_shift_table", "last_scale_shift_table"}};
  const auto leaf = [](std::string name) {
    if (const auto at = name.find("conv_shortcut.conv"); at != std::string::npos) name.erase(at + 13, 5);
    if (const auto at = name.find("norm3."); at != std::string::npos) name.insert(at + 6, "norm.");
    return name;
  };
  for (const auto& [key, tensor] : named.tensors()) {
    if (key.starts_with("latents_")) {
      flat.set(key == "latents_mean" ? "vae.per_channel_statistics.mean-of-means"
                                     : "vae.per_channel_statistics.std-of-means",
               tensor);
      continue;
    }
    const std::string half = key.substr(0, 8), name = key.substr(8);
    std::string own = name;
    for (const auto& [from, to] : half == "encoder." ? encoder : decoder)
      if (name.starts_with(from)) own = to + name.substr(from.size());
    flat.set("vae." + half + leaf(own), tensor);
  }
  return flat;
}

TEST(LtxCheckpoint, infers_the_vae_of_0_9_1_from_a_single_file) {
  VaeConfig config;
  config.latent_channels = 8;
  config.block_out_channels = {4, 6};
  config.layers_per_block = {2, 1, 1};
  config.spatio_temporal_scaling = {true, true};
  config.downsample_type = {Downsample::conv, Downsample::conv};
  config.decoder_block_out_channels = {8, 16};
  config.decoder_layers_per_block = {1, 2, 3};
  config.decoder_spatio_temporal_scaling = {true, true};
  config.decoder_inject_noise = {true, true, false};
  config.upsample_residual = {true, true};
  config.upsample_factor = {2, 2};
  config.timestep_conditioning = true;
  const tensor::WeightMap weights = random_vae_weights(config), flat = flat_091(weights);
  const tensor::WeightMap named = vae_of_single_file(flat);
  EXPECT_EQ(named.keys(), weights.keys());
  for (const auto& [key, tensor] : weights.tensors()) EXPECT_TRUE(named.at(key).is_same(tensor)) << key;
  EXPECT_EQ(infer_vae(named, json::object()), config);
  const json file{
      {"vae",
       {{"causal_decoder", true},
        {"decoder_blocks", json::array({json::array({"res_x", {{"num_layers", 1}}}),
                                        json::array({"compress_all", {{"residual", false}, {"multiplier", 2}}}),
                                        json::array({"res_x", {{"num_layers", 2}}}),
                                        json::array({"compress_all", {{"residual", true}, {"multiplier", 2}}})})}}}};
  config.decoder_causal = true;
  config.upsample_residual = {false, true};
  EXPECT_EQ(infer_vae(named, file), config);
}

TEST(LtxCheckpoint, the_metadata_of_a_single_file_says_how_heads_are_cut) {
  TransformerConfig config;
  config.num_attention_heads = 4;
  config.attention_head_dim = 16;
  config.num_layers = 2;
  config.in_channels = config.out_channels = 8;
  config.caption_channels = 24;
  const tensor::WeightMap weights = random_transformer_weights(config);
  EXPECT_EQ(infer_transformer(weights, {{"transformer", {{"attention_head_dim", 16}}}}), config);
  EXPECT_EQ(infer_transformer(weights, json::object()).num_attention_heads, 1);  // heads of 64
}

TEST(LtxCheckpoint, says_what_is_wrong_with_a_folder) {
  const ScratchFolder empty;
  EXPECT_THAT(message_of([&] { find_files(empty.path / "no"); }, ErrorCode::not_found), HasSubstr("does not exist"));
  fs::create_directories(empty.path / "transformer");
  EXPECT_THAT(message_of([&] { find_files(empty.path); }, ErrorCode::not_found), HasSubstr("no folder 'vae'"));

  const DiffusersFolder folder;
  const ModelFiles files = find_files(folder.path);
  const std::string vae = manifest("manifest_ltx_vae_0.9.0_diffusers.json").at("config").dump();
  const struct {
    const char *file, *from, *to;
    ErrorCode code;
    const char* words;
  } wrong[] = {
      {"transformer", "\"patch_size\":1", "\"patch_size\":2", ErrorCode::unsupported, "patch_size is 2"},
      {"transformer", "\"num_layers\":28", "\"num_layers\":\"many\"", ErrorCode::corrupt_data, "num_layers"},
      {"transformer", "\"in_channels\":128", "\"in_channels\":64", ErrorCode::corrupt_data, "64 channels"},
      {"transformer", "\"cross_attention_dim\":2048", "\"cross_attention_dim\":1024", ErrorCode::unsupported,
       "cross_attention_dim"},
      {"vae", "[4,3,3,3,4]", "[4,3,3,3]", ErrorCode::corrupt_data, "layers_per_block has 4 entries"},
      {"vae", "\"encoder_causal\":true", "\"encoder_causal\":1", ErrorCode::corrupt_data, "encoder_causal"},
      {"vae", "\"block_out_channels\":[128,", "\"block_out_channels\":[-1,", ErrorCode::corrupt_data, "-1"},
  };
  for (const auto& each : wrong) {
    SCOPED_TRACE(each.words);
    const fs::path file = folder.path / each.file / "config.json";
    const std::string good =
        std::string(each.file) == "vae" ? vae : manifest("manifest_ltx_transformer_diffusers.json").at("config").dump();
    std::string bad = good;
    const auto at = bad.find(each.from);
    ASSERT_NE(at, std::string::npos);
    write(file, bad.replace(at, std::string(each.from).size(), each.to));
    EXPECT_THAT(message_of([&] { read_config(files); }, each.code), HasSubstr(each.words));
    write(file, good);
  }
}

TEST(LtxCheckpoint, names_missing_and_misshapen_tensors) {
  const DiffusersFolder folder;
  Specs tensors = published(manifest("manifest_ltx_vae_0.9.0_diffusers.json"));
  std::erase_if(tensors, [](const auto& spec) { return spec.key == "decoder.conv_out.conv.bias"; });
  for (auto& spec : tensors)
    if (spec.key == "encoder.conv_in.conv.weight") spec.shape = {128, 12, 3, 3, 3};
  forge::write_sparse_safetensors(folder.path / "vae/diffusion_pytorch_model.safetensors", tensors);
  const ModelFiles files = find_files(folder.path);
  const std::string message = message_of([&] { load_vae(files, read_config(files).vae); }, ErrorCode::corrupt_data);
  EXPECT_THAT(message, HasSubstr("decoder.conv_out.conv.bias"));
  EXPECT_THAT(message, HasSubstr("encoder.conv_in.conv.weight"));
}

}  // namespace
}  // namespace rushes::ltx
