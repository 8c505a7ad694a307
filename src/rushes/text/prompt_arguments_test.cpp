#include "rushes/text/prompt_arguments.h"

#include <gtest/gtest.h>

#include "rushes/base/error.h"

namespace rushes::text {
namespace {

using Words = std::vector<std::string>;

TEST(LinesOfArguments, words_without_quotes_are_one_line_and_what_was_quoted_is_one_by_itself) {
  const struct {
    Words arguments, lines;
  } rows[] = {
      {{}, {}},
      {{"circle"}, {"circle"}},
      {{"a", "red", "circle"}, {"a red circle"}},
      {{"a red circle", "a blue square"}, {"a red circle", "a blue square"}},
      {{"a red circle", "moves", "right"}, {"a red circle", "moves right"}},
      {{"a", "circle", "then a star", "a", "ring"}, {"a circle", "then a star", "a ring"}},
      {{"a", "circle;", "a", "star"}, {"a circle; a star"}},
      {{""}, {""}},
      {{"\u4e00\u4e2a\u5706", "\u4e00\u4e2a\u661f"}, {"\u4e00\u4e2a\u5706", "\u4e00\u4e2a\u661f"}},
      {{"\u043a\u0440\u0430\u0441\u043d\u044b\u0439", "\u043a\u0440\u0443\u0433"},
       {"\u043a\u0440\u0430\u0441\u043d\u044b\u0439 \u043a\u0440\u0443\u0433"}},
  };
  for (const auto& row : rows) EXPECT_EQ(lines_of_arguments(row.arguments), row.lines);
  EXPECT_THROW(lines_of_arguments(Words{"\xff"}), Error);
}

}  // namespace
}  // namespace rushes::text
