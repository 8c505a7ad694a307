#include "rushes/models/wan/text_encoder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rushes/base/error.h"
#include "rushes/models/wan/umt5_random_weights.h"
#include "rushes/tensor/ops.h"
#include "rushes/text/tokenizer_json.h"

namespace rushes::wan {
namespace {

std::shared_ptr<const text::Tokenizer> tokenizer() {
  return text::parse_tokenizer_json(R"({"added_tokens":[],"normalizer":null,
    "pre_tokenizer":{"type":"Metaspace","replacement":"▁","prepend_scheme":"always"},
    "post_processor":{"type":"TemplateProcessing","single":[{"Sequence":{"id":"A"}},{"SpecialToken":{"id":"</s>"}}],
                      "special_tokens":{"</s>":{"ids":[1],"tokens":["</s>"]}}},
    "model":{"type":"Unigram","unk_id":2,"vocab":[["<pad>",0],["</s>",0],["<unk>",0],["▁",-2],["▁a",-1],["a",-2],["b",-2]]}})",
                                    "test");
}

std::shared_ptr<const Umt5Encoder> encoder(int64_t vocab = 7) {
  Umt5Config config;
  config.vocab = vocab, config.dim = 8, config.dim_attn = 8, config.dim_ffn = 12;
  config.num_heads = 2, config.num_layers = 1, config.text_len = 16;
  return std::make_shared<const Umt5Encoder>(config, random_umt5_weights(config));
}

TEST(TextEncoder, pads_to_text_len_with_rows_of_zeros) {
  TextEncoder text(tokenizer(), encoder());
  const at::Tensor context = text.encode("a b");
  ASSERT_EQ(context.sizes(), (std::vector<int64_t>{1, 16, 8}));
  const at::Tensor rows = context[0].abs().sum(-1);
  EXPECT_GT(rows.narrow(0, 0, 4).min().item<float>(), 0);  // ▁a ▁ b </s>
  EXPECT_EQ(rows.narrow(0, 4, 12).max().item<float>(), 0);
  EXPECT_FALSE(context.requires_grad());
}

TEST(TextEncoder, an_empty_prompt_is_one_token) {
  TextEncoder text(tokenizer(), encoder());
  const at::Tensor rows = text.encode("  \n")[0].abs().sum(-1);
  EXPECT_GT(rows[0].item<float>(), 0);
  EXPECT_EQ(rows.narrow(0, 1, 15).max().item<float>(), 0);
}

TEST(TextEncoder, bad_prompts_and_a_foreign_tokenizer_are_refused) {
  struct Bad {
    const char* name;
    std::string prompt;
    ErrorCode code;
    const char* words;
  };
  const Bad table[] = {{"long", std::string(100'000, 'a'), ErrorCode::too_large, "8192"},
                       {"bytes", "a\xff", ErrorCode::invalid_argument, "offset 1"}};
  TextEncoder text(tokenizer(), encoder());
  for (const Bad& bad : table) {
    SCOPED_TRACE(bad.name);
    try {
      text.encode(bad.prompt);
      ADD_FAILURE() << "no Error was thrown";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), bad.code);
      EXPECT_THAT(error.what(), ::testing::HasSubstr(bad.words));
    }
  }
  EXPECT_THROW(TextEncoder(tokenizer(), encoder(6)), Error);
}

}  // namespace
}  // namespace rushes::wan
