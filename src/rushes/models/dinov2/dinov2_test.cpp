#include <gtest/gtest.h>

#include "rushes/base/error.h"
#include "rushes/base/scratch_folder.h"
#include "rushes/models/dinov2/checkpoint.h"
#include "rushes/models/dinov2/encoder.h"
#include "rushes/models/dinov2/preprocess.h"
#include "rushes/tensor/checkpoint_forge.h"
#include "rushes/tensor/ops.h"

namespace rushes::dinov2 {
namespace {

namespace fs = std::filesystem;
namespace forge = tensor::forge;

Config small(Layout layout) {
  Config config = Config::of(layout);
  config.embed_dim = 24, config.depth = 2, config.num_heads = 3, config.mlp_dim = 40, config.stored_grid = 5;
  config.patch_size = 4;
  return config;
}

tensor::WeightMap random_weights(const Config& config) {
  tensor::WeightMap weights;
  for (const auto& [key, shape] : parameter_shapes(config)) weights.set(key, at::randn(shape) * 0.2);
  return weights;
}

std::vector<forge::TensorSpec> published(const char* manifest) {
  return forge::published(fs::path(RUSHES_SOURCE_DIR) / "tests/manifests/foresight" / manifest);
}

TEST(Dinov2, the_authors_pickle_and_the_library_folder_are_the_same_model) {
  const ScratchFolder scratch;
  const fs::path pickle = scratch.path / "dinov2_vitl14_pretrain.pth";
  forge::write_sparse_torch_zip(pickle, {{"", published("manifest_dinov2_vitl14_hub.json")}});
  forge::write_sparse_safetensors(scratch.path / "model.safetensors",
                                  published("manifest_dinov2_large_second_layout.json"));
  const Checkpoint hub = load(pickle, tensor::Extra::refuse);
  const Checkpoint library = load(scratch.path / "model.safetensors", tensor::Extra::refuse);
  EXPECT_EQ(hub.config, Config::of(Layout::hub));
  EXPECT_EQ(library.config, Config::of(Layout::transformers));
  EXPECT_EQ(hub.weights.keys(), library.weights.keys());
  EXPECT_EQ(hub.weights.parameter_count() + 1024, 304'368'640);  // mask_token is left out
}

TEST(Dinov2, both_layouts_give_the_same_where_no_position_is_interpolated) {
  const Config config = small(Layout::hub);
  const tensor::WeightMap weights = random_weights(config);
  tensor::WeightMap theirs;
  for (const auto& [key, tensor] : weights.tensors()) {
    std::string name = key;
    const auto replace = [&](const std::string& from, const std::string& to) {
      if (const auto at = name.find(from); at != name.npos) name.replace(at, from.size(), to);
    };
    if (key == "cls_token") name = "embeddings.cls_token";
    if (key == "pos_embed") name = "embeddings.position_embeddings";
    replace("patch_embed.proj.", "embeddings.patch_embeddings.projection.");
    if (key.starts_with("norm.")) name = "layernorm." + key.substr(5);
    replace("blocks.", "encoder.layer.");
    replace(".attn.proj.", ".attention.output.dense.");
    replace(".ls1.gamma", ".layer_scale1.lambda1");
    replace(".ls2.gamma", ".layer_scale2.lambda1");
    if (const auto at = name.find(".attn.qkv."); at != name.npos) {
      const auto parts = tensor.chunk(3, 0);
      for (std::size_t i = 0; i < 3; ++i)
        theirs.set(name.substr(0, at) + ".attention.attention." +
                       (i == 0   ? "query"
                        : i == 1 ? "key"
                                 : "value") +
                       "." + name.substr(at + 10),
                   parts[i]);
    } else {
      theirs.set(name, tensor);
    }
  }
  theirs.set("embeddings.mask_token", at::zeros({1, 24}));
  Config inferred = infer_config(theirs);
  EXPECT_EQ(inferred.layout, Layout::transformers);
  inferred.num_heads = 3;
  EXPECT_EQ(inferred, small(Layout::transformers));
  const at::Tensor image = at::randn({2, 3, 20, 20});
  EXPECT_TRUE(
      at::equal(Encoder(config, weights).forward(image), Encoder(inferred, with_hub_names(theirs)).forward(image)));
  const at::Tensor narrow = at::randn({1, 3, 12, 16});  // here the rules differ
  EXPECT_FALSE(at::allclose(Encoder(config, weights).forward(narrow),
                            Encoder(inferred, with_hub_names(theirs)).forward(narrow), 1e-3, 1e-3));
}

TEST(Dinov2, a_picture_in_a_batch_gives_what_it_gives_alone) {
  const Config config = small(Layout::hub);
  const Encoder encoder(config, random_weights(config));
  const at::Tensor images = at::randn({3, 3, 8, 12});
  const at::Tensor together = encoder.forward(images);
  for (int64_t b = 0; b < 3; ++b)
    EXPECT_TRUE(at::allclose(encoder.forward(images.narrow(0, b, 1))[0], together[b], 1e-4, 1e-5));
  EXPECT_TRUE(at::equal(encoder.patch_tokens(images), together.narrow(1, 1, 6)));
}

TEST(Dinov2, positions_are_read_where_the_layout_has_them) {
  const int64_t M = 12, grid = 6;
  const at::Tensor rows = at::arange(M, at::kFloat).view({M, 1}).expand({M, M}).reshape({1, M * M, 1});
  const at::Tensor positions = at::cat({at::full({1, 1, 1}, 77.0), rows}, 1);
  const at::Tensor plain = interpolated_positions(positions, grid, grid, 0).view({-1}),
                   shifted = interpolated_positions(positions, grid, grid, 0.1).view({-1});
  EXPECT_EQ(plain[0].item<float>(), 77);  // the class token's
  for (int64_t i = 1; i + 1 < grid; ++i) {
    const double centre = static_cast<double>(i) + 0.5;
    EXPECT_NEAR(plain[1 + i * grid].item<double>(), centre * 2 - 0.5, 1e-4);
    // Between two positions a cubic with a = -0.75 leaves straight lines by some hundredths.
    EXPECT_NEAR(shifted[1 + i * grid].item<double>(), centre * 12 / 6.1 - 0.5, 0.04);
  }
}

TEST(Dinov2, a_picture_smaller_than_the_square_gets_a_black_border) {
  const at::Tensor white = at::full({3, 5, 3}, 255, at::kByte);
  const at::Tensor pixels = cropped(white, 3, 6, {{0, 0, 0}, {1, 1, 1}});
  ASSERT_EQ(pixels.sizes(), (std::vector<int64_t>{1, 3, 6, 6}));
  EXPECT_NEAR(pixels.sum().item<double>(), 3 * 3 * 5, 1e-4);
  EXPECT_EQ(cropped(white, 4, 3).sizes(), (std::vector<int64_t>{1, 3, 3, 3}));
  EXPECT_EQ(squeezed(white, 7).sizes(), (std::vector<int64_t>{1, 3, 7, 7}));
}

TEST(Dinov2, what_is_not_supported_is_refused) {
  const Config config = small(Layout::hub);
  tensor::WeightMap weights = random_weights(config);
  EXPECT_THROW(Encoder(config, weights).forward(at::randn({1, 3, 8, 9})), Error);
  EXPECT_THROW(infer_config({}), Error);
  weights.set("register_tokens", at::zeros({1, 4, 24}));
  EXPECT_THROW(infer_config(weights), Error);
  Config other = config;
  other.num_heads = 5;
  EXPECT_THROW(Encoder(other, weights), Error);
}

}  // namespace
}  // namespace rushes::dinov2
