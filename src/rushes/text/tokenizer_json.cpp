#include "rushes/text/tokenizer_json.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "rushes/base/error.h"
#include "rushes/text/added_tokens.h"
#include "rushes/text/charsmap.h"
#include "rushes/text/json_node.h"
#include "rushes/text/normalizers.h"
#include "rushes/text/unigram.h"
#include "rushes/text/utf8.h"

namespace rushes::text {
namespace {

using nlohmann::json;

struct Parts {
  Unigram model;
  AddedTokens plain, normalized;  // found in the text as it comes, and after it was normalised
  std::vector<Normalizer> normalizers;
  std::vector<PreTokenizer> pre_tokenizers;
};

class JsonTokenizer final : public Tokenizer {
 public:
  JsonTokenizer(Parts parts, SpecialTokens special, int64_t size)
      : Tokenizer(std::move(special)), parts_(std::move(parts)), size_(size) {}
  int64_t vocabulary_size() const override { return size_; }

 protected:
  std::vector<Token> split(std::string_view text) const override {
    std::vector<Token> tokens;
    for (const TextPart& part : parts_.plain.split(text)) {
      if (part.token >= 0) {
        const AddedToken& added = parts_.plain[part.token];
        tokens.push_back({added.id, added.content});
        continue;
      }
      const bool begins_text = part.text.data() == text.data();
      split_normalized(normalize(part.text), begins_text, tokens);
    }
    return tokens;
  }

 private:
  std::string normalize(std::string_view text) const {
    std::string out(text);
    for (const Normalizer& step : parts_.normalizers) {
      out = step(out);
      require_normalized_size(out.size());
    }
    return out;
  }

  void split_normalized(const std::string& text, bool begins_text, std::vector<Token>& tokens) const {
    for (const TextPart& part : parts_.normalized.split(text)) {
      if (part.token >= 0) {
        const AddedToken& added = parts_.normalized[part.token];
        tokens.push_back({added.id, added.content});
        continue;
      }
      std::vector<Word> words{{std::string(part.text), begins_text && part.text.data() == text.data()}};
      for (const PreTokenizer& step : parts_.pre_tokenizers) {
        std::vector<Word> finer;
        for (const Word& word : words) std::ranges::move(step(word), std::back_inserter(finer));
        words = std::move(finer);
      }
      for (const Word& word : words) parts_.model.split(word.text, tokens);
    }
  }

  Parts parts_;
  int64_t size_;
};

[[noreturn]] void unsupported(const JsonNode& node, const std::string& type, const char* known) {
  fail(ErrorCode::unsupported, "field '{}': type '{}' is not supported, only {}", node.path(), type, known);
}

Normalizer precompiled(const JsonNode& node) {
  const auto bytes = decode_base64(node["precompiled_charsmap"].string());
  require(bytes.has_value(), ErrorCode::corrupt_data, "field '{}.precompiled_charsmap' is not base64", node.path());
  return [map = std::make_shared<const Charsmap>(Charsmap::parse(*bytes))](std::string_view text) {
    return map->normalize(text);
  };
}

Normalizer replacement(const JsonNode& node) {
  const JsonNode pattern = node["pattern"];
  return pattern.has("Regex") ? replace_matches(pattern["Regex"].string(), node["content"].string())
                              : replace_all(pattern["String"].string(), node["content"].string());
}

void read_normalizers(const JsonNode& node, std::vector<Normalizer>& steps) {
  if (node.is_null()) return;
  const std::string type = node["type"].string();
  if (type == "Sequence") {
    const JsonNode all = node["normalizers"];
    for (size_t i = 0; i < all.size(); ++i) read_normalizers(all.at(i), steps);
  } else if (type == "Precompiled") {
    if (node.has("precompiled_charsmap")) steps.push_back(precompiled(node));
  } else if (type == "Replace") {
    steps.push_back(replacement(node));
  } else if (type == "Strip") {
    steps.push_back(strip(node.boolean("strip_left", true), node.boolean("strip_right", true)));
  } else if (type == "Prepend") {
    steps.push_back(prepend(node["prepend"].string()));
  } else if (type == "Lowercase") {
    steps.push_back(lowercase());
  } else if (type == "Nmt") {
    steps.push_back(nmt());
  } else if (type == "NFC" || type == "NFD" || type == "NFKC" || type == "NFKD") {
    steps.push_back(unicode_form(type == "NFC"    ? UnicodeForm::nfc
                                 : type == "NFD"  ? UnicodeForm::nfd
                                 : type == "NFKC" ? UnicodeForm::nfkc
                                                  : UnicodeForm::nfkd));
  } else {
    unsupported(node, type, "Sequence, Precompiled, Replace, Strip, Prepend, Lowercase, Nmt, NFC, NFD, NFKC and NFKD");
  }
}

PreTokenizer read_metaspace(const JsonNode& node) {
  const std::string marker = node["replacement"].string();
  require(!marker.empty() && marker.size() == character_bytes(marker[0]), ErrorCode::corrupt_data,
          "field '{}.replacement' must be one character", node.path());
  PrependScheme scheme = node.boolean("add_prefix_space", true) ? PrependScheme::always : PrependScheme::never;
  if (node.has("prepend_scheme")) {
    const std::string name = node["prepend_scheme"].string();
    require(name == "always" || name == "first" || name == "never", ErrorCode::corrupt_data,
            "field '{}.prepend_scheme' must be always, first or never (got '{}')", node.path(), name);
    scheme = name == "always" ? PrependScheme::always : name == "first" ? PrependScheme::first : PrependScheme::never;
  }
  return metaspace(marker, scheme, node.boolean("split", true));
}

void read_pre_tokenizers(const JsonNode& node, std::vector<PreTokenizer>& steps) {
  if (node.is_null()) return;
  const std::string type = node["type"].string();
  if (type == "Sequence") {
    const JsonNode all = node["pretokenizers"];
    for (size_t i = 0; i < all.size(); ++i) read_pre_tokenizers(all.at(i), steps);
  } else if (type == "Metaspace") {
    steps.push_back(read_metaspace(node));
  } else if (type == "WhitespaceSplit") {
    steps.push_back(whitespace_split());
  } else {
    unsupported(node, type, "Sequence, Metaspace and WhitespaceSplit");
  }
}

Unigram read_model(const JsonNode& node) {
  if (node.has("type") && node["type"].string() != "Unigram") unsupported(node, node["type"].string(), "Unigram");
  const JsonNode list = node["vocab"];
  std::vector<Piece> vocabulary;
  vocabulary.reserve(list.size());
  for (size_t i = 0; i < list.size(); ++i) {
    const JsonNode entry = list.at(i);
    require(entry.size() == 2, ErrorCode::corrupt_data, "field '{}' must be [piece, score]", entry.path());
    vocabulary.push_back({entry.at(0).string(), entry.at(1).number()});
  }
  return Unigram(std::move(vocabulary), node["unk_id"].id(), node.boolean("byte_fallback", false));
}

/// Before and after the text, from the template of a single text.
void read_post_processor(const JsonNode& node, SpecialTokens& special) {
  if (node.is_null()) return;
  const std::string type = node["type"].string();
  if (type != "TemplateProcessing") unsupported(node, type, "TemplateProcessing");
  const JsonNode single = node["single"];
  std::vector<Token>* side = &special.before;
  for (size_t i = 0; i < single.size(); ++i) {
    if (single.at(i).has("Sequence")) {
      side = &special.after;
      continue;
    }
    const std::string name = single.at(i)["SpecialToken"]["id"].string();
    const JsonNode token = node["special_tokens"][name.c_str()];
    for (size_t k = 0; k < token["ids"].size(); ++k)
      side->push_back({token["ids"].at(k).id(), token["tokens"].at(k).string()});
  }
  require(special.before.size() + special.after.size() <= 16, ErrorCode::corrupt_data,
          "field '{}' adds more than 16 tokens to every text", single.path());
}

struct Added {
  std::vector<AddedToken> plain, normalized;
  int64_t largest_id = -1;
  int64_t pad = 0;
};

Added read_added_tokens(const JsonNode& document) {
  Added added;
  if (!document.has("added_tokens")) return added;
  const JsonNode list = document["added_tokens"];
  for (size_t i = 0; i < list.size(); ++i) {
    const JsonNode entry = list.at(i);
    AddedToken token{.content = entry["content"].string(),
                     .id = entry["id"].id(),
                     .single_word = entry.boolean("single_word", false),
                     .lstrip = entry.boolean("lstrip", false),
                     .rstrip = entry.boolean("rstrip", false)};
    if (token.content == "<pad>") added.pad = token.id;
    added.largest_id = std::max(added.largest_id, token.id);
    const bool special = entry.boolean("special", false);
    (entry.boolean("normalized", !special) ? added.normalized : added.plain).push_back(std::move(token));
  }
  return added;
}

std::unique_ptr<const Tokenizer> read_document(const JsonNode& document) {
  Unigram model = read_model(document["model"]);
  std::vector<Normalizer> normalizers;
  std::vector<PreTokenizer> pre_tokenizers;
  if (document.has("normalizer")) read_normalizers(document["normalizer"], normalizers);
  if (document.has("pre_tokenizer")) read_pre_tokenizers(document["pre_tokenizer"], pre_tokenizers);
  Added added = read_added_tokens(document);
  for (AddedToken& token : added.normalized)
    for (const Normalizer& step : normalizers) token.content = step(token.content);

  SpecialTokens special{.pad = added.pad, .before = {}, .after = {}};
  if (document.has("padding") && document["padding"].has("pad_id")) special.pad = document["padding"]["pad_id"].id();
  if (document.has("post_processor")) read_post_processor(document["post_processor"], special);
  int64_t largest = std::max({model.size() - 1, added.largest_id, special.pad});
  for (const auto* side : {&special.before, &special.after})
    for (const Token& token : *side) largest = std::max(largest, token.id);
  return std::make_unique<JsonTokenizer>(
      Parts{std::move(model), AddedTokens(std::move(added.plain)), AddedTokens(std::move(added.normalized)),
            std::move(normalizers), std::move(pre_tokenizers)},
      std::move(special), largest + 1);
}

}  // namespace

std::unique_ptr<const Tokenizer> parse_tokenizer_json(std::string_view text, std::string_view name) {
  return read_json(text, name, read_document);
}

}  // namespace rushes::text
