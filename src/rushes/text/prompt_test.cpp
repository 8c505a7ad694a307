#include "rushes/text/prompt.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rushes/base/error.h"

namespace rushes::text {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(SplitPrompts, takes_what_stands_between_semicolons_and_drops_what_is_empty) {
  EXPECT_THAT(split_prompts("a cat; a dog ;;\u00a0; "), ElementsAre("a cat", "a dog"));
  EXPECT_THAT(split_prompts(""), ElementsAre());
  EXPECT_THAT(split_prompts("a；b"), ElementsAre("a；b"));  // the full-width one is no separator
  EXPECT_THROW(split_prompts("a;\xc3"), Error);
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
