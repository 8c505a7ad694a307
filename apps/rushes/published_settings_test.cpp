#include "published_settings.h"

#include <gmock/gmock.h>

#include <map>

#include "rushes/base/error.h"

namespace rushes::app {
namespace {
using testing::ElementsAre;

std::map<std::string, std::vector<std::string>> settings_of(std::map<std::string, std::string> variables) {
  std::map<std::string, std::vector<std::string>> found;
  for (PublishedSetting& each : published_settings([&](const char* name) -> const char* {
         const auto variable = variables.find(name);
         return variable == variables.end() ? nullptr : variable->second.c_str();
       }))
    found[each.key] = each.values;
  return found;
}

TEST(PublishedSettings, are_ours_where_they_have_a_meaning) {
  EXPECT_TRUE(settings_of({{"FORESIGHT_DEBUG", "true"}, {"FORESIGHT_PORT", ""}}).empty());
  const auto found = settings_of({{"FORESIGHT_PORT", "9000"},
                                  {"FORESIGHT_CORS_ORIGINS", R"(["http://a", "http://b"])"},
                                  {"FORESIGHT_STATIC_DIR", "/srv"},
                                  {"FORESIGHT_NUM_FRAMES", "15"},
                                  {"FORESIGHT_NUM_INFERENCE_STEPS", "20"},
                                  {"FORESIGHT_USE_ADAPTER", "True"}});
  EXPECT_EQ(found.size(), 4u);
  EXPECT_THAT(found.at("listen"), ElementsAre("127.0.0.1:9000"));
  EXPECT_THAT(found.at("allow-origin"), ElementsAre("http://a", "http://b"));
  EXPECT_THAT(found.at("static-dir"), ElementsAre("/srv"));
  EXPECT_THAT(found.at("answer"), ElementsAre("frames=15", "steps=20", "conditioning=adapter"));
  EXPECT_THAT(settings_of({{"FORESIGHT_HOST", "0.0.0.0"}}).at("listen"), ElementsAre("0.0.0.0:8000"));
  EXPECT_THROW(settings_of({{"FORESIGHT_CORS_ORIGINS", "http://a"}}), Error);
}

}  // namespace
}  // namespace rushes::app
