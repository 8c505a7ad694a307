#include "rushes/generation/imtalker/directory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "rushes/base/error.h"
#include "rushes/base/scratch_folder.h"
#include "rushes/generation/imtalker/family.h"
#include "rushes/models/imtalker/checkpoint.h"
#include "rushes/models/imtalker/face_detector.h"
#include "rushes/models/wav2vec/checkpoint.h"
#include "rushes/tensor/checkpoint_forge.h"
#include "rushes/tensor/ops.h"
#include "rushes/tensor/safetensors.h"

namespace rushes::generation {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

TEST(TalkDirectory, a_written_model_is_read_back_and_loads) {
  const ScratchFolder folder;
  write_random_talk_model(folder.path);
  EXPECT_TRUE(is_talk_directory(folder.path));
  const TalkDirectory model = open_talk_directory(folder.path);
  EXPECT_EQ(model.name, "random");
  EXPECT_EQ(parse_talk_manifest(talk_manifest_yaml(model), folder.path, "again"), model);
  ModelOptions options;
  options.path = folder.path.string();
  const std::string description = load_model(options)->card().description;
  EXPECT_THAT(description, HasSubstr("128x128 at 25 fps"));
  EXPECT_THAT(description, HasSubstr("float32 on cpu"));
}

TEST(TalkDirectory, sections_that_are_left_out_have_the_published_sizes) {
  const TalkDirectory model = parse_talk_manifest("schema: 1\nfamily: imtalker\nname: big\n", "/", "test");
  EXPECT_EQ(model.renderer_config, imtalker::RendererConfig{});
  EXPECT_EQ(model.generator_config, imtalker::GeneratorConfig{});
  EXPECT_EQ(model.audio_config, wav2vec::Config{});
}

TEST(TalkDirectory, what_is_wrong_is_named) {
  const struct {
    const char *yaml, *words;
  } cases[] = {
      {"[1, 2]", "mapping"},
      {"family: imtalker: x", "not valid YAML"},
      {"schema: 1\nname: x", "'family' is missing"},
      {"schema: 1\nfamily: ditto\nname: x", "it must be imtalker"},
      {"schema: 1\nfamily: imtalker\nname: x\nrendrer: {}", "'rendrer' is not a known key"},
      {"schema: 1\nfamily: imtalker\nname: x\nrenderer: {dim_app: many}",
       "'renderer.dim_app' must be an integer, not 'many'"},
      {"schema: 1\nfamily: imtalker\nname: x\nrenderer: {dim_appp: 3}", "'renderer.dim_appp' is not a known key"},
      {"schema: 1\nfamily: imtalker\nname: x\nrenderer: {feature_dims: 3}", "'renderer.feature_dims' must be a list"},
      {"schema: 1\nfamily: imtalker\nname: x\nrenderer: [1]", "'renderer' must be a mapping"},
      {"schema: 1\nfamily: imtalker\nname: x\nmotion_generator: {depth: 0}",
       "'motion_generator.depth' is 0; it must be from 1 to"},
      {"schema: 1\nfamily: imtalker\nname: x\naudio_encoder: {hidden_size: 5}", "must be equal"},
      {"schema: 1\nfamily: imtalker\nname: x\nmotion_generator: {fps: 24}", "cannot be divided evenly"},
  };
  for (const auto& each : cases) {
    SCOPED_TRACE(each.yaml);
    try {
      parse_talk_manifest(each.yaml, "/", "test");
      ADD_FAILURE() << "was accepted";
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr(each.words));
    }
  }
}

/// Published tensors, as files without data.
std::vector<tensor::forge::TensorSpec> published(const tensor::Shapes& shapes, const std::string& prefix) {
  std::vector<tensor::forge::TensorSpec> tensors;
  for (const auto& [key, shape] : shapes) tensors.push_back({prefix + key, shape});
  return tensors;
}

TEST(TalkDirectory, published_files_are_found_by_name_or_by_what_they_hold) {
  namespace forge = tensor::forge;
  const ScratchFolder scratch;
  const fs::path& folder = scratch.path;
  const auto renderer = published(imtalker::parameter_shapes(imtalker::RendererConfig{}), "gen.");
  auto generator = published(imtalker::parameter_shapes(imtalker::GeneratorConfig{}), "model.");
  const auto speech = published(wav2vec::parameter_shapes({}), "wav2vec2.");
  fs::create_directories(folder / "wav2vec2-base-960h");
  forge::write_sparse_torch_zip(folder / "renderer.ckpt", {{"state_dict", renderer}});
  forge::write_sparse_torch_zip(folder / "generator.ckpt", {{"state_dict", generator}});
  forge::write_sparse_torch_zip(folder / "wav2vec2-base-960h/pytorch_model.bin", {{"", speech}});
  EXPECT_TRUE(is_talk_directory(folder));
  EXPECT_EQ(open_talk_directory(folder).audio_encoder, folder / "wav2vec2-base-960h");
  EXPECT_EQ(wav2vec::load(folder / "wav2vec2-base-960h", {}).keys().size(), speech.size());

  fs::create_directories(folder / "checkpoints");
  fs::rename(folder / "wav2vec2-base-960h", folder / "checkpoints/wav2vec2");
  fs::rename(folder / "renderer.ckpt", folder / "checkpoints/face.pt");
  fs::rename(folder / "generator.ckpt", folder / "checkpoints/motion.pt");
  EXPECT_TRUE(is_talk_directory(folder));
  TalkDirectory model = open_talk_directory(folder);
  EXPECT_EQ(model.renderer, folder / "checkpoints/face.pt");
  EXPECT_EQ(model.motion_generator, folder / "checkpoints/motion.pt");
  EXPECT_EQ(model.audio_encoder, folder / "checkpoints/wav2vec2/pytorch_model.bin");

  fs::remove_all(folder / "checkpoints/wav2vec2");
  try {
    open_talk_directory(folder);
    ADD_FAILURE() << "was opened";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("missing wav2vec2-base-960h"));
  }
  for (const auto& tensor : published(wav2vec::parameter_shapes({}), "model.audio_encoder.wav2vec2."))
    generator.push_back(tensor);
  forge::write_sparse_torch_zip(folder / "checkpoints/motion.pt", {{"state_dict", generator}});
  model = open_talk_directory(folder);
  EXPECT_TRUE(model.audio_encoder.empty()) << "the motion generator brings it along";
  const auto own = imtalker::load_generator(model.motion_generator, model.generator_config).audio_encoder;
  EXPECT_EQ(wav2vec::load(model.audio_encoder, model.audio_config, own).keys().size(), speech.size());
}

TEST(TalkDirectory, tensors_that_no_part_has_are_left_out_and_refused_on_demand) {
  const ScratchFolder folder;
  write_random_talk_model(folder.path);
  const auto strays = [&](const char* file) {
    auto tensors = tensor::load_safetensors(folder.path / file).tensors();
    tensors["quant_state"] = at::zeros({2}, at::kByte);
    tensor::save_safetensors(folder.path / file, tensors);
  };
  ModelOptions options;
  options.path = folder.path.string();
  for (const char* file : {"renderer.safetensors", "motion_generator.safetensors", "audio_encoder.safetensors"}) {
    SCOPED_TRACE(file);
    write_random_talk_model(folder.path);
    strays(file);
    options.strict = false;
    EXPECT_NO_THROW(load_model(options));
    options.strict = true;
    try {
      load_model(options);
      ADD_FAILURE() << "was loaded";
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr("not part of this model (1):\n    quant_state"));
    }
  }
}

TEST(TalkDirectory, tensors_that_a_face_detector_does_not_have_are_refused_on_demand) {
  const ScratchFolder folder;
  write_random_talk_model(folder.path);
  std::map<std::string, at::Tensor> detector{{"quant_state", at::zeros({2}, at::kByte)}};
  for (const std::string& name : imtalker::FaceDetector::parameter_names()) {
    const int64_t out = name.find("_conf.") != std::string::npos ? 2 : name.find("_loc.") != std::string::npos ? 4 : 1;
    const int64_t in = name == "conv1_1.weight" ? 3 : 1;
    const bool is_vector = name.ends_with(".bias") || name.ends_with("_norm.weight");
    detector[name] = at::zeros(is_vector ? std::vector<int64_t>{out} : std::vector<int64_t>{out, in, 1, 1});
  }
  tensor::save_safetensors(folder.path / "face_detector.safetensors", detector);
  ModelOptions options;
  options.path = folder.path.string();
  EXPECT_NO_THROW(load_model(options));
  options.strict = true;
  EXPECT_THROW(load_model(options), Error);
}

TEST(TalkDirectory, the_documents_name_every_field_of_the_manifest) {
  std::ifstream in(fs::path(RUSHES_SOURCE_DIR) / "docs/model_folders.md");
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  const nlohmann::ordered_json sections = talk_fields({});
  for (const auto& [section, fields] : sections.items())
    for (const auto& [field, value] : fields.items()) EXPECT_THAT(text, HasSubstr("`" + field + "`")) << section;
}

TEST(TalkDirectory, a_folder_without_a_model_says_what_is_missing) {
  const ScratchFolder folder;
  EXPECT_FALSE(is_talk_directory(folder.path));
  try {
    open_talk_directory(folder.path);
    FAIL() << "was accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::not_found);
    EXPECT_THAT(error.what(), HasSubstr("renderer.ckpt"));
  }
}

}  // namespace
}  // namespace rushes::generation
