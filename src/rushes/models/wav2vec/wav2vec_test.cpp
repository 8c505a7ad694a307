#include <gtest/gtest.h>

#include <fstream>

#include "rushes/base/error.h"
#include "rushes/base/scratch_folder.h"
#include "rushes/models/wav2vec/checkpoint.h"
#include "rushes/models/wav2vec/encoder.h"
#include "rushes/tensor/checkpoint_forge.h"
#include "rushes/tensor/ops.h"

namespace rushes::wav2vec {
namespace {

namespace fs = std::filesystem;
namespace forge = tensor::forge;

const Config kSmall{.hidden_size = 8,
                    .num_hidden_layers = 1,
                    .num_attention_heads = 2,
                    .intermediate_size = 12,
                    .conv_dim = {4, 4},
                    .conv_kernel = {10, 3},
                    .conv_stride = {5, 2},
                    .num_conv_pos_embeddings = 4,
                    .num_conv_pos_embedding_groups = 2};

tensor::WeightMap random_weights(const Config& config) {
  tensor::WeightMap weights;
  for (const auto& [key, shape] : parameter_shapes(config)) weights.set(key, at::randn(shape));
  return weights;
}

std::vector<forge::TensorSpec> published() {
  return forge::published(fs::path(RUSHES_SOURCE_DIR) / "tests/manifests/imtalker/manifest_wav2vec2_base_960h.json");
}

TEST(Wav2vec, the_published_base_model_is_loaded_without_its_recognition_head) {
  const ScratchFolder scratch;
  forge::write_sparse_torch_zip(scratch.path / "pytorch_model.bin", {{"", published()}});
  const auto weights = load(scratch.path / "pytorch_model.bin", read_config(scratch.path));
  EXPECT_EQ(weights.keys().size(), parameter_shapes({}).size());
  EXPECT_EQ(weights.parameter_count() + 768 + 32 * 769, 94'396'320);  // masked_spec_embed and the head are left out
}

TEST(Wav2vec, both_spellings_of_the_weight_norm_give_the_same) {
  const tensor::WeightMap old_names = random_weights(kSmall);
  tensor::WeightMap new_names;
  for (const auto& [key, tensor] : old_names.tensors()) {
    std::string name = key;
    for (const auto& [from, to] : {std::pair("weight_g", "parametrizations.weight.original0"),
                                   std::pair("weight_v", "parametrizations.weight.original1")})
      if (name.ends_with(from)) name = name.substr(0, name.size() - 8) + to;
    new_names.set(name, tensor);
  }
  const at::Tensor wave = at::randn({1, 500});
  EXPECT_TRUE(at::equal(Encoder(kSmall, old_names).forward(wave, 7), Encoder(kSmall, new_names).forward(wave, 7)));
  EXPECT_EQ(with_published_names(new_names).keys(), old_names.keys());
}

TEST(Wav2vec, a_clip_in_a_batch_gives_what_it_gives_alone) {
  const Encoder encoder(kSmall, random_weights(kSmall));
  const at::Tensor waves = at::randn({3, 640});
  const at::Tensor together = encoder.forward(waves, 4);
  for (int64_t b = 0; b < 3; ++b)
    EXPECT_TRUE(at::allclose(encoder.forward(waves.narrow(0, b, 1), 4), together.narrow(0, b, 1), 1e-4, 1e-4));
}

TEST(Wav2vec, weights_of_a_generator_go_before_those_of_the_file) {
  const ScratchFolder scratch;
  const fs::path file = scratch.path / "model.safetensors";
  std::vector<forge::TensorSpec> tensors;
  for (const auto& [key, shape] : parameter_shapes(kSmall)) tensors.push_back({"wav2vec2." + key, shape});
  forge::write_sparse_safetensors(file, tensors);
  tensor::WeightMap own;
  own.set("encoder.layer_norm.weight", at::ones({8}));
  const auto weights = load(file, kSmall, own);
  EXPECT_TRUE(at::equal(weights.at("encoder.layer_norm.weight"), at::ones({8})));
  EXPECT_TRUE(at::equal(weights.at("encoder.layer_norm.bias"), at::zeros({8})));
}

TEST(Wav2vec, lengths_are_rounded_up_to_video_frames) {
  const std::pair<int64_t, int64_t> frames_of[] = {{16000, 25}, {16001, 26}, {8000, 13}, {640, 1}, {1, 1}};
  for (const auto& [samples, wanted] : frames_of) EXPECT_EQ(video_frames(samples, 25, 16000), wanted) << samples;
  EXPECT_EQ(samples_of(26, 25, 16000), 16640);
  EXPECT_TRUE(at::equal(pad_with_last(at::tensor({1.0f, 2.0f}).view({1, 2}), 4),
                        at::tensor({1.0f, 2.0f, 2.0f, 2.0f}).view({1, 4})));
  EXPECT_THROW(pad_with_last(at::zeros({1, 0}), 4), Error);
}

TEST(Wav2vec, sound_that_is_too_short_is_refused) {
  const Encoder encoder(kSmall, random_weights(kSmall));
  EXPECT_THROW(encoder.forward(at::randn({1, 9}), 1), Error);
}

TEST(Wav2vec, other_architectures_are_refused) {
  const ScratchFolder scratch;
  std::ofstream(scratch.path / "config.json") << R"({"hidden_act": "relu"})";
  EXPECT_THROW(read_config(scratch.path), Error);
  std::ofstream(scratch.path / "config.json") << R"({"hidden_size": "wide"})";
  EXPECT_THROW(read_config(scratch.path), Error);
  std::ofstream(scratch.path / "config.json") << R"({"hidden_size": 24, "num_hidden_layers": 2})";
  EXPECT_EQ(read_config(scratch.path).hidden_size, 24);
}

TEST(Checkpoint, hubert_large_has_the_parameters_of_the_published_file) {
  tensor::Shapes published;
  for (const auto& [name, shape, dtype] :
       forge::published(fs::path(RUSHES_SOURCE_DIR) / "tests/manifests/ditto/manifest_hubert_large_reference.json")) {
    if (!name.starts_with("hubert.")) continue;  // the head for speech recognition
    std::string key = name.substr(std::string("hubert.").size());
    if (key == "masked_spec_embed") continue;
    for (const auto& [from, to] : {std::pair<std::string, std::string>{"parametrizations.weight.original0", "weight_g"},
                                   {"parametrizations.weight.original1", "weight_v"}})
      if (const auto at = key.find(from); at != std::string::npos) key.replace(at, from.size(), to);
    published[key] = shape;
  }
  EXPECT_EQ(parameter_shapes(Config::hubert_large()), published);
}

}  // namespace
}  // namespace rushes::wav2vec
