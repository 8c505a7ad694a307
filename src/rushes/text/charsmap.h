// The compiled character map of sentencepiece models: which character sequences its normaliser replaces by what.
// Layout: uint32 (little-endian) size of the trie in bytes, a double-array trie of uint32 units, then the replacements,
// each ended by a zero byte. A leaf's value is the offset of its replacement.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rushes::text {

class Charsmap {
 public:
  /// Throws Error(corrupt_data): truncated, a unit that leads out of the trie or round in it, an entry that points
  /// behind the replacements. What passed here cannot lead any reader of the map out of bounds.
  static Charsmap parse(std::string_view bytes);

  /// Normalises as the tokenizers library does: a grapheme of less than 6 bytes is looked up whole, else by character;
  /// and of several entries that a sequence begins with, the shortest counts and replaces the whole sequence.
  /// `text` is UTF-8. Throws Error(corrupt_data) if a replacement is not.
  std::string normalize(std::string_view text) const;

 private:
  void check() const;
  std::optional<std::string_view> replacement(std::string_view sequence) const;

  std::vector<uint32_t> units_;
  std::string replacements_;
};

/// Standard base64 with or without line breaks and padding. Nothing if a byte is outside the alphabet.
std::optional<std::string> decode_base64(std::string_view text);

}  // namespace rushes::text
