#include "suggestion.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace rushes::app {
namespace {

TEST(Nearest, finds_what_is_a_letter_or_two_away_or_begun) {
  const std::vector<std::string> known{"generate",   "serve",           "talk", "train", "--seed",
                                       "--segments", "--segment-length"};
  const struct {
    const char *word, *meant;
  } rows[] = {{"genrate", "generate"},
              {"generat", "generate"},
              {"gnerate", "generate"},
              {"sevre", "serve"},
              {"tlak", "talk"},
              {"--sed", "--seed"},
              {"--segment", "--segments"},
              {"gen", "generate"},
              {"--segment-le", "--segment-length"},
              {"xyzzy", ""},
              {"", ""},
              {"--", ""},
              {"a", ""}};
  for (const auto& row : rows) EXPECT_EQ(nearest(row.word, known), row.meant) << row.word;
}

class UnknownWord : public testing::Test {
 protected:
  UnknownWord() {
    program_.require_subcommand(1);
    program_.fallthrough();
    program_.add_option("--log-level", text_);
    CLI::App* generate = program_.add_subcommand("generate", "");
    generate->add_option("PROMPT", words_)->required();
    generate->add_option("--size,--frame-size", text_);
    program_.add_subcommand("serve", "")->add_option("--port", text_);
    CLI::App* train = program_.add_subcommand("train", "");
    train->require_subcommand(1);
    train->add_subcommand("evaluate", "");
  }
  std::string of(std::vector<std::string> arguments) {
    std::reverse(arguments.begin(), arguments.end());
    try {
      program_.parse(arguments);
    } catch (const CLI::ParseError&) {
      return unknown_word(program_);
    }
    return "taken";
  }

  CLI::App program_;
  std::string text_;
  std::vector<std::string> words_;
};

TEST_F(UnknownWord, is_told_with_what_was_probably_meant) {
  EXPECT_EQ(of({"genrate", "a"}), "there is no command 'genrate' of rushes; did you mean 'generate'?");
  EXPECT_EQ(of({"generate", "a", "--sze", "3"}),
            "there is no option '--sze' of rushes generate; did you mean '--size'?");
  EXPECT_EQ(of({"generate", "a", "--frame_size=3"}),
            "there is no option '--frame_size' of rushes generate; did you mean '--frame-size'?");
  EXPECT_EQ(of({"serve", "--log-levl", "debug"}),
            "there is no option '--log-levl' of rushes serve; did you mean '--log-level'?");
  EXPECT_EQ(of({"train", "evalute"}), "there is no command 'evalute' of rushes train; did you mean 'evaluate'?");
}

TEST_F(UnknownWord, that_nothing_is_like_is_told_with_where_the_known_ones_are) {
  EXPECT_EQ(of({"paint"}), "there is no command 'paint' of rushes; rushes --help lists them");
  EXPECT_EQ(of({"serve", "--colour", "red"}),
            "there is no option '--colour' of rushes serve; rushes serve --help lists them");
  EXPECT_EQ(of({"serve", "red"}),
            "'red' has no place in this command line; put what contains spaces in quotes, or see rushes serve --help");
}

TEST_F(UnknownWord, is_told_before_what_is_missing_and_not_where_all_words_are_known) {
  EXPECT_EQ(of({"generate", "--sze"}), "there is no option '--sze' of rushes generate; did you mean '--size'?");
  EXPECT_EQ(of({"generate"}), "");
  EXPECT_EQ(of({}), "");
  EXPECT_EQ(of({"generate", "a", "serve", "--size", "8"}), "taken");
  EXPECT_EQ(of({"serve", "--log-level", "debug"}), "taken");
}

}  // namespace
}  // namespace rushes::app
