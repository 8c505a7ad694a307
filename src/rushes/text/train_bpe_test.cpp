// Tokenizers that are made of texts: which merges come first, and that they are tokenizers.
#include "rushes/text/train_bpe.h"

#include <gtest/gtest.h>

#include "rushes/base/message_of.h"

namespace rushes::text {
namespace {

TEST(TrainBpe, the_most_frequent_neighbours_are_merged_first) {
  // "low" stands five times and "newest" six: pairs by hand, as in the example of arXiv:1508.07909.
  std::vector<std::string> texts;
  for (int i = 0; i < 5; ++i) texts.emplace_back("low");
  for (int i = 0; i < 2; ++i) texts.emplace_back("lower");
  for (int i = 0; i < 6; ++i) texts.emplace_back("newest");
  for (int i = 0; i < 3; ++i) texts.emplace_back("widest");
  EXPECT_EQ(train_bpe(texts, 4), (BpeMerges{{"e", "s"}, {"es", "t"}, {"l", "o"}, {"lo", "w"}}));
}

TEST(TrainBpe, no_merge_reaches_across_words_and_what_stands_once_is_not_merged) {
  EXPECT_TRUE(train_bpe(std::vector<std::string>{"a b", "c"}, 10).empty());
  const BpeMerges merges = train_bpe(std::vector<std::string>{"the red the red"}, 100);
  for (const auto& [left, right] : merges) EXPECT_EQ(split_words(*from_byte_alphabet(left + right)).size(), 1U);
}

TEST(TrainBpe, frequent_words_become_single_tokens_and_every_other_text_is_read_back) {
  const std::vector<std::string> texts{"There is a red ball.", "There is a blue ball.", "There is a red star."};
  const std::vector<std::string> control{"<|end|>"};
  const ByteLevelBpe tokenizer(bpe_files(train_bpe(texts, 200), control));
  EXPECT_EQ(tokenizer.encode("There is a ball").size(), 4U);
  EXPECT_EQ(*tokenizer.find_added("<|end|>"), tokenizer.vocabulary_size() - 1);
  for (const std::string text : {"There is a red ball.", "\xC3\xA9t\xC3\xA9 \xE7\xBA\xA2 12 !?", "  two  spaces\n", ""})
    EXPECT_EQ(tokenizer.decode(tokenizer.encode(text)), text);
}

TEST(TrainBpe, refuses_texts_that_are_not_utf8) {
  EXPECT_NE(message_of([] { train_bpe(std::vector<std::string>{"\xFF"}, 1); }, ErrorCode::invalid_argument), "");
}

}  // namespace
}  // namespace rushes::text
