#include "rushes/text/byte_level_bpe.h"

#include <unicode/uchar.h>

#include <queue>

#include "rushes/base/error.h"
#include "rushes/text/bpe_files.h"
#include "rushes/text/utf8.h"

namespace rushes::text {
namespace {

constexpr int64_t kMaxId = int64_t{1} << 21;  // a table has an entry for each id, and files come from outside
constexpr size_t kMaxTextBytes = 16 << 20;

/// Bytes that GPT-2's alphabet spells by themselves; the others are U+0100 and on, in their order.
constexpr bool is_printable(int byte) {
  return (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
}

struct ByteAlphabet {
  std::array<char32_t, 256> character{};
  std::unordered_map<char32_t, char> byte;
  ByteAlphabet() {
    char32_t next = 0x100;
    for (int i = 0; i < 256; ++i) {
      const auto place = static_cast<size_t>(i);
      character[place] = is_printable(i) ? static_cast<char32_t>(i) : next++;
      byte[character[place]] = static_cast<char>(i);
    }
  }
};

const ByteAlphabet& alphabet() {
  static const ByteAlphabet one;
  return one;
}

uint64_t pair_of(int32_t left, int32_t right) {
  return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
}

}  // namespace

std::string to_byte_alphabet(std::string_view bytes) {
  std::string text;
  for (const char byte : bytes) append_utf8(text, alphabet().character[static_cast<unsigned char>(byte)]);
  return text;
}

std::optional<std::string> from_byte_alphabet(std::string_view text) {
  if (find_invalid_utf8(text)) return std::nullopt;
  std::string bytes;
  for (const char32_t character : to_code_points(text)) {
    const auto found = alphabet().byte.find(character);
    if (found == alphabet().byte.end()) return std::nullopt;
    bytes.push_back(found->second);
  }
  return bytes;
}

std::string with_replacements(std::string_view bytes) {
  std::string text;
  for (size_t at = 0; at < bytes.size();) {
    const std::string_view rest = bytes.substr(at);
    const auto bad = find_invalid_utf8(rest);
    text += rest.substr(0, bad.value_or(rest.size()));
    if (!bad) break;
    at += *bad;
    // Of a sequence that goes wrong, its beginning is one replacement: as long as it could still become a character.
    const auto lead = static_cast<unsigned char>(bytes[at]);
    const int continuations = lead >= 0xC2 && lead <= 0xDF   ? 1
                              : lead >= 0xE0 && lead <= 0xEF ? 2
                              : lead >= 0xF0 && lead <= 0xF4 ? 3
                                                             : 0;
    size_t length = 1;
    for (int i = 0; i < continuations && at + length < bytes.size(); ++i, ++length) {
      const auto byte = static_cast<unsigned char>(bytes[at + length]);
      const int least = i > 0 ? 0x80 : lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
      const int most = i > 0 ? 0xBF : lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
      if (byte < least || byte > most) break;
    }
    text += "\xEF\xBF\xBD";
    at += length;
  }
  return text;
}

ByteLevelBpe::ByteLevelBpe(const BpeFiles& files) : normal_form_(unicode_form(UnicodeForm::nfc)) {
  const auto corrupt = ErrorCode::corrupt_data;
  std::vector<bool> taken;
  const auto take = [&](int64_t id, const std::string& token) {
    require(id >= 0 && id < kMaxId, corrupt, "token '{}' has the id {}; it must be from 0 to {}", token, id,
            kMaxId - 1);
    if (id >= std::ssize(taken)) taken.resize(static_cast<size_t>(id) + 1);
    require(!taken[static_cast<size_t>(id)], corrupt, "two tokens have the id {}; one of them is '{}'", id, token);
    taken[static_cast<size_t>(id)] = true;
    bytes_of_id_.resize(taken.size());
    special_.resize(taken.size());
  };
  for (const auto& [token, id] : files.vocabulary) {
    take(id, token);
    // What is not of the alphabet stands for itself, as in the published library: nothing is merged to it.
    bytes_of_id_[static_cast<size_t>(id)] = from_byte_alphabet(token).value_or(token);
  }
  const auto find = [&](const std::string& token) {
    const auto found = files.vocabulary.find(token);
    return found == files.vocabulary.end() ? -1 : static_cast<int32_t>(found->second);
  };
  for (size_t byte = 0; byte < 256; ++byte) {
    std::string token;
    append_utf8(token, alphabet().character[byte]);
    id_of_byte_[byte] = find(token);
    require(id_of_byte_[byte] >= 0, corrupt, "the byte {} has no token: '{}' is missing in the vocabulary", byte,
            token);
  }
  for (size_t rank = 0; rank < files.merges.size(); ++rank) {
    const auto& [left, right] = files.merges[rank];
    const int32_t a = find(left), b = find(right), joined = find(left + right);
    require(a >= 0 && b >= 0 && joined >= 0, corrupt,
            "merge {} ('{}' '{}') is of tokens that are not in the vocabulary", rank, left, right);
    merges_.try_emplace(pair_of(a, b), Merge{static_cast<int32_t>(rank), joined});
  }
  std::vector<AddedToken> added;
  for (const BpeAddedToken& token : files.added) {
    require(!token.content.empty(), corrupt, "the added token {} is empty", token.id);
    const auto base = files.vocabulary.find(token.content);  // some files have them in both places
    if (base == files.vocabulary.end() || base->second != token.id) take(token.id, token.content);
    bytes_of_id_[static_cast<size_t>(token.id)] = from_byte_alphabet(token.content).value_or(token.content);
    special_[static_cast<size_t>(token.id)] = token.special;
    added.push_back({.content = token.content, .id = token.id});
  }
  added_ = AddedTokens(std::move(added));
}

std::vector<int64_t> ByteLevelBpe::encode(std::string_view text, AddedTokensInText added) const {
  require_utf8(text, "the text");
  require(text.size() <= kMaxTextBytes, ErrorCode::too_large, "the text has {} bytes; at most {} are read", text.size(),
          kMaxTextBytes);
  std::vector<int64_t> ids;
  if (added == AddedTokensInText::plain) {
    encode_text(text, ids);
    return ids;
  }
  for (const TextPart& part : added_.split(text)) {
    if (part.token >= 0)
      ids.push_back(added_[part.token].id);
    else
      encode_text(part.text, ids);
  }
  return ids;
}

void ByteLevelBpe::encode_text(std::string_view text, std::vector<int64_t>& ids) const {
  const std::string normal = normal_form_(text);
  for (const std::string_view word : split_words(normal)) encode_word(word, ids);
}

void ByteLevelBpe::encode_word(std::string_view word, std::vector<int64_t>& ids) const {
  struct Symbol {
    int32_t id, previous, next;  // neighbours, -1 at the ends; id -1: merged into the one before
  };
  struct Candidate {
    int32_t rank, place, left, right, id;
    bool operator>(const Candidate& other) const {
      return rank != other.rank ? rank > other.rank : place > other.place;
    }
  };
  const auto n = static_cast<int32_t>(word.size());
  std::vector<Symbol> symbols;
  symbols.reserve(word.size());
  for (int32_t i = 0; i < n; ++i)
    symbols.push_back(
        {id_of_byte_[static_cast<unsigned char>(word[static_cast<size_t>(i)])], i - 1, i + 1 < n ? i + 1 : -1});
  const auto at = [&](int32_t place) -> Symbol& { return symbols[static_cast<size_t>(place)]; };

  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> queue;  // lowest rank, then leftmost
  const auto consider = [&](int32_t place) {
    if (place < 0 || at(place).next < 0) return;
    const int32_t left = at(place).id, right = at(at(place).next).id;
    const auto found = merges_.find(pair_of(left, right));
    if (found != merges_.end()) queue.push({found->second.rank, place, left, right, found->second.id});
  };
  for (int32_t i = 0; i + 1 < n; ++i) consider(i);
  while (!queue.empty()) {
    const Candidate best = queue.top();
    queue.pop();
    Symbol& left = at(best.place);
    if (left.id != best.left || left.next < 0 || at(left.next).id != best.right) continue;  // gone meanwhile
    Symbol& right = at(left.next);
    left.id = best.id;
    left.next = right.next;
    right.id = -1;
    if (left.next >= 0) at(left.next).previous = best.place;
    consider(left.previous);
    consider(best.place);
  }
  for (const Symbol& symbol : symbols)
    if (symbol.id >= 0) ids.push_back(symbol.id);
}

std::string ByteLevelBpe::decode(std::span<const int64_t> ids, SpecialTokensInOutput special) const {
  std::string bytes;
  for (const int64_t id : ids) {
    if (id < 0 || id >= vocabulary_size()) continue;
    if (special == SpecialTokensInOutput::skip && is_special(id)) continue;
    bytes += bytes_of_id_[static_cast<size_t>(id)];
  }
  return with_replacements(bytes);
}

std::optional<int64_t> ByteLevelBpe::find_added(std::string_view content) const {
  for (const AddedToken& token : added_.all())
    if (token.content == content) return token.id;
  return std::nullopt;
}

bool ByteLevelBpe::is_special(int64_t id) const {
  return id >= 0 && id < vocabulary_size() && special_[static_cast<size_t>(id)];
}

}  // namespace rushes::text
