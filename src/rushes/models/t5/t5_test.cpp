#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "rushes/base/error.h"
#include "rushes/base/scratch_folder.h"
#include "rushes/models/t5/checkpoint.h"
#include "rushes/models/t5/t5_encoder.h"
#include "rushes/tensor/checkpoint_forge.h"
#include "rushes/tensor/ops.h"

namespace rushes::t5 {
namespace {

namespace fs = std::filesystem;
namespace forge = tensor::forge;

const Config kSmall{.vocab_size = 40, .d_model = 16, .d_kv = 6, .num_heads = 3, .d_ff = 20, .num_layers = 2};

tensor::WeightMap random_weights(const Config& config) {
  tensor::WeightMap weights;
  for (const auto& [key, shape] : parameter_shapes(config)) weights.set(key, at::randn(shape) * 0.3);
  return weights;
}

std::vector<forge::TensorSpec> published() {
  return forge::published(fs::path(RUSHES_SOURCE_DIR) / "tests/manifests/foresight/manifest_t5_xxl_encoder.json");
}

void write(const fs::path& file, const std::string& text) { std::ofstream(file) << text; }

TEST(RelativePositionBucket, is_exact_near_by_and_saturates_far_away) {
  EXPECT_EQ(relative_position_bucket(0, 32, 128), 0);
  EXPECT_EQ(relative_position_bucket(-7, 32, 128), 7);
  EXPECT_EQ(relative_position_bucket(7, 32, 128), 23);
  EXPECT_EQ(relative_position_bucket(-16, 32, 128), 10);
  EXPECT_EQ(relative_position_bucket(-100000, 32, 128), 15);
  EXPECT_EQ(relative_position_bucket(100000, 32, 128), 31);
}

TEST(T5, the_published_xxl_encoder_is_loaded_from_its_shards_in_the_type_that_they_have) {
  const ScratchFolder scratch;
  std::vector<forge::TensorSpec> shards[2];
  nlohmann::json index{{"metadata", {{"total_size", 1}}}, {"weight_map", nlohmann::json::object()}};
  for (forge::TensorSpec& spec : published()) {
    spec.dtype = at::kBFloat16;
    const int shard = spec.key.find("block.1") != std::string::npos;
    index["weight_map"][spec.key] = shard ? "model-00002-of-00002.safetensors" : "model-00001-of-00002.safetensors";
    shards[shard].push_back(spec);
  }
  forge::write_sparse_safetensors(scratch.path / "model-00001-of-00002.safetensors", shards[0]);
  forge::write_sparse_safetensors(scratch.path / "model-00002-of-00002.safetensors", shards[1]);
  write(scratch.path / "model.safetensors.index.json", index.dump());
  write(scratch.path / "config.json", R"({"feed_forward_proj": "gated-gelu", "d_ff": 10240})");
  EXPECT_EQ(read_config(scratch.path), Config{});
  const auto weights = load(scratch.path, Config{}, tensor::Extra::refuse);
  EXPECT_NEAR(static_cast<double>(weights.parameter_count()) / 1e6, 4762.3, 0.05);
  EXPECT_EQ(weights.at("shared.weight").scalar_type(), at::kBFloat16);
}

TEST(T5, a_tied_embedding_stands_for_the_shared_one_and_the_decoder_is_left_out) {
  tensor::WeightMap weights = random_weights(kSmall), whole;
  for (const auto& [key, tensor] : weights.tensors())
    whole.set(key == "shared.weight" ? "encoder.embed_tokens.weight" : key, tensor);
  whole.set("decoder.block.0.layer.0.SelfAttention.q.weight", at::zeros({18, 16}));
  whole.set("lm_head.weight", at::zeros({40, 16}));
  EXPECT_EQ(with_published_names(whole).keys(), weights.keys());
  EXPECT_TRUE(is_t5(whole));
}

TEST(T5, a_configuration_of_the_first_version_is_refused) {
  const ScratchFolder scratch;
  for (const char* text : {R"({"feed_forward_proj": "relu"})", R"({"d_model": 512})", "[1]",
                           R"({"feed_forward_proj": "gated-gelu", "num_layers": 0})",
                           R"({"feed_forward_proj": "gated-gelu", "d_ff": "wide"})"}) {
    write(scratch.path / "config.json", text);
    EXPECT_THROW(read_config(scratch.path), Error) << text;
  }
}

TEST(T5, padding_counts_unless_it_is_masked) {
  const Encoder encoder(kSmall, random_weights(kSmall));
  const at::Tensor brief = at::tensor({5, 9, 1}, at::kLong).unsqueeze(0);
  const at::Tensor padded = at::constant_pad_nd(brief, {0, 4}, 0);
  const at::Tensor alone = encoder.forward(brief);
  EXPECT_TRUE(at::allclose(encoder.forward(padded, padded.ne(0)).narrow(1, 0, 3), alone, 1e-5, 1e-5));
  EXPECT_FALSE(at::allclose(encoder.forward(padded).narrow(1, 0, 3), alone, 1e-2, 1e-2));
}

TEST(T5, a_batch_equals_each_text_alone) {
  const Encoder encoder(kSmall, random_weights(kSmall));
  const at::Tensor ids = at::randint(0, 40, {3, 11}, at::kLong);
  const at::Tensor together = encoder.forward(ids);
  for (int64_t b = 0; b < 3; ++b)
    EXPECT_TRUE(at::allclose(encoder.forward(ids.narrow(0, b, 1))[0], together[b], 1e-5, 1e-5));
}

TEST(T5, refuses_ids_and_configurations_that_cannot_be) {
  const Encoder encoder(kSmall, random_weights(kSmall));
  EXPECT_THROW(encoder.forward(at::tensor({5, 40}, at::kLong).unsqueeze(0)), Error);
  EXPECT_THROW(encoder.forward(at::ones({1, 3}, at::kLong), at::ones({1, 4}, at::kLong)), Error);
  Config other = kSmall;
  other.relative_attention_num_buckets = 6;
  EXPECT_THROW(Encoder(other, random_weights(kSmall)), Error);
  other = kSmall;
  other.d_ff = 21;
  EXPECT_THROW(Encoder(other, random_weights(kSmall)), Error);
}

}  // namespace
}  // namespace rushes::t5
