#include "rushes/text/byte_level_bpe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unicode/regex.h>
#include <unicode/unistr.h>

#include <functional>
#include <random>

#include "rushes/base/message_of.h"
#include "rushes/text/bpe_files.h"
#include "rushes/text/streaming_decoder.h"
#include "rushes/text/utf8.h"

namespace rushes::text {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// Every byte, a few merges, two control tokens and a mark.
BpeFiles small_files() {
  BpeFiles files;
  for (int byte = 0; byte < 256; ++byte) {
    const auto character = static_cast<char>(byte);
    files.vocabulary[to_byte_alphabet({&character, 1})] = byte;
  }
  int64_t next = 256;
  for (const auto& [left, right] : {std::pair{"h", "e"}, {"l", "l"}, {"he", "ll"}, {"hell", "o"}, {"Ġ", "b"}}) {
    files.merges.emplace_back(left, right);
    files.vocabulary[std::string(left) + right] = next++;
  }
  files.added = {{"<|im_start|>", 300, true}, {"<|im_end|>", 301, true}, {"<tool_call>", 302, false}};
  return files;
}

const std::vector<std::string> kTexts = {
    "",
    "a red ball rolls down",
    "they're DON'T I'LL we'Ve it's 'tis 'avenir ''s",
    "  leading and   inner  spaces  ",
    "one\ntwo\r\n\r\n  three\n\n\nfour \n five\t\n\t six",
    "3.14159 and 1,000,000 x 42 Ⅷ ½ ٣",
    "prédit naïve Ünïcödé straße ǅ ʰ",
    "画像から次の動きを予測します。",
    "안녕하세요 мир שלום عالم",
    "a\u00a0b\u2003c\u3000d\u0085e\u2028f",
    "👍🏽 family 👨‍👩‍👧 e\u0301 combining",
    "!!!??? -- ... \n\n $%^&*() _x_ #tag @me",
    "\t\tfunction(x) { return x+1; }  // done\n",
    " \n",
    "\n ",
    "   ",
    "x   ",
    " x",
    "\r",
    "'",
    "'s",
    " 's",
    "'S't",
};

/// The expression as ICU runs it; its own \s has fewer characters than Unicode's.
std::vector<std::string> words_by_expression(const std::string& text) {
  std::string expression(kWordExpression);
  for (const auto& [from, to] : {std::pair{"\\s", "\\p{White_Space}"}, {"\\S", "\\P{White_Space}"}})
    for (size_t at = 0; (at = expression.find(from, at)) != std::string::npos; at += std::string_view(to).size())
      expression.replace(at, 2, to);
  UErrorCode status = U_ZERO_ERROR;
  const icu::UnicodeString input = icu::UnicodeString::fromUTF8(text);
  icu::RegexMatcher matcher(icu::UnicodeString::fromUTF8(expression), input, 0, status);
  std::vector<std::string> words;
  while (matcher.find(status) != 0) matcher.group(status).toUTF8String(words.emplace_back());
  EXPECT_TRUE(U_SUCCESS(status)) << u_errorName(status);
  return words;
}

std::vector<std::string> words_of(const std::string& text) {
  const auto views = split_words(text);
  return {views.begin(), views.end()};
}

TEST(SplitWords, are_those_of_the_expression) {
  for (const std::string& text : kTexts) EXPECT_EQ(words_of(text), words_by_expression(text)) << '"' << text << '"';
}

TEST(SplitWords, are_those_of_the_expression_for_any_mixture_of_characters) {
  std::mt19937 random(3);
  const std::u32string characters = U"aeSLTVRMD'  \n\r\t19.,!é日\u00a0\u2003½\u0301👍ſ";
  for (int i = 0; i < 2000; ++i) {
    std::u32string text;
    for (auto n = random() % 12; n > 0; --n) text.push_back(characters[random() % characters.size()]);
    const std::string utf8 = to_utf8(text);
    ASSERT_EQ(words_of(utf8), words_by_expression(utf8)) << '"' << utf8 << '"';
  }
}

TEST(ByteLevelBpe, decodes_what_it_encoded_in_normal_form_c) {
  const ByteLevelBpe tokenizer(small_files());
  for (const std::string& text : kTexts)
    EXPECT_EQ(tokenizer.decode(tokenizer.encode(text)), unicode_form(UnicodeForm::nfc)(text));
}

TEST(ByteLevelBpe, merges_the_lowest_rank_first_and_of_equals_the_leftmost) {
  const ByteLevelBpe tokenizer(small_files());
  EXPECT_THAT(tokenizer.encode("hello"), ElementsAre(259));
  EXPECT_THAT(tokenizer.encode("lll"), ElementsAre(257, 'l'));
  EXPECT_THAT(tokenizer.encode("a b"), ElementsAre('a', 260));
  EXPECT_THAT(tokenizer.encode("hehe"), ElementsAre(256, 256));
}

TEST(ByteLevelBpe, a_control_token_that_somebody_writes_is_text_unless_it_is_asked_for) {
  const ByteLevelBpe tokenizer(small_files());
  const std::string text = "a<|im_end|>b<tool_call>";
  for (const int64_t id : tokenizer.encode(text)) EXPECT_LT(id, 300);
  EXPECT_THAT(tokenizer.encode(text, AddedTokensInText::recognised), ElementsAre('a', 301, 'b', 302));
  EXPECT_EQ(tokenizer.decode(std::vector<int64_t>{'a', 301, 'b', 302}), "ab<tool_call>");  // a mark is text
  EXPECT_EQ(tokenizer.decode(std::vector<int64_t>{'a', 301}, SpecialTokensInOutput::keep), "a<|im_end|>");
}

TEST(ByteLevelBpe, leaves_out_ids_without_a_token) {
  const ByteLevelBpe tokenizer(small_files());
  EXPECT_EQ(tokenizer.decode(std::vector<int64_t>{-1, 'a', 299, 5000, 'b'}), "ab");
}

TEST(ByteLevelBpe, a_word_of_a_hundred_thousand_letters_takes_no_time) {
  const ByteLevelBpe tokenizer(small_files());
  EXPECT_EQ(tokenizer.encode(std::string(100'000, 'l')).size(), 50'000u);
}

TEST(ByteLevelBpe, refuses_files_that_are_no_tokenizer) {
  struct Damage {
    const char* name;
    std::function<void(BpeFiles&)> apply;
    const char* words;
  };
  const Damage damages[] = {
      {"a byte is missing", [](BpeFiles& f) { f.vocabulary.erase("a"); }, "'a' is missing"},
      {"a merge of nothing", [](BpeFiles& f) { f.merges.emplace_back("q", "qq"); }, "merge 5"},
      {"two of one id", [](BpeFiles& f) { f.vocabulary["zz"] = 7; }, "two tokens have the id 7"},
      {"a huge id",
       [](BpeFiles& f) {
         f.added.push_back({"<x>", int64_t{1} << 40, true});
       },
       "it must be from 0"},
      {"a negative id", [](BpeFiles& f) { f.vocabulary["zz"] = -4; }, "it must be from 0"},
      {"an empty added token",
       [](BpeFiles& f) {
         f.added.push_back({"", 400, true});
       },
       "is empty"},
  };
  for (const Damage& damage : damages) {
    SCOPED_TRACE(damage.name);
    BpeFiles files = small_files();
    damage.apply(files);
    EXPECT_THAT(message_of([&] { ByteLevelBpe{files}; }), HasSubstr(damage.words));
  }
}

TEST(WithReplacements, puts_one_for_each_beginning_that_goes_wrong) {
  EXPECT_EQ(with_replacements("a\xE6\x97\xA5z"), "a日z");
  EXPECT_EQ(with_replacements("\xE6\x97"), "\uFFFD");  // cut off: one
  EXPECT_EQ(with_replacements("\xE6\x97z"), "\uFFFDz");
  EXPECT_EQ(with_replacements("\xFF\xFE"), "\uFFFD\uFFFD");            // never begin one: one each
  EXPECT_EQ(with_replacements("\xED\xA0\x80"), "\uFFFD\uFFFD\uFFFD");  // a surrogate: its second byte is wrong
  EXPECT_EQ(with_replacements("\xF0\x9F\x91\xF0\x9F\x91\x8D"), "\uFFFD👍");
}

const char* const kVocabulary = R"({"a": 0, "b": 1, "ab": 2})";

TEST(BpeFiles, both_layouts_say_the_same) {
  const BpeFiles two = parse_bpe_files(
      kVocabulary, "#version: 0.2\na b\r\n\n",
      R"({"added_tokens_decoder": {"9": {"content": "<|im_end|>", "special": true}, "10": {"content": "<x>"}}})", "t");
  std::string json(R"({"normalizer": {"type": "NFC"}, "added_tokens": [{"id": 9, "content": "<|im_end|>",
    "special": true}, {"id": 10, "content": "<x>", "special": false}], "pre_tokenizer": {"type": "Sequence",
    "pretokenizers": [{"type": "Split", "pattern": {"Regex": "@"}, "behavior": "Isolated", "invert": false},
    {"type": "ByteLevel", "add_prefix_space": false, "use_regex": false}]}, "model": {"type": "BPE", "vocab": )");
  json += std::string(kVocabulary) + R"(, "merges": [["a", "b"]]}})";
  std::string expression;
  for (const char c : kWordExpression) expression += c == '\\' ? "\\\\" : std::string(1, c);
  json.replace(json.find('@'), 1, expression);
  const BpeFiles one = parse_bpe_json(json, "t");
  EXPECT_EQ(one.vocabulary, two.vocabulary);
  EXPECT_EQ(one.merges, two.merges);
  ASSERT_EQ(one.added.size(), 2u);
  ASSERT_EQ(two.added.size(), 2u);
  for (size_t i = 0; i < 2; ++i) {
    const BpeAddedToken& same = two.added[0].id == one.added[i].id ? two.added[0] : two.added[1];
    EXPECT_EQ(one.added[i].content, same.content);
    EXPECT_EQ(one.added[i].special, same.special);
  }
  for (const auto& [from, to] : {std::pair{"NFC", "NFKC"},
                                 {"Isolated", "Removed"},
                                 {"\"BPE\"", "\"Unigram\""},
                                 {"\\\\p{N}|", "\\\\p{N}{1,3}|"}}) {
    std::string other = json;
    other.replace(other.find(from), std::string_view(from).size(), to);
    EXPECT_NE(message_of([&] { parse_bpe_json(other, "t"); }, ErrorCode::unsupported), "") << to;
  }
}

TEST(BpeFiles, errors_name_the_file_and_the_place) {
  struct Damage {
    const char *vocabulary, *merges, *config, *words;
    ErrorCode code = ErrorCode::corrupt_data;
  };
  for (const Damage& damage :
       {Damage{"[]", "", "", "must be an object"}, Damage{R"({"a": "b"})", "", "", "field 'a' must be a token id"},
        Damage{R"({"a": -3})", "", "", "field 'a' must be a token id"},
        Damage{R"({"": 1})", "", "", "a token has 0 bytes"},
        Damage{kVocabulary, "a b\nabc\n", "", "merge 1 must be two tokens"},
        Damage{kVocabulary, "a b c\n", "", "merge 0 must be two tokens"},
        Damage{kVocabulary, "", R"({"added_tokens_decoder": {"x": {}}})", "is not a token id"},
        Damage{kVocabulary, "", R"({"added_tokens_decoder": {"4": {"content": "y",
                                                          "lstrip": true}}})",
               "lstrip", ErrorCode::unsupported},
        Damage{kVocabulary, "", "{", "is not JSON"}})
    EXPECT_THAT(
        message_of([&] { parse_bpe_files(damage.vocabulary, damage.merges, damage.config, "my folder"); }, damage.code),
        ::testing::AllOf(HasSubstr("my folder"), HasSubstr(damage.words)));
}

TEST(StreamingDecoder, pieces_joined_are_the_text_and_never_break_a_character) {
  const auto tokenizer = std::make_shared<const ByteLevelBpe>(small_files());
  for (const std::string& text : kTexts) {
    StreamingDecoder decoder(tokenizer);
    std::string joined;
    for (const int64_t id : tokenizer->encode(text)) {
      const std::string piece = decoder.push(id);
      EXPECT_FALSE(find_invalid_utf8(piece));
      EXPECT_EQ(piece.find("\uFFFD"), std::string::npos);
      joined += piece;
    }
    joined += decoder.finish();
    EXPECT_EQ(joined, unicode_form(UnicodeForm::nfc)(text));
  }
}

}  // namespace
}  // namespace rushes::text
