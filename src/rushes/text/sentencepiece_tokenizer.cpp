#include "rushes/text/sentencepiece_tokenizer.h"

#include <sentencepiece_processor.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <utility>

#include "rushes/base/error.h"

namespace rushes::text {
namespace {

class SentencepieceTokenizer final : public Tokenizer {
 public:
  SentencepieceTokenizer(std::unique_ptr<const sentencepiece::SentencePieceProcessor> model, SpecialTokens special)
      : Tokenizer(std::move(special)), model_(std::move(model)) {}

  int64_t vocabulary_size() const override { return model_->GetPieceSize(); }

 protected:
  std::vector<Token> split(std::string_view text) const override {
    const auto encoded = model_->EncodeAsImmutableProto(text);
    std::vector<Token> tokens;
    tokens.reserve(encoded.pieces_size());
    for (const auto& piece : encoded.pieces()) tokens.push_back({static_cast<int64_t>(piece.id()), piece.piece()});
    return tokens;
  }

 private:
  std::unique_ptr<const sentencepiece::SentencePieceProcessor> model_;
};

}  // namespace

std::unique_ptr<const Tokenizer> parse_sentencepiece(std::string_view model, std::string_view name) {
  auto processor = std::make_unique<sentencepiece::SentencePieceProcessor>();
  const auto status = processor->LoadFromSerializedProto(model);
  require(status.ok(), ErrorCode::corrupt_data, "'{}' is not a sentencepiece model: {}", name, status.ToString());
  const int end = processor->eos_id();
  require(end >= 0 && end < processor->GetPieceSize(), ErrorCode::corrupt_data,
          "sentencepiece model '{}' has no end token; train it with an eos_id", name);
  SpecialTokens special{.pad = std::max(processor->pad_id(), 0), .before = {}, .after = {{end, processor->IdToPiece(end)}}};
  return std::make_unique<SentencepieceTokenizer>(std::move(processor), std::move(special));
}

std::unique_ptr<const Tokenizer> load_sentencepiece(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  require(in.good(), ErrorCode::not_found, "sentencepiece model '{}' cannot be opened", file.string());
  const std::string bytes{std::istreambuf_iterator<char>(in), {}};
  return parse_sentencepiece(bytes, file.string());
}

}  // namespace rushes::text
