// Strict reading of a JSON object from outside: every field has one type, and none may be unknown. All errors name the
// field.
#pragma once
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "rushes/base/options.h"

namespace rushes::server {

/// Said with a sign: the library's comparison takes 2^64-1 for it.
bool is_minus_one(const nlohmann::json& value);

class JsonFields {
 public:
  /// Throws Error(invalid_argument) if `text` is no JSON object, with the place of the first mistake, or if it names a
  /// field twice.
  explicit JsonFields(std::string_view text);
  /// Of an object that was parsed already, a form's say.
  static JsonFields of(nlohmann::json object) { return JsonFields(Parsed{std::move(object)}); }

  /// A field that is absent or null gives nothing. Each throws Error(invalid_argument) for a value of another type.
  std::optional<std::string> string(std::string_view field);
  std::optional<bool> boolean(std::string_view field);
  std::optional<int64_t> integer(std::string_view field, int64_t least, int64_t most);
  std::optional<double> number(std::string_view field, double least, double most);
  /// Within the limits of the field, which is one of integers or numbers.
  std::optional<int64_t> integer(const OptionField& field);
  std::optional<double> number(const OptionField& field);
  /// Any number of 64 bits.
  std::optional<uint64_t> seed();
  /// The same in dialects where -1, or none, means a random one.
  uint64_t seed_or_random();
  std::optional<std::vector<std::string>> strings(std::string_view field, std::size_t most);
  std::optional<std::vector<double>> numbers(std::string_view field, std::size_t most);

  /// As a model's option: a bool, a number, a string or a list of numbers.
  std::optional<OptionValue> option(std::string_view field);
  /// What stands under `name`, that of the field or an alias; of a field that holds JSON anything, as its text.
  std::optional<OptionValue> option(const OptionField& field, std::string_view name);
  /// Of the fields that it has.
  std::vector<std::string> names() const;

  /// Makes a field known that is read later.
  void declare(std::string_view field) { known_.emplace(field); }
  /// Throws Error(invalid_argument) naming the fields that were never asked for and those that exist.
  void require_all_known() const;

 private:
  struct Parsed {
    nlohmann::json object;
  };
  explicit JsonFields(Parsed parsed) : object_(std::move(parsed.object)) {}
  const nlohmann::json* find(std::string_view field);

  nlohmann::json object_;
  std::set<std::string, std::less<>> known_;
};

/// All fields of an object, by their names or other spellings, also those that are not among the known ones. Not
/// checked.
Options named_options(JsonFields fields, std::span<const OptionField> known);
/// Nothing is null.
nlohmann::ordered_json option_value_json(const OptionValue& value);

}  // namespace rushes::server
