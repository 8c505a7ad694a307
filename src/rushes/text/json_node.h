// Reading the JSON files of tokenizers, which come from outside: every error names its field.
#pragma once
#include <cmath>
#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>

#include "rushes/base/error.h"

namespace rushes::text {

/// One place in the document, which knows its path for messages.
class JsonNode {
 public:
  JsonNode(const nlohmann::json& value, std::string path) : value_(&value), path_(std::move(path)) {}

  JsonNode operator[](const char* key) const {
    require(value_->is_object(), ErrorCode::corrupt_data, "field '{}' must be an object", path_);
    const auto found = value_->find(key);
    require(found != value_->end(), ErrorCode::corrupt_data, "field '{}' is missing", join(key));
    return {*found, join(key)};
  }
  bool has(const char* key) const { return value_->is_object() && value_->contains(key) && !(*value_)[key].is_null(); }

  std::string string() const { return get<std::string>(value_->is_string(), "a string"); }
  bool boolean() const { return get<bool>(value_->is_boolean(), "true or false"); }
  bool boolean(const char* key, bool otherwise) const { return has(key) ? (*this)[key].boolean() : otherwise; }
  int64_t id() const {
    const bool fits = value_->is_number_unsigned() && value_->get<uint64_t>() <= std::numeric_limits<int32_t>::max();
    return get<int64_t>(fits, "a token id");
  }
  double number() const {
    const auto value = get<double>(value_->is_number(), "a number");
    require(std::isfinite(value), ErrorCode::corrupt_data, "field '{}' must be finite", path_);
    return value;
  }
  size_t size() const {
    require(value_->is_array(), ErrorCode::corrupt_data, "field '{}' must be a list", path_);
    return value_->size();
  }
  /// Calls visit(key, JsonNode) for each field of an object.
  template <typename Visit>
  void for_each(const Visit& visit) const {
    require(value_->is_object(), ErrorCode::corrupt_data, "field '{}' must be an object", path_);
    for (const auto& [key, value] : value_->items()) visit(key, JsonNode(value, join(key.c_str())));
  }
  JsonNode at(size_t i) const { return {(*value_)[i], path_ + "[" + std::to_string(i) + "]"}; }
  bool is_string() const { return value_->is_string(); }
  bool is_null() const { return value_->is_null(); }
  const std::string& path() const { return path_; }

 private:
  std::string join(const char* key) const { return path_.empty() ? key : path_ + "." + key; }
  template <typename T>
  T get(bool fits, const char* wanted) const {
    require(fits, ErrorCode::corrupt_data, "field '{}' must be {}", path_, wanted);
    return value_->get<T>();
  }
  const nlohmann::json* value_;
  std::string path_;
};

/// read(JsonNode) of the whole document. Throws what that throws with the file's name before it, and
/// Error(corrupt_data) for what is not JSON or nested deeper than any real file.
template <typename Read>
auto read_json(std::string_view text, std::string_view name, const Read& read) {
  static constexpr int kMaxDepth = 32;  // real files have 7; brackets alone would cost a hundred times their size
  try {
    const auto document = nlohmann::json::parse(text, [](int depth, nlohmann::json::parse_event_t, nlohmann::json&) {
      require(depth <= kMaxDepth, ErrorCode::corrupt_data, "it is nested deeper than {} levels", kMaxDepth);
      return true;
    });
    return read(JsonNode(document, ""));
  } catch (const Error& error) {
    throw Error(error.code(), fmt::format("tokenizer '{}': {}", name, error.what()));
  } catch (const nlohmann::json::exception& error) {
    fail(ErrorCode::corrupt_data, "tokenizer '{}' is not JSON: {}", name, error.what());
  }
}

}  // namespace rushes::text
