#include "rushes/text/bpe_files.h"

#include "rushes/base/error.h"
#include "rushes/text/json_node.h"
#include "rushes/text/tokenizer.h"
#include "rushes/text/utf8.h"

namespace rushes::text {
namespace {

namespace fs = std::filesystem;

void require_count(size_t count, size_t most, const char* what) {
  require(count <= most, ErrorCode::too_large, "it has {} {}; at most {} are allowed", count, what, most);
}

void require_token(std::string_view token) {
  require(!token.empty() && token.size() <= kMaxBpeTokenBytes, ErrorCode::corrupt_data,
          "a token has {} bytes; it must have from 1 to {}", token.size(), kMaxBpeTokenBytes);
}

std::unordered_map<std::string, int64_t> read_vocabulary(const JsonNode& node) {
  std::unordered_map<std::string, int64_t> vocabulary;
  node.for_each([&](const std::string& token, const JsonNode& id) {
    require_count(vocabulary.size(), kMaxBpeTokens, "tokens");
    require_token(token);
    vocabulary[token] = id.id();
  });
  return vocabulary;
}

/// "left right": neither side holds a space, which the alphabet spells as another character.
std::pair<std::string, std::string> merge_of(std::string_view line, size_t number) {
  const size_t space = line.find(' ');
  require(space != std::string_view::npos && space > 0 && space + 1 < line.size() &&
              line.find(' ', space + 1) == std::string_view::npos,
          ErrorCode::corrupt_data, "merge {} must be two tokens with a space between them", number);
  return {std::string(line.substr(0, space)), std::string(line.substr(space + 1))};
}

std::vector<std::pair<std::string, std::string>> read_merges(const JsonNode& list) {
  require_count(list.size(), kMaxBpeTokens, "merges");
  std::vector<std::pair<std::string, std::string>> merges;
  for (size_t i = 0; i < list.size(); ++i) {
    const JsonNode entry = list.at(i);
    if (entry.is_string()) {
      merges.push_back(merge_of(entry.string(), i));
      continue;
    }
    require(entry.size() == 2, ErrorCode::corrupt_data, "field '{}' must be two tokens", entry.path());
    merges.emplace_back(entry.at(0).string(), entry.at(1).string());
  }
  return merges;
}

BpeAddedToken added_token(const JsonNode& entry, int64_t id) {
  BpeAddedToken token{.content = entry["content"].string(), .id = id, .special = entry.boolean("special", false)};
  require_token(token.content);
  for (const char* flag : {"lstrip", "rstrip", "single_word"})
    require(!entry.boolean(flag, false), ErrorCode::unsupported, "field '{}.{}' must be false", entry.path(), flag);
  return token;
}

std::vector<BpeAddedToken> read_added(const JsonNode& list) {
  require_count(list.size(), kMaxAddedTokens, "added tokens");
  std::vector<BpeAddedToken> added;
  for (size_t i = 0; i < list.size(); ++i) added.push_back(added_token(list.at(i), list.at(i)["id"].id()));
  return added;
}

int64_t id_of_key(const std::string& key) {
  const bool digits = !key.empty() && key.size() <= 9 && key.find_first_not_of("0123456789") == std::string::npos;
  require(digits, ErrorCode::corrupt_data, "'{}' is not a token id", key);
  return std::stoll(key);
}

std::vector<BpeAddedToken> read_added_decoder(const JsonNode& document) {
  std::vector<BpeAddedToken> added;
  if (!document.has("added_tokens_decoder")) return added;
  document["added_tokens_decoder"].for_each([&](const std::string& key, const JsonNode& entry) {
    require_count(added.size(), kMaxAddedTokens, "added tokens");
    added.push_back(added_token(entry, id_of_key(key)));
  });
  return added;
}

void require_type(const JsonNode& node, std::string_view wanted) {
  const std::string type = node["type"].string();
  require(type == wanted, ErrorCode::unsupported, "field '{}': type '{}' is not supported, only {}", node.path(), type,
          wanted);
}

void check_split(const JsonNode& node) {
  require_type(node, "Sequence");
  const JsonNode steps = node["pretokenizers"];
  require(steps.size() == 2, ErrorCode::unsupported, "field '{}' must be a Split and a ByteLevel", steps.path());
  const JsonNode split = steps.at(0), bytes = steps.at(1);
  require_type(split, "Split");
  require_type(bytes, "ByteLevel");
  const std::string expression = split["pattern"]["Regex"].string();
  require(expression == kWordExpression, ErrorCode::unsupported, "field '{}.pattern': only {} is supported",
          split.path(), kWordExpression);
  require(split["behavior"].string() == "Isolated" && !split.boolean("invert", false), ErrorCode::unsupported,
          "field '{}': the behavior must be Isolated, without invert", split.path());
  require(!bytes.boolean("add_prefix_space", true) && !bytes.boolean("use_regex", true), ErrorCode::unsupported,
          "field '{}': add_prefix_space and use_regex must be false", bytes.path());
}

void check_model(const JsonNode& model) {
  require_type(model, "BPE");
  for (const char* flag : {"byte_fallback", "ignore_merges"})
    require(!model.boolean(flag, false), ErrorCode::unsupported, "field 'model.{}' must be false", flag);
  require(!model.has("dropout"), ErrorCode::unsupported, "field 'model.dropout' must be null");
  for (const char* affix : {"continuing_subword_prefix", "end_of_word_suffix"})
    require(!model.has(affix) || model[affix].string().empty(), ErrorCode::unsupported,
            "field 'model.{}' must be empty", affix);
}

BpeFiles read_document(const JsonNode& document) {
  const JsonNode model = document["model"];
  check_model(model);
  require_type(document["normalizer"], "NFC");
  check_split(document["pre_tokenizer"]);
  return {read_vocabulary(model["vocab"]), read_merges(model["merges"]),
          document.has("added_tokens") ? read_added(document["added_tokens"]) : std::vector<BpeAddedToken>{}};
}

}  // namespace

BpeFiles parse_bpe_files(std::string_view vocabulary, std::string_view merges, std::string_view tokenizer_config,
                         std::string_view name) {
  BpeFiles files;
  files.vocabulary = read_json(vocabulary, name, read_vocabulary);
  if (!tokenizer_config.empty()) files.added = read_json(tokenizer_config, name, read_added_decoder);
  try {
    size_t number = 0;
    for (size_t begin = 0; begin < merges.size(); ++number) {
      const size_t end = std::min(merges.find('\n', begin), merges.size());
      std::string_view line = merges.substr(begin, end - begin);
      begin = end + 1;
      if (line.ends_with('\r')) line.remove_suffix(1);
      if (line.empty() || (number == 0 && line.starts_with("#version"))) continue;
      require_count(files.merges.size() + 1, kMaxBpeTokens, "merges");
      files.merges.push_back(merge_of(line, number));
    }
  } catch (const Error& error) {
    throw Error(error.code(), fmt::format("tokenizer '{}': {}", name, error.what()));
  }
  return files;
}

BpeFiles parse_bpe_json(std::string_view text, std::string_view name) { return read_json(text, name, read_document); }

BpeFiles read_bpe_files(const fs::path& folder) {
  const auto has = [&](const char* name) { return fs::exists(folder / name); };
  const std::string config =
      has("tokenizer_config.json") ? read_tokenizer_file(folder / "tokenizer_config.json") : std::string();
  const std::string name = folder.string();
  if (has("vocab.json") && has("merges.txt")) {
    BpeFiles files = parse_bpe_files(read_tokenizer_file(folder / "vocab.json"),
                                     read_tokenizer_file(folder / "merges.txt"), config, name);
    if (files.added.empty() && has("tokenizer.json"))
      files.added = parse_bpe_json(read_tokenizer_file(folder / "tokenizer.json"), name).added;
    return files;
  }
  require(has("tokenizer.json"), ErrorCode::not_found,
          "there is no tokenizer in the folder '{}': expected vocab.json and merges.txt, or tokenizer.json", name);
  BpeFiles files = parse_bpe_json(read_tokenizer_file(folder / "tokenizer.json"), name);
  if (files.added.empty() && !config.empty()) files.added = read_json(config, name, read_added_decoder);
  return files;
}

}  // namespace rushes::text
