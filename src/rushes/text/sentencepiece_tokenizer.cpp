#include "rushes/text/sentencepiece_tokenizer.h"

#include <sentencepiece_processor.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "rushes/base/error.h"
#include "rushes/text/charsmap.h"

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

/// A base-128 number of a protocol buffer; `message` moves behind it.
std::optional<uint64_t> read_varint(std::string_view& message) {
  uint64_t value = 0;
  for (int shift = 0; shift < 64 && !message.empty(); shift += 7) {
    const auto byte = static_cast<uint8_t>(message.front());
    message.remove_prefix(1);
    value |= static_cast<uint64_t>(byte & 0x7FU) << shift;
    if (byte < 0x80) return value;
  }
  return std::nullopt;
}

/// Every value of the length-delimited field `number` of a protocol buffer message. Throws Error(corrupt_data) for what
/// is none, and for groups: a reader that goes on behind what this one does not read would see unchecked fields.
std::vector<std::string_view> fields(std::string_view message, uint64_t number) {
  constexpr uint64_t kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5;
  std::vector<std::string_view> found;
  while (!message.empty()) {
    const auto tag = read_varint(message);
    const uint64_t type = tag.value_or(0) & 7U;
    std::optional<uint64_t> size = type == kFixed64 ? 8 : type == kFixed32 ? 4 : 0;
    if (type == kBytes) size = read_varint(message);
    const bool audio = tag && type != 3 && type != 4 && type <= kFixed32 && size && *size <= message.size() &&
                       (type != kVarint || read_varint(message));
    require(audio, ErrorCode::corrupt_data, "it is cut off or damaged");
    if (type == kBytes && *tag >> 3 == number) found.push_back(message.substr(0, *size));
    message.remove_prefix(*size);
  }
  return found;
}

/// What libsentencepiece takes for granted. It follows the character map of a model without checking it, so a damaged
/// one would be read out of bounds; and a piece that is empty or has a zero byte ends the process.
/// ModelProto: pieces is field 1 (their text 1), normalizer_spec 3, denormalizer_spec 5 (their precompiled_charsmap 2).
void check_model(std::string_view model) {
  for (const std::string_view piece : fields(model, 1))
    for (const std::string_view word : fields(piece, 1))
      require(!word.empty() && word.find('\0') == word.npos, ErrorCode::corrupt_data,
              "a piece is empty or has a zero byte");
  for (const uint64_t spec : {3, 5})
    for (const std::string_view normalizer : fields(model, spec))
      for (const std::string_view map : fields(normalizer, 2))
        if (!map.empty()) Charsmap::parse(map);
}

}  // namespace

std::unique_ptr<const Tokenizer> parse_sentencepiece(std::string_view model, std::string_view name) {
  try {
    check_model(model);
  } catch (const Error& error) {
    throw Error(error.code(), fmt::format("sentencepiece model '{}': {}", name, error.what()));
  }
  auto processor = std::make_unique<sentencepiece::SentencePieceProcessor>();
  const auto status = processor->LoadFromSerializedProto(model);
  require(status.ok(), ErrorCode::corrupt_data, "'{}' is not a sentencepiece model: {}", name, status.ToString());
  const int end = processor->eos_id();
  require(end >= 0 && end < processor->GetPieceSize(), ErrorCode::corrupt_data,
          "sentencepiece model '{}' has no end token; train it with an eos_id", name);
  SpecialTokens special{
      .pad = std::max(processor->pad_id(), 0), .before = {}, .after = {{end, processor->IdToPiece(end)}}};
  return std::make_unique<SentencepieceTokenizer>(std::move(processor), std::move(special));
}

}  // namespace rushes::text
