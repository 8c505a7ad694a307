// From text to the token ids that a text encoder reads. Two file formats, one interface: tokenizer.json of the Hugging
// Face tokenizers library (tokenizer_json.h) and the .model of sentencepiece (sentencepiece_tokenizer.h).
#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace rushes::text {

struct Token {
  int64_t id;
  std::string piece;  // as it stands in the vocabulary; the text itself where that is unknown
  bool operator==(const Token&) const = default;
};

/// Ids that every tokenizer of a text encoder has beside its vocabulary.
struct SpecialTokens {
  int64_t pad = 0;
  std::vector<Token> before;  // put in front of every text; empty for T5 and UMT5
  std::vector<Token> after;   // put behind it, kept on truncation: the end token
};

/// max_length ids and their mask: 1 for tokens of the text and the special tokens around it, 0 for padding (right).
struct Encoding {
  std::vector<int64_t> ids;
  std::vector<int64_t> mask;
};

/// Any thread: every function is const and without state.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  /// All tokens of `text` with the special ones around them, neither cut nor padded. An empty text yields the special
  /// tokens alone. Throws Error(invalid_argument) if `text` is not UTF-8.
  std::vector<Token> tokenize(std::string_view text) const;

  /// Exactly `max_length` ids: what is too long loses the end of the text, not the end token; the rest is padded.
  /// Throws Error(invalid_argument) if `text` is not UTF-8 or max_length cannot hold the special tokens.
  Encoding encode(std::string_view text, int64_t max_length) const;

  const SpecialTokens& special() const noexcept { return special_; }
  /// One more than the largest id that encode() may return: the least number of rows of an embedding table.
  virtual int64_t vocabulary_size() const = 0;

 protected:
  explicit Tokenizer(SpecialTokens special) : special_(std::move(special)) {}
  /// The tokens of `text` alone; `text` is valid UTF-8.
  virtual std::vector<Token> split(std::string_view text) const = 0;
  SpecialTokens special_;
};

/// Largest tokenizer file that is read. The official UMT5 tokenizer.json has 17 MB.
inline constexpr int64_t kMaxTokenizerFileBytes = 32 << 20;

/// Its bytes. Throws Error(not_found, too_large) naming it.
std::string read_tokenizer_file(const std::filesystem::path& file);

/// Reads a file of either format (*.json is a tokenizer.json, anything else a sentencepiece model), or the one that a
/// folder holds: tokenizer.json, else spiece.model or tokenizer.model. Throws Error(not_found, too_large, corrupt_data,
/// unsupported) naming the file, and the field where there is one.
std::unique_ptr<const Tokenizer> load_tokenizer(const std::filesystem::path& path);

}  // namespace rushes::text
