#include "rushes/text/tokenizer.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <system_error>

#include "rushes/base/error.h"
#include "rushes/text/sentencepiece_tokenizer.h"
#include "rushes/text/tokenizer_json.h"
#include "rushes/text/utf8.h"

namespace rushes::text {

std::vector<Token> Tokenizer::tokenize(std::string_view text) const {
  require_utf8(text, "the text");
  std::vector<Token> tokens = special_.before;
  std::ranges::move(split(text), std::back_inserter(tokens));
  std::ranges::copy(special_.after, std::back_inserter(tokens));
  return tokens;
}

Encoding Tokenizer::encode(std::string_view text, int64_t max_length) const {
  require_utf8(text, "the text");
  const auto specials = static_cast<int64_t>(special_.before.size() + special_.after.size());
  require(max_length >= std::max<int64_t>(specials, 1), ErrorCode::invalid_argument,
          "max_length must be at least {} to hold the special tokens (got {})", std::max<int64_t>(specials, 1),
          max_length);
  std::vector<Token> tokens = split(text);
  tokens.resize(static_cast<size_t>(std::min<int64_t>(std::ssize(tokens), max_length - specials)));

  Encoding encoding;
  encoding.ids.reserve(static_cast<size_t>(max_length));
  const auto append = [&](const std::vector<Token>& part) {
    for (const Token& token : part) encoding.ids.push_back(token.id);
  };
  append(special_.before);
  append(tokens);
  append(special_.after);
  encoding.mask.assign(encoding.ids.size(), 1);
  encoding.ids.resize(static_cast<size_t>(max_length), special_.pad);
  encoding.mask.resize(static_cast<size_t>(max_length), 0);
  return encoding;
}

namespace {

/// The tokenizer in a folder: the names that published models use, best first.
std::filesystem::path find_tokenizer(const std::filesystem::path& path) {
  if (!std::filesystem::is_directory(path)) return path;
  for (const char* name : {"tokenizer.json", "spiece.model", "tokenizer.model", "sentencepiece.bpe.model"})
    if (std::filesystem::exists(path / name)) return path / name;
  fail(ErrorCode::not_found,
       "there is no tokenizer in the folder '{}': expected tokenizer.json, spiece.model or tokenizer.model",
       path.string());
}

}  // namespace

std::string read_tokenizer_file(const std::filesystem::path& file) {
  std::error_code error;
  const auto bytes = std::filesystem::file_size(file, error);
  require(!error, ErrorCode::not_found, "tokenizer '{}' cannot be read: {}", file.string(), error.message());
  require(bytes <= static_cast<uint64_t>(kMaxTokenizerFileBytes), ErrorCode::too_large,
          "tokenizer '{}' has {} bytes; at most {} are allowed; is this a tokenizer?", file.string(), bytes,
          kMaxTokenizerFileBytes);
  std::ifstream in(file, std::ios::binary);
  std::string content{std::istreambuf_iterator<char>(in), {}};
  require(in.good() || in.eof(), ErrorCode::not_found, "tokenizer '{}' cannot be read", file.string());
  return content;
}

std::unique_ptr<const Tokenizer> load_tokenizer(const std::filesystem::path& path) {
  const std::filesystem::path file = find_tokenizer(path);
  const std::string content = read_tokenizer_file(file);
  return file.extension() == ".json" ? parse_tokenizer_json(content, file.string())
                                     : parse_sentencepiece(content, file.string());
}

}  // namespace rushes::text
