#include "rushes/generation/registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <set>

#include "rushes/base/error.h"
#include "rushes/base/scratch_folder.h"
#include "rushes/generation/imtalker/family.h"

namespace rushes::generation {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

TEST(Registry, every_family_makes_a_tiny_model_that_names_it_and_says_what_it_takes) {
  for (const Family& family : families()) {
    SCOPED_TRACE(family.name);
    const auto model = load_model({.path = "random:" + std::string(family.name)});
    EXPECT_EQ(model->card().family, family.name);
    EXPECT_FALSE(model->card().description.empty());
    EXPECT_NE(model->capabilities().yields, Modalities());
    EXPECT_NE(model->capabilities().takes, Modalities());
  }
}

TEST(Registry, a_model_takes_pictures_within_the_limits_of_its_family) {
  for (const Family& family : families()) {
    SCOPED_TRACE(family.name);
    const ImageLimits limits = family.capabilities.pictures, of_model = family.tiny(0)->capabilities().pictures;
    EXPECT_EQ(of_model.max_pixels, limits.max_pixels);
    EXPECT_EQ(of_model.max_bytes, limits.max_bytes);
    EXPECT_LE(limits.max_pixels, 40'000'000);
  }
}

TEST(Registry, a_models_options_are_those_of_its_family_and_each_is_described) {
  for (const Family& family : families()) {
    SCOPED_TRACE(family.name);
    const auto model = family.tiny(0);
    std::vector<std::string> of_family, of_model;
    for (const OptionField& field : family.options()) of_family.push_back(field.name);
    std::set<std::string> names;
    for (const OptionField& field : model->options()) {
      of_model.push_back(field.name);
      EXPECT_FALSE(field.doc.empty()) << field.name;
      EXPECT_TRUE(names.insert(field.name).second) << field.name;
      for (const std::string& alias : field.aliases) EXPECT_TRUE(names.insert(alias).second) << alias;
      // What holds where nothing is said may be said.
      if (!std::holds_alternative<std::monostate>(field.standard)) {
        EXPECT_NO_THROW(checked({{field.name, field.standard}}, model->options())) << field.name;
      }
    }
    EXPECT_EQ(of_model, of_family);
  }
}

TEST(Registry, a_model_is_loaded_by_the_family_that_its_manifest_names) {
  const ScratchFolder folder;
  write_random_talk_model(folder.path);
  EXPECT_EQ(load_model({.path = folder.path.string()})->card().family, "imtalker");
}

std::string all_names() {
  std::string names;
  for (const Family& family : families()) names += (names.empty() ? "" : ", ") + std::string(family.name);
  return names;
}

TEST(Registry, what_cannot_be_loaded_is_told_with_what_could) {
  const ScratchFolder empty, unknown;
  std::ofstream(unknown.path / "model.yaml") << "schema: 1\nname: x\nfamily: vaudeville\n";
  const struct {
    std::string path;
    ErrorCode code;
    std::string words;
  } cases[] = {{"", ErrorCode::invalid_argument, "model directory"},
               {"/nowhere/at/all", ErrorCode::not_found, "there is no model folder '/nowhere/at/all'"},
               {"random:vaudeville", ErrorCode::not_found, "this build has " + all_names()},
               {unknown.path.string(), ErrorCode::not_found, "'vaudeville'; this build has " + all_names()},
               {empty.path.string(), ErrorCode::not_found, "neither a model.yaml nor all files"}};
  for (const auto& each : cases) {
    SCOPED_TRACE(each.path);
    try {
      load_model({.path = each.path});
      ADD_FAILURE() << "no error";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), each.code);
      EXPECT_THAT(error.what(), HasSubstr(each.words));
    }
  }
}

}  // namespace
}  // namespace rushes::generation
