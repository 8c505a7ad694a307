#include "rushes/models/imtalker/checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rushes/base/error.h"
#include "rushes/base/scratch_folder.h"
#include "rushes/models/imtalker/face_detector.h"
#include "rushes/tensor/checkpoint_forge.h"
#include "rushes/tensor/ops.h"

namespace rushes::imtalker {
namespace {

namespace fs = std::filesystem;
namespace forge = tensor::forge;
using ::testing::HasSubstr;

/// The published tensors whose keys begin with `prefix`, which is taken off.
std::vector<forge::TensorSpec> manifest(const std::string& name, const std::string& prefix = "") {
  auto tensors =
      forge::published(fs::path(RUSHES_SOURCE_DIR) / "tests/manifests/imtalker" / ("manifest_" + name + ".json"));
  std::erase_if(tensors, [&](const auto& spec) { return !spec.key.starts_with(prefix); });
  for (auto& spec : tensors) spec.key.erase(0, prefix.size());
  return tensors;
}

tensor::Shapes shapes_of(const std::vector<forge::TensorSpec>& tensors) {
  tensor::Shapes shapes;
  for (const auto& tensor : tensors) shapes[tensor.key] = tensor.shape;
  return shapes;
}

tensor::Shapes shapes_of(const tensor::WeightMap& weights) {
  tensor::Shapes shapes;
  for (const auto& [key, tensor] : weights.tensors()) shapes[key] = tensor.sizes().vec();
  return shapes;
}

bool is_derived_or_unused(const std::string& key) {
  for (const char* end :
       {".kernel", ".relative_position_index", ".attn_mask", ".num_batches_tracked", ".noise.weight", ".inv_freq"})
    if (key.ends_with(end)) return true;
  return key.starts_with("dense_feature_encoder.equalconv.") || key.starts_with("audio_encoder.");
}

tensor::Shapes without_derived(tensor::Shapes shapes) {
  std::erase_if(shapes, [](const auto& entry) { return is_derived_or_unused(entry.first); });
  return shapes;
}

TEST(ImtalkerCheckpoint, tables_are_those_of_the_published_files) {
  EXPECT_EQ(parameter_shapes(RendererConfig{}), without_derived(shapes_of(manifest("renderer_ckpt", "gen."))));
  EXPECT_EQ(parameter_shapes(GeneratorConfig{}), without_derived(shapes_of(manifest("generator_ckpt", "model."))));
}

TEST(ImtalkerCheckpoint, a_full_size_renderer_is_loaded_whatever_else_the_training_saved) {
  const ScratchFolder scratch;
  const fs::path file = scratch.path / "renderer.ckpt";
  auto tensors = manifest("renderer_ckpt");
  tensors.push_back({"disc.convs.0.weight", {8, 3, 1, 1}});
  forge::write_sparse_torch_zip(file, {{"state_dict", tensors}, {"optimizer_states", {{"0", {4}}}}});
  EXPECT_EQ(shapes_of(load_renderer(file, {})), parameter_shapes(RendererConfig{}));
  forge::write_sparse_torch_zip(file, {{"", tensors}});
  EXPECT_EQ(shapes_of(load_renderer(file, {})), parameter_shapes(RendererConfig{}));
}

TEST(ImtalkerCheckpoint, a_full_size_generator_is_loaded_with_its_own_speech_encoder) {
  const ScratchFolder scratch;
  const fs::path file = scratch.path / "generator.ckpt";
  const auto tensors = manifest("generator_ckpt");
  const auto averaged = manifest("generator_ckpt", "model.");
  for (const forge::Branches& branches :
       {forge::Branches{{"state_dict", tensors}, {"ema_state_dict", averaged}}, forge::Branches{{"", tensors}},
        forge::Branches{{"state_dict.model", tensors}}}) {
    SCOPED_TRACE(branches.front().first);
    forge::write_sparse_torch_zip(file, branches);
    const GeneratorWeights weights = load_generator(file, {});
    EXPECT_EQ(shapes_of(weights.generator), parameter_shapes(GeneratorConfig{}));
    EXPECT_TRUE(weights.audio_encoder.contains("encoder.layers.11.final_layer_norm.weight"));
  }
}

TEST(ImtalkerCheckpoint, the_published_face_detector_fits) {
  const ScratchFolder scratch;
  const fs::path file = scratch.path / "s3fd.pth";
  forge::write_sparse_torch_zip(file, {{"", manifest("s3fd")}});
  EXPECT_NO_THROW(FaceDetector(load_face_detector(file, tensor::Extra::refuse)));
}

TEST(ImtalkerCheckpoint, a_face_detector_is_checked_as_the_other_parts_are) {
  const ScratchFolder scratch;
  const fs::path file = scratch.path / "s3fd.pth";
  auto tensors = manifest("s3fd");
  const std::size_t count = tensors.size();
  tensors.push_back(tensors.front());
  tensors.back().key = "optimizer.state";
  forge::write_sparse_torch_zip(file, {{"", tensors}});
  EXPECT_EQ(load_face_detector(file).keys().size(), count);
  const auto message = [&](tensor::Extra extra) -> std::string {
    try {
      load_face_detector(file, extra);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_THAT(message(tensor::Extra::refuse), HasSubstr("not part of this model (1):\n    optimizer.state"));
  std::erase_if(tensors, [](const auto& tensor) { return tensor.key.starts_with("fc7."); });
  forge::write_sparse_torch_zip(file, {{"", tensors}});
  EXPECT_THAT(message(tensor::Extra::report), HasSubstr("missing (2):\n    fc7.bias"));
}

TEST(ImtalkerCheckpoint, a_message_names_all_that_is_wrong) {
  const ScratchFolder scratch;
  const fs::path file = scratch.path / "generator.ckpt";
  auto tensors = manifest("generator_ckpt");
  std::erase_if(tensors, [](const auto& tensor) { return tensor.key.ends_with("attn.proj.bias"); });
  tensors.front().key = "model.fmt.x_embedder.proj.bias.old";
  forge::write_sparse_torch_zip(file, {{"state_dict", tensors}});
  GeneratorConfig narrow;
  narrow.dim_condition = 16;
  try {
    load_generator(file, narrow);
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::corrupt_data);
    EXPECT_THAT(error.what(), HasSubstr("fmt.blocks.{0-7}.attn.proj.bias"));
    EXPECT_THAT(error.what(), HasSubstr("fmt.c_embedder.weight [512, 32], expected [512, 16]"));
  }
  forge::write_sparse_torch_zip(file, {{"", {{"conv.weight", {1}}}}});
  EXPECT_THROW(load_generator(file, {}), Error);
}

}  // namespace
}  // namespace rushes::imtalker
