#include "rushes/base/known_words.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rushes {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using Texts = std::vector<std::string>;

const KnownWords kShapes{.phrases = {"a", "red", "circle", "t-shirt", "moves", "to the left", "does not"}};

TEST(KnownWords, of_a_prompt_the_words_that_no_phrase_has_are_told_once_each) {
  EXPECT_THAT(kShapes.unknown_in(Texts{"a cat moves to the left", "a red cat and a dog"}),
              ElementsAre("cat", "and", "dog"));
  EXPECT_THAT(kShapes.unknown_in(Texts{"a red circle does not"}), IsEmpty());
  EXPECT_THAT(kShapes.unknown_in(Texts{""}), IsEmpty());
}

TEST(KnownWords, upper_case_and_punctuation_make_no_difference) {
  EXPECT_THAT(
      kShapes.unknown_in(Texts{"A RED circle, \xe2\x80\x9cmoves\xe2\x80\x9d (to the left)!", "red T-Shirt; 'a'"}),
      IsEmpty());
  EXPECT_THAT(kShapes.unknown_in(Texts{"CATS, doesn't"}), ElementsAre("cats", "doesn't"));
}

TEST(KnownWords, a_model_that_lists_none_is_told_of_none) {
  EXPECT_THAT(KnownWords{}.unknown_in(Texts{"a cat"}), IsEmpty());
}

TEST(KnownWords, words_of_other_scripts_are_told_whole_and_long_ones_in_pieces) {
  EXPECT_THAT(kShapes.unknown_in(Texts{"\xe7\x8c\xab\xef\xbc\x8c red"}), ElementsAre("\xe7\x8c\xab"));
  std::string run;
  for (int i = 0; i < 30; ++i) run += "\xe7\x8c\xab";
  for (const std::string& word : words_in(run)) EXPECT_LE(word.size(), 64U) << word;
}

TEST(KnownWords, at_most_32_are_told) {
  std::string many;
  for (int i = 0; i < 100; ++i) many += std::to_string(i) + " ";
  EXPECT_EQ(kShapes.unknown_in(Texts{many}).size(), 32U);
}

TEST(KnownWords, a_phrase_is_added_once_however_it_is_written) {
  KnownWords words;
  words.add_all(std::vector<std::vector<std::string>>{{"Push", "", "up and left"}, {"push", "left"}});
  EXPECT_THAT(words.phrases, ElementsAre("Push", "up and left", "left"));
}

TEST(KnownWords, a_sentence_for_people_names_them) {
  EXPECT_EQ(unknown_words_sentence(Texts{"cat"}), R"(the model does not know the word "cat")");
  EXPECT_EQ(unknown_words_sentence(Texts{"cat", "dog", "sofa"}),
            R"(the model does not know the words "cat", "dog" and "sofa")");
}

}  // namespace
}  // namespace rushes
