#include "rushes/base/config_fields.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "rushes/base/message_of.h"

namespace rushes {
namespace {

using nlohmann::json;

TEST(ConfigFields, what_is_absent_or_null_leaves_the_value_that_there_is) {
  const json object{{"width", nullptr}};
  const ConfigFields fields(object, "'config.json'");
  int64_t width = 7;
  std::optional<int64_t> depth;
  std::vector<double> mean{1, 2};
  std::vector<std::string> words{"a"};
  fields.integer("width", width);
  fields.integer("depth", depth);
  fields.reals("mean", mean);
  fields.words("words", words);
  fields.must_be("bias", true);
  EXPECT_EQ(width, 7);
  EXPECT_EQ(depth, std::nullopt);
  EXPECT_EQ(mean, (std::vector<double>{1, 2}));
  EXPECT_EQ(words, std::vector<std::string>{"a"});
}

TEST(ConfigFields, reads_numbers_flags_and_lists) {
  const json object{{"width", 3},      {"eps", 1e-6},        {"bias", true},
                    {"sizes", {4, 5}}, {"mean", {0.5, 1}},   {"causal", {true, false}},
                    {"kind", "gelu"},  {"words", {"a", "b"}}};
  const ConfigFields fields(object, "'config.json'");
  int64_t width = 0;
  double eps = 0;
  bool bias = false;
  std::vector<int64_t> sizes;
  std::vector<double> mean(2);
  std::vector<bool> causal;
  std::vector<std::string> words;
  fields.integer("width", width);
  fields.real("eps", eps);
  fields.flag("bias", bias);
  fields.integers("sizes", sizes);
  fields.reals("mean", mean);
  fields.flags("causal", causal);
  fields.words("words", words);
  fields.must_be("width", 3);
  std::string kind;
  fields.word("kind", kind);
  EXPECT_EQ(kind, "gelu");
  EXPECT_EQ(width, 3);
  EXPECT_EQ(eps, 1e-6);
  EXPECT_TRUE(bias);
  EXPECT_EQ(sizes, (std::vector<int64_t>{4, 5}));
  EXPECT_EQ(mean, (std::vector<double>{0.5, 1}));
  EXPECT_EQ(causal, (std::vector<bool>{true, false}));
  EXPECT_EQ(words, (std::vector<std::string>{"a", "b"}));
}

TEST(ConfigFields, tells_what_a_value_is_and_what_it_must_be) {
  const json object{{"width", 0},    {"huge", 1 << 25}, {"text", "3"},      {"eps", "small"},
                    {"share", 1.5},  {"bias", 1},       {"sizes", {4, -1}}, {"many", std::vector<int>(2000)},
                    {"mean", {0.5}}, {"kind", "gelu"}};
  const ConfigFields fields(object, "'config.json'");
  int64_t whole = 0;
  double real = 0;
  bool flag = false;
  std::vector<int64_t> list;
  std::vector<double> three(3);
  std::vector<std::string> words;
  const auto said = [](const std::function<void()>& read) { return message_of(read, ErrorCode::corrupt_data); };
  EXPECT_EQ(said([&] { fields.integer("width", whole, 1, 9); }),
            "'config.json': width is 0; it must be a whole number from 1 to 9");
  EXPECT_EQ(said([&] { fields.integer("huge", whole); }),
            "'config.json': huge is 33554432; it must be a whole number from 1 to 16777216");
  EXPECT_EQ(said([&] { fields.integer("text", whole, 1, 9); }),
            "'config.json': text is \"3\"; it must be a whole number from 1 to 9");
  EXPECT_EQ(said([&] { fields.real("eps", real); }), "'config.json': eps is \"small\"; it must be a number");
  EXPECT_EQ(said([&] { fields.real("share", real, 0, 1); }),
            "'config.json': share is 1.5; it must be a number from 0 to 1");
  EXPECT_EQ(said([&] { fields.flag("bias", flag); }), "'config.json': bias is 1; it must be true or false");
  EXPECT_EQ(said([&] { fields.integers("sizes", list, 1, 9); }),
            "'config.json': sizes is -1; it must be a whole number from 1 to 9");
  EXPECT_NE(said([&] { fields.integers("many", list); }).find("a list of at most 1024 entries"), std::string::npos);
  EXPECT_EQ(said([&] { fields.reals("mean", three); }), "'config.json': mean has 1 numbers; it must have 3");
  EXPECT_EQ(said([&] { fields.words("sizes", words); }), "'config.json': sizes is 4; it must be a word");
  EXPECT_EQ(message_of([&] { fields.must_be("kind", "silu"); }, ErrorCode::unsupported),
            "'config.json': kind is \"gelu\"; only \"silu\" is supported");
  EXPECT_EQ(said([] { ConfigFields(json::array(), "'config.json'"); }), "'config.json' is not a JSON object");
}

}  // namespace
}  // namespace rushes
