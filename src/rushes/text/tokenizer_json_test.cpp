#include "rushes/text/tokenizer_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "rushes/base/error.h"
#include "rushes/text/charsmap.h"

namespace rushes::text {
namespace {

using ::testing::HasSubstr;

/// A tokenizer.json with these values in place of the defaults.
struct Document {
  std::string normalizer = "null";
  std::string pre_tokenizer = R"({"type":"Metaspace","replacement":"▁","prepend_scheme":"always"})";
  std::string post_processor =
      R"({"type":"TemplateProcessing","single":[{"Sequence":{"id":"A","type_id":0}},
          {"SpecialToken":{"id":"</s>","type_id":0}}],
          "special_tokens":{"</s>":{"id":"</s>","ids":[1],"tokens":["</s>"]}}})";
  std::string added = R"([{"id":0,"content":"<pad>","special":true},{"id":1,"content":"</s>","special":true}])";
  std::string model = R"({"type":"Unigram","unk_id":2,"vocab":[["<pad>",0],["</s>",0],["<unk>",0],
      ["▁",-2],["▁a",-1],["a",-2],["b",-2],["ab",-5],["▁ab",-4]]})";
  std::string text() const {
    return R"({"version":"1.0","added_tokens":)" + added + R"(,"normalizer":)" + normalizer + R"(,"pre_tokenizer":)" +
           pre_tokenizer + R"(,"post_processor":)" + post_processor + R"(,"model":)" + model + "}";
  }
  std::unique_ptr<const Tokenizer> parse() const { return parse_tokenizer_json(text(), "t.json"); }
};

std::string pieces(const Tokenizer& tokenizer, std::string_view text) {
  std::string all;
  for (const Token& token : tokenizer.tokenize(text)) all += (all.empty() ? "" : " ") + token.piece;
  return all;
}

TEST(TokenizerJson, chooses_the_most_probable_pieces) {
  const auto tokenizer = Document().parse();
  EXPECT_EQ(pieces(*tokenizer, "ab a"), "▁a b ▁a </s>");  // -1 - 2 beats -4
  EXPECT_EQ(tokenizer->vocabulary_size(), 9);
  EXPECT_EQ(tokenizer->special().pad, 0);
}

TEST(TokenizerJson, unknown_neighbours_are_one_token_and_bytes_where_the_model_says_so) {
  EXPECT_EQ(Document().parse()->tokenize("xyz").at(1), (Token{2, "xyz"}));
  Document document;
  document.model = R"({"type":"Unigram","unk_id":0,"byte_fallback":true,
      "vocab":[["<unk>",0],["</s>",0],["▁",-1],["<0xC3>",-1],["<0xA9>",-1]]})";
  EXPECT_EQ(pieces(*document.parse(), "é"), "▁ <0xC3> <0xA9> </s>");
  EXPECT_EQ(document.parse()->tokenize("x").at(1).id, 0);  // its byte has no piece
}

TEST(TokenizerJson, added_tokens_are_cut_out_first_and_take_white_space_along_where_told) {
  Document document;
  document.added = R"([{"id":9,"content":"[X]","special":true,"lstrip":true,"rstrip":true},
                       {"id":10,"content":"[XY]","special":true},
                       {"id":11,"content":"bb","normalized":false,"single_word":true}])";
  const auto tokenizer = document.parse();
  EXPECT_EQ(pieces(*tokenizer, "a [X] b"), "▁a [X] ▁ b </s>");
  EXPECT_EQ(pieces(*tokenizer, "a[X"), "▁a [X </s>");
  EXPECT_EQ(pieces(*tokenizer, "[X]"), "[X] </s>");
  EXPECT_EQ(pieces(*tokenizer, "a[XY]"), "▁a [XY] </s>");
  EXPECT_EQ(tokenizer->tokenize("a bb a").at(2).id, 11);
  EXPECT_EQ(pieces(*tokenizer, "abb"), "▁a b b </s>");
  EXPECT_EQ(tokenizer->vocabulary_size(), 12);
}

TEST(TokenizerJson, every_normalizer_does_what_its_name_says) {
  struct Case {
    const char *normalizer, *in, *pieces;
  };
  const Case table[] = {
      {R"({"type":"Lowercase"})", "AB", "▁a b </s>"},
      {R"({"type":"Strip","strip_left":true,"strip_right":true})", "  a ", "▁a </s>"},
      {R"({"type":"Prepend","prepend":"b"})", "a", "▁ b a </s>"},
      {R"({"type":"Replace","pattern":{"String":"xx"},"content":"a"})", "xxbxx", "▁a b a </s>"},
      {R"({"type":"Replace","pattern":{"Regex":" {2,}"},"content":" "})", "a   a", "▁a ▁a </s>"},
      {R"({"type":"NFKC"})", "ａ", "▁a </s>"},
      {R"({"type":"Nmt"})", "a\u200ba\u0001", "▁a ▁a </s>"},
      {R"({"type":"Sequence","normalizers":[{"type":"Lowercase"},{"type":"Strip"}]})", "A ", "▁a </s>"},
  };
  for (const Case& one : table) {
    SCOPED_TRACE(one.normalizer);
    Document document;
    document.normalizer = one.normalizer;
    EXPECT_EQ(pieces(*document.parse(), one.in), one.pieces);
  }
}

TEST(TokenizerJson, the_marker_is_put_in_front_as_the_scheme_says) {
  struct Case {
    const char *scheme, *in, *pieces;
  };
  const Case table[] = {
      {R"("prepend_scheme":"always")", "a</s>a", "▁a </s> ▁a </s>"},
      {R"("prepend_scheme":"first")", "a</s>a", "▁a </s> a </s>"},
      {R"("prepend_scheme":"never")", "a a", "a ▁a </s>"},
      {R"("add_prefix_space":false)", "a", "a </s>"},
      {R"("add_prefix_space":true)", "a", "▁a </s>"},
  };
  for (const Case& one : table) {
    SCOPED_TRACE(one.scheme);
    Document document;
    document.pre_tokenizer = R"({"type":"Metaspace","replacement":"▁",)" + std::string(one.scheme) + "}";
    EXPECT_EQ(pieces(*document.parse(), one.in), one.pieces);
  }
  Document document;
  document.pre_tokenizer = R"({"type":"Sequence","pretokenizers":[{"type":"WhitespaceSplit"},
      {"type":"Metaspace","replacement":"▁","add_prefix_space":true}]})";
  EXPECT_EQ(pieces(*document.parse(), " a\t a "), "▁a ▁a </s>");
}

TEST(TokenizerJson, bad_files_are_refused_with_the_field_in_the_message) {
  const std::string good = Document().model;
  const auto with = [](auto change) {
    Document document;
    change(document);
    return document.text();
  };
  struct Bad {
    const char* name;
    std::string text;
    ErrorCode code;
    const char* words;
  };
  const Bad table[] = {
      {"empty", "", ErrorCode::corrupt_data, "not JSON"},
      {"cut", Document().text().substr(0, 200), ErrorCode::corrupt_data, "not JSON"},
      {"not an object", "[]", ErrorCode::corrupt_data, "must be an object"},
      {"no model", "{}", ErrorCode::corrupt_data, "'model' is missing"},
      {"deep", std::string(100000, '['), ErrorCode::corrupt_data, "nested deeper"},
      {"other model", with([](Document& d) { d.model = R"({"type":"BPE"})"; }), ErrorCode::unsupported, "'BPE'"},
      {"unknown outside", with([](Document& d) { d.model = R"({"unk_id":7,"vocab":[["a",0]]})"; }),
       ErrorCode::corrupt_data, "unknown token 7"},
      {"no pieces", with([](Document& d) { d.model = R"({"unk_id":0,"vocab":[]})"; }), ErrorCode::corrupt_data,
       "unknown token 0"},
      {"negative unknown", with([](Document& d) { d.model = R"({"unk_id":-1,"vocab":[["a",0]]})"; }),
       ErrorCode::corrupt_data, "'model.unk_id' must be a token id"},
      {"piece", with([](Document& d) { d.model = R"({"unk_id":0,"vocab":[["a",0],["b"]]})"; }), ErrorCode::corrupt_data,
       "'model.vocab[1]' must be [piece, score]"},
      {"score", with([](Document& d) { d.model = R"({"unk_id":0,"vocab":[["a","b"]]})"; }), ErrorCode::corrupt_data,
       "'model.vocab[0][1]' must be a number"},
      {"normalizer", with([](Document& d) { d.normalizer = R"({"type":"Bert"})"; }), ErrorCode::unsupported,
       "'normalizer': type 'Bert'"},
      {"base64", with([](Document& d) { d.normalizer = R"({"type":"Precompiled","precompiled_charsmap":"é"})"; }),
       ErrorCode::corrupt_data, "not base64"},
      {"map", with([](Document& d) { d.normalizer = R"({"type":"Precompiled","precompiled_charsmap":"////fwAA"})"; }),
       ErrorCode::corrupt_data, "character map"},
      {"regex", with([](Document& d) { d.normalizer = R"({"type":"Replace","pattern":{"Regex":"("},"content":""})"; }),
       ErrorCode::corrupt_data, "regular expression"},
      {"pattern",
       with([](Document& d) { d.normalizer = R"({"type":"Replace","pattern":{"String":""},"content":""})"; }),
       ErrorCode::corrupt_data, "empty pattern"},
      {"pre", with([](Document& d) { d.pre_tokenizer = R"({"type":"ByteLevel"})"; }), ErrorCode::unsupported,
       "'pre_tokenizer': type 'ByteLevel'"},
      {"marker", with([](Document& d) { d.pre_tokenizer = R"({"type":"Metaspace","replacement":"ab"})"; }),
       ErrorCode::corrupt_data, "one character"},
      {"post", with([](Document& d) { d.post_processor = R"({"type":"BertProcessing"})"; }), ErrorCode::unsupported,
       "BertProcessing"},
      {"id", with([](Document& d) { d.added = R"([{"id":99999999999,"content":"x"}])"; }), ErrorCode::corrupt_data,
       "'added_tokens[0].id'"},
      {"utf8", "{\"model\": \"\xff\"}", ErrorCode::corrupt_data, "not JSON"},
  };
  for (const Bad& bad : table) {
    SCOPED_TRACE(bad.name);
    try {
      parse_tokenizer_json(bad.text, "t.json");
      ADD_FAILURE() << "no Error was thrown";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), bad.code) << error.what();
      EXPECT_THAT(error.what(), HasSubstr(bad.words));
      EXPECT_THAT(error.what(), HasSubstr("'t.json'"));
    }
  }
}

TEST(TokenizerJson, rules_that_blow_a_text_up_or_never_end_are_stopped) {
  Document grows;
  grows.normalizer = R"({"type":"Replace","pattern":{"Regex":""},"content":")" + std::string(10000, 'x') + "\"}";
  EXPECT_THROW(grows.parse()->tokenize(std::string(8192, 'a')), Error);
  Document hangs;
  hangs.normalizer = R"({"type":"Replace","pattern":{"Regex":"(a+)+c"},"content":""})";
  const auto start = std::chrono::steady_clock::now();
  EXPECT_THROW(hangs.parse()->tokenize(std::string(8192, 'a')), Error);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::minutes(3));
}

TEST(Base64, decodes_and_refuses) {
  EXPECT_EQ(decode_base64("aGVsbG8="), "hello");
  EXPECT_EQ(decode_base64("aGVs\nbG8"), "hello");
  EXPECT_EQ(decode_base64(""), "");
  EXPECT_FALSE(decode_base64("a b").has_value());
}

}  // namespace
}  // namespace rushes::text
