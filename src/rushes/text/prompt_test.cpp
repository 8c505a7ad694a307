#include "rushes/text/prompt.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rushes/base/error.h"

namespace rushes::text {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(PromptsOfLine, are_what_stands_between_all_semicolons_where_the_reference_is_meant) {
  const auto split = [](std::string_view line) { return prompts_of_line(line, Semicolons::all_separate); };
  EXPECT_THAT(split("a cat; a dog ;;\u00a0; "), ElementsAre("a cat", "a dog"));
  EXPECT_THAT(split(""), ElementsAre());
  EXPECT_THAT(split("a；b"), ElementsAre("a；b"));  // the full-width one is no separator
  EXPECT_THAT(split(R"(Tom &amp; "a; b\; c)"), ElementsAre("Tom &amp", "\"a", "b\\", "c"));
  EXPECT_THROW(split("a;\xc3"), Error);
}

TEST(PromptsOfLine, have_semicolons_of_their_own_when_these_are_escaped_quoted_or_of_html) {
  const struct {
    const char* line;
    std::vector<std::string> prompts;
  } rows[] = {
      {"a cat; a dog ;;\u00a0; ", {"a cat", "a dog"}},
      {"", {}},
      {"a\uff1bb", {"a\uff1bb"}},
      {R"(a cat\; a dog)", {"a cat; a dog"}},
      {R"(a cat\\; a dog)", {"a cat\\", "a dog"}},
      {R"(a \ b; c\)", {"a \\ b", "c\\"}},
      {"Tom &amp; Jerry", {"Tom &amp; Jerry"}},
      {"caf&eacute; &#233; &#xE9; &AMP; &semi;; b", {"caf&eacute; &#233; &#xE9; &AMP; &semi;", "b"}},
      {"AT&T; dogs", {"AT&T", "dogs"}},
      {"salt & pepper; b", {"salt & pepper", "b"}},
      {"a &notit; b", {"a &notit", "b"}},
      {R"(a sign says "open; come in"; a dog)", {R"(a sign says "open; come in")", "a dog"}},
      {"a sign says 'open; come in'; a dog", {"a sign says 'open; come in'", "a dog"}},
      {"a sign says \u201copen; come in\u201d; a dog", {"a sign says \u201copen; come in\u201d", "a dog"}},
      {R"("a;b";"c;d")", {R"("a;b")", R"("c;d")"}},
      {R"("a\;b;c")", {R"("a;b;c")"}},
      {"the dog's bowl; the cats' bowl", {"the dog's bowl", "the cats' bowl"}},
      {"a '70s car; the dogs' bowl", {"a '70s car", "the dogs' bowl"}},
      {R"(a 6" ruler; a 7" ruler)", {R"(a 6" ruler)", R"(a 7" ruler)"}},
      {R"(never "closed; b)", {R"(never "closed)", "b"}},
  };
  for (const auto& row : rows) EXPECT_EQ(prompts_of_line(row.line), row.prompts) << row.line;
  EXPECT_THROW(prompts_of_line("a;\xc3"), Error);
  std::string hostile;  // many quotes, references and backslashes that lead nowhere
  for (int i = 0; i < 8192 / 8; ++i) hostile += " \"' &a\\ ";
  EXPECT_EQ(prompts_of_line(hostile).size(), 1u);
}

TEST(OutputFileName, names_no_other_folder_and_is_cut_by_characters_not_bytes) {
  for (const char* prompt : {"../../etc/passwd", "a\\b:c*?", "/", "..", "\n\t", "a/b"}) {
    const std::string name = output_file_name({.prompt = prompt});
    EXPECT_EQ(name.find_first_of("/\\.\n"), name.size() - 4) << name;
  }
  std::string cats;
  for (int i = 0; i < 60; ++i) cats += "猫";
  EXPECT_EQ(output_file_name({.prompt = cats}), cats.substr(0, 150) + "-0_regular.mp4");
  EXPECT_EQ(
      output_file_name({.prompt = "x", .prompt_index = 3, .sample_index = 2, .use_ema = true, .save_with_index = true}),
      "3-2_ema.mp4");
}

TEST(RequirePrompt, allows_the_empty_prompt_and_names_the_limit) {
  EXPECT_NO_THROW(require_prompt(""));
  EXPECT_NO_THROW(require_prompt(std::string(kMaxPromptBytes, 'a')));
  try {
    require_prompt(std::string(100'000, 'a'));
    ADD_FAILURE() << "no Error was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::too_large);
    EXPECT_THAT(error.what(), HasSubstr("8192"));
  }
  try {
    require_prompt("abc\xed\xa0\x80");
    ADD_FAILURE() << "no Error was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
    EXPECT_THAT(error.what(), HasSubstr("offset 3"));
  }
}

}  // namespace
}  // namespace rushes::text
