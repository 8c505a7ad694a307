// Options of a model: one list of fields from which JSON, command-line flags, YAML, Python, OpenAPI, the catalogue and
// the docs are made, and the values that a request gives them.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace rushes {

/// std::monostate: not given.
using OptionValue = std::variant<std::monostate, bool, int64_t, double, std::string, std::vector<double>>;

enum class OptionType { boolean, integer, number, text, choice, numbers };

/// The enumerator's own spelling.
std::string_view name(OptionType type);

struct OptionField {
  std::string name;  // snake_case: the key in JSON and YAML; on the command line with dashes
  OptionType type = OptionType::number;
  std::string doc;             // what it does, without its range and default
  OptionValue standard = {};   // what holds where it is not given; monostate: follows from other values
  double least = 0, most = 0;  // of integer and number, and of each of `numbers`; most: bytes of a text
  std::size_t least_count = 1, most_count = 1;  // of `numbers`
  std::vector<std::string> choices = {};        // of `choice`
  std::vector<std::string> aliases = {};        // other spellings, of the reference and of earlier versions
  bool live = false;                            // may change while a session runs
  bool json = false;  // of a text: it holds JSON, so that where a request is JSON any value stands for its text

  /// "a number from 0 to 100", "one of few_step, unipc", ...
  std::string allowed() const;
};

/// A value as people read and write it: true, 12, 0.5, [1, 2].
std::string to_text(const OptionValue& value);

/// Values by the names of their fields.
class Options {
 public:
  Options() = default;
  Options(std::initializer_list<std::pair<const std::string, OptionValue>> values) : values_(values) {}

  void set(std::string name, OptionValue value) { values_.insert_or_assign(std::move(name), std::move(value)); }
  void set_all(const Options& later) {
    for (const auto& [name, value] : later.values_) set(name, value);
  }
  bool has(std::string_view name) const { return values_.contains(name); }
  bool empty() const { return values_.empty(); }
  const std::map<std::string, OptionValue, std::less<>>& values() const { return values_; }
  bool operator==(const Options&) const = default;

  /// Nothing, if it is not given. T is the type that the field's type has in OptionValue.
  template <typename T>
  std::optional<T> get(std::string_view name) const {
    const auto found = values_.find(name);
    if (found == values_.end()) return std::nullopt;
    if (const T* value = std::get_if<T>(&found->second)) return *value;
    return std::nullopt;
  }

 private:
  std::map<std::string, OptionValue, std::less<>> values_;
};

/// The one check of options: `given` under the names of `fields` (aliases resolved, whole numbers taken for numbers,
/// a number for a list of one).
/// Throws Error(invalid_argument) naming the option, the value and what is allowed: for a name that none of the fields
/// has, one that is given twice (by an alias), another type, a value out of range or that is not finite;
/// Error(too_large) for a text of more bytes than its field takes.
Options checked(const Options& given, std::span<const OptionField> fields);

/// The same of options that are to change while a session runs: names of fields that are not live are refused too.
Options checked_live(const Options& given, std::span<const OptionField> fields);

/// The field of this name or alias; null: there is none.
const OptionField* find_field(std::span<const OptionField> fields, std::string_view name);

/// What a flag or a form says of a field: "true", "12", "1000,750". Throws Error(invalid_argument).
OptionValue parse_option(const OptionField& field, std::string_view text);

}  // namespace rushes
