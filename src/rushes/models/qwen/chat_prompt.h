// Turns of a conversation as the ids that the language model reads.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "rushes/text/byte_level_bpe.h"

namespace rushes::qwen {

/// Stands where a picture is.
struct PicturePart {};
using ContentPart = std::variant<PicturePart, std::string>;

struct Turn {
  std::string role;  // system, user, assistant
  std::vector<ContentPart> content;
};

/// The system's turn where a conversation has none.
inline constexpr const char* kSystemText = "You are a helpful assistant.";

/// All pictures, then the text, in one user turn: what the published demo sends.
std::vector<Turn> question_about(int64_t pictures, std::string question);

/// Tokens of each picture: rows of PictureFeatures.
using PictureTokenCounts = std::vector<int64_t>;

class ChatPrompt {
 public:
  /// Throws Error(corrupt_data) if the tokenizer lacks one of the control tokens of conversations.
  explicit ChatPrompt(const text::ByteLevelBpe& tokenizer);

  /// The text of the template, a picture as one placeholder, ready for the answer.
  static std::string text(std::span<const Turn> turns);

  /// Its ids. Control tokens stand only where the template has them: what people write is text, unless the added tokens
  /// in it are to be `recognised`, as upstream does. Throws Error(invalid_argument) for a text that is not UTF-8, an
  /// unknown role, and where the number of pictures is not that of the counts.
  std::vector<int64_t> ids(std::span<const Turn> turns, const PictureTokenCounts& counts,
                           text::AddedTokensInText added = text::AddedTokensInText::plain) const;

 private:
  const text::ByteLevelBpe& tokenizer_;
  int64_t turn_start_, turn_end_, vision_start_, vision_end_, image_pad_;
};

}  // namespace rushes::qwen
