#include "rushes/text/sentencepiece_tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "rushes/base/error.h"
#include "rushes/text/train_unigram.h"

namespace rushes::text {
namespace {

using ::testing::HasSubstr;
namespace fs = std::filesystem;

std::vector<std::string> captions() {
  std::vector<std::string> all;
  for (const char* colour : {"red", "green", "blue", "yellow", "purple"})
    for (const char* shape : {"circle", "square", "triangle", "star"})
      for (const char* motion : {"moves left", "moves right", "rotates slowly", "bounces", "grows"})
        all.push_back(std::string("a ") + colour + " " + shape + " " + motion + " on a white background.");
  return all;
}

fs::path temporary(const char* name) { return fs::path(testing::TempDir()) / name; }

std::string slurp(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

ErrorCode code_of(const std::function<void()>& action, std::string* message = nullptr) {
  try {
    action();
  } catch (const Error& error) {
    if (message != nullptr) *message = error.what();
    return error.code();
  }
  ADD_FAILURE() << "no Error was thrown";
  return ErrorCode::internal;
}

class TrainedTokenizer : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    size_ = train_unigram(captions(), 96, temporary("trained.model"));
    tokenizer_ = load_tokenizer(temporary("trained.model"));
  }
  static void TearDownTestSuite() { tokenizer_.reset(); }
  inline static int64_t size_ = 0;
  inline static std::unique_ptr<const Tokenizer> tokenizer_;
};

TEST_F(TrainedTokenizer, has_the_ids_of_umt5_and_at_most_the_size_that_was_asked_for) {
  EXPECT_EQ(tokenizer_->vocabulary_size(), size_);
  EXPECT_LE(size_, 96);
  EXPECT_EQ(tokenizer_->special().pad, 0);
  EXPECT_EQ(tokenizer_->special().after, (std::vector<Token>{{1, "</s>"}}));
  EXPECT_TRUE(tokenizer_->special().before.empty());
}

TEST_F(TrainedTokenizer, an_empty_text_is_the_end_token_alone) {
  const Encoding encoding = tokenizer_->encode("", 4);
  EXPECT_EQ(encoding.ids, (std::vector<int64_t>{1, 0, 0, 0}));
  EXPECT_EQ(encoding.mask, (std::vector<int64_t>{1, 0, 0, 0}));
}

TEST_F(TrainedTokenizer, words_of_the_captions_have_no_unknown_piece) {
  for (const std::string& caption : captions())
    for (const Token& token : tokenizer_->tokenize(caption)) EXPECT_NE(token.id, 3) << caption << " " << token.piece;
}

TEST_F(TrainedTokenizer, folds_case_and_repeated_spaces) {
  EXPECT_EQ(tokenizer_->tokenize("A  Red CIRCLE"), tokenizer_->tokenize("a red circle"));
}

TEST_F(TrainedTokenizer, truncation_keeps_the_end_token_last) {
  const auto whole = tokenizer_->tokenize("a purple triangle rotates slowly on a white background.");
  ASSERT_GT(whole.size(), 6U);
  const Encoding cut = tokenizer_->encode("a purple triangle rotates slowly on a white background.", 6);
  for (size_t i = 0; i < 5; ++i) EXPECT_EQ(cut.ids[i], whole[i].id);
  EXPECT_EQ(cut.ids[5], 1);
  EXPECT_EQ(cut.mask, std::vector<int64_t>(6, 1));
}

TEST_F(TrainedTokenizer, a_control_token_written_in_the_text_is_plain_text) {
  for (const Token& token : tokenizer_->tokenize("a </s> b <pad>")) EXPECT_TRUE(token.id > 1 || token.piece == "</s>");
  EXPECT_EQ(tokenizer_->tokenize("</s>").back().id, 1);
  EXPECT_GT(tokenizer_->tokenize("</s>").size(), 2U);
}

TEST_F(TrainedTokenizer, training_again_writes_the_same_file) {
  train_unigram(captions(), 96, temporary("again.model"));
  EXPECT_EQ(slurp(temporary("again.model")), slurp(temporary("trained.model")));
}

TEST_F(TrainedTokenizer, refuses_what_is_not_utf8_and_what_cannot_hold_the_end_token) {
  std::string message;
  EXPECT_EQ(code_of([] { tokenizer_->encode("a\xff", 8); }, &message), ErrorCode::invalid_argument);
  EXPECT_THAT(message, HasSubstr("offset 1"));
  EXPECT_EQ(code_of([] { tokenizer_->encode("a", 0); }, &message), ErrorCode::invalid_argument);
  EXPECT_THAT(message, HasSubstr("max_length"));
}

TEST_F(TrainedTokenizer, damaged_files_are_refused_or_read_but_never_crash) {
  const std::string good = slurp(temporary("trained.model"));
  for (size_t keep : {size_t{0}, size_t{1}, size_t{100}, good.size() / 2, good.size() - 1}) {
    try {
      parse_sentencepiece(good.substr(0, keep), "cut.model")->encode("a red circle", 16);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::corrupt_data);
      EXPECT_THAT(error.what(), HasSubstr("cut.model"));
    }
  }
}

TEST(TrainUnigram, refuses_no_sentences_and_sizes_out_of_range) {
  EXPECT_EQ(code_of([] { train_unigram({}, 64, temporary("none.model")); }), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of([] { train_unigram(captions(), 1, temporary("none.model")); }), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of([] { train_unigram(captions(), 10, temporary("none.model")); }), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of([] { train_unigram(captions(), 64, "/nowhere/at/all.model"); }), ErrorCode::unavailable);
}

TEST(LoadTokenizer, names_the_missing_file) {
  std::string message;
  EXPECT_EQ(code_of([] { load_tokenizer("/nowhere/t.model"); }, &message), ErrorCode::not_found);
  EXPECT_THAT(message, HasSubstr("/nowhere/t.model"));
}

}  // namespace
}  // namespace rushes::text
