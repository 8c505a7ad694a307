#include "rushes/generation/imtalker/directory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "rushes/base/error.h"
#include "rushes/base/scratch_folder.h"
#include "rushes/generation/imtalker/family.h"

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
