#include "rushes/base/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "rushes/base/error.h"

namespace rushes {
namespace {

using testing::HasSubstr;

std::vector<OptionField> fields() {
  return {{.name = "crop", .type = OptionType::boolean, .doc = "cut", .standard = true},
          {.name = "steps", .type = OptionType::integer, .doc = "steps", .least = 1, .most = 200, .aliases = {"nfe"}},
          {.name = "guidance_scale", .doc = "strength", .standard = 3.0, .least = 0, .most = 100},
          {.name = "negative_prompt", .type = OptionType::text, .doc = "not that", .most = 8},
          {.name = "solver", .type = OptionType::choice, .doc = "how", .choices = {"euler", "unipc"}},
          {.name = "gaze",
           .type = OptionType::numbers,
           .doc = "eyes",
           .least = -1,
           .most = 1,
           .least_count = 2,
           .most_count = 2}};
}

TEST(Options, values_come_back_under_the_names_of_their_fields) {
  const Options options =
      checked({{"nfe", int64_t{7}}, {"guidance_scale", int64_t{2}}, {"crop", OptionValue()}}, fields());
  EXPECT_EQ(options.get<int64_t>("steps"), 7);
  EXPECT_EQ(options.get<double>("guidance_scale"), 2.0) << "a whole number is a number";
  EXPECT_FALSE(options.has("crop")) << "nothing is not given";
}

TEST(Options, only_live_ones_can_be_set_while_a_session_runs) {
  std::vector<OptionField> some = fields();
  EXPECT_THAT(
      [&] {
        checked_live({{"crop", true}}, some);
      },
      testing::ThrowsMessage<Error>(
          HasSubstr("crop cannot be changed while a session runs; with this model nothing can")));
  for (OptionField& field : some) field.live = field.name == "steps" || field.name == "gaze";
  EXPECT_EQ(checked_live({{"nfe", int64_t{7}}}, some), (Options{{"steps", int64_t{7}}}));
  EXPECT_THAT(
      [&] {
        checked_live({{"crop", true}}, some);
      },
      testing::ThrowsMessage<Error>(HasSubstr("crop cannot be changed while a session runs; with this model these can: "
                                              "steps, gaze")));
  EXPECT_THAT(
      [&] {
        checked_live({{"steps", int64_t{0}}}, some);
      },
      testing::ThrowsMessage<Error>(HasSubstr("an integer from 1 to 200 (got 0)")));
}

TEST(Options, what_is_wrong_is_named_with_what_is_allowed) {
  const struct {
    const char* name;
    Options given;
    ErrorCode code;
    const char* words;
  } cases[] = {
      {"unknown",
       {{"stepps", int64_t{1}}},
       ErrorCode::invalid_argument,
       "stepps is not an option of this model; it has: crop"},
      {"type", {{"steps", 2.5}}, ErrorCode::invalid_argument, "steps must be an integer from 1 to 200 (got 2.5)"},
      {"text for number", {{"steps", std::string("many")}}, ErrorCode::invalid_argument, "(got the text many)"},
      {"bool", {{"crop", int64_t{1}}}, ErrorCode::invalid_argument, "crop must be true or false (got 1)"},
      {"range", {{"steps", int64_t{0}}}, ErrorCode::invalid_argument, "from 1 to 200 (got 0)"},
      {"not finite",
       {{"guidance_scale", std::nan("")}},
       ErrorCode::invalid_argument,
       "a number from 0 to 100 (got nan)"},
      {"choice", {{"solver", std::string("heun")}}, ErrorCode::invalid_argument, "one of euler, unipc (got heun)"},
      {"count",
       {{"gaze", std::vector<double>{0}}},
       ErrorCode::invalid_argument,
       "gaze must be 2 numbers from -1 to 1 (got [0])"},
      {"entry", {{"gaze", std::vector<double>{0, 2}}}, ErrorCode::invalid_argument, "(got [0, 2])"},
      {"twice",
       {{"steps", int64_t{2}}, {"nfe", int64_t{2}}},
       ErrorCode::invalid_argument,
       "steps is given twice, also as"},
      {"long text", {{"negative_prompt", std::string(9, 'a')}}, ErrorCode::too_large, "9 bytes; the limit is 8"},
  };
  for (const auto& each : cases) {
    SCOPED_TRACE(each.name);
    try {
      checked(each.given, fields());
      ADD_FAILURE() << "no error";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), each.code);
      EXPECT_THAT(error.what(), HasSubstr(each.words));
    }
  }
}

TEST(Options, what_a_flag_says_is_read_by_the_type_of_its_field) {
  const auto all = fields();
  const auto read = [&](const char* name, const char* text) { return parse_option(*find_field(all, name), text); };
  EXPECT_EQ(read("crop", "false"), OptionValue(false));
  EXPECT_EQ(read("nfe", "12"), OptionValue(int64_t{12}));
  EXPECT_EQ(read("guidance_scale", "1.5"), OptionValue(1.5));
  EXPECT_EQ(read("gaze", "0.5, -1"), OptionValue(std::vector<double>{0.5, -1}));
  EXPECT_EQ(read("gaze", "[0,1]"), OptionValue(std::vector<double>{0, 1}));
  EXPECT_EQ(read("solver", "euler"), OptionValue(std::string("euler")));
  for (const auto& [name, text] :
       {std::pair("crop", "maybe"), {"nfe", "1.5"}, {"guidance_scale", "x"}, {"gaze", "1,,2"}})
    EXPECT_THROW(read(name, text), Error) << name;
}

}  // namespace
}  // namespace rushes
