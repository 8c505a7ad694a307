#include "rushes/server/api/native/json_fields.h"

#include <fmt/ranges.h>

#include <cmath>

#include "rushes/base/error.h"
#include "rushes/generation/request.h"
#include "rushes/server/api/json_check.h"
#include "rushes/server/api/whole_number.h"

namespace rushes::server {
namespace {

using nlohmann::json;

constexpr std::size_t kMostNumbers = 1000;  // in a list

/// Field names as an error message may repeat them.
std::string shortened(const std::string& name) { return name.size() <= 64 ? name : name.substr(0, 64) + "..."; }

std::string type_of(const json& value) {
  if (!value.is_number_float()) return value.type_name();
  // The parser makes a float of an integer that has more than 64 bits, too.
  const auto number = value.get<double>();
  return number == std::floor(number) ? value.dump() : "number with a fraction";
}

json parse_object(std::string_view given) {
  std::string kept;
  const std::string_view text = whole_characters(given, kept);
  // nlohmann keeps the last of two equal keys; two clients' worth of meaning in one request is a mistake.
  check_json(text, EqualNames::refused);
  json object;
  try {
    object = json::parse(text);
  } catch (const json::parse_error& error) {
    fail(ErrorCode::invalid_argument,
         "the body is not JSON: error at byte {}; send a JSON object such as {{\"prompt\": \"a red circle\"}}",
         error.byte);
  } catch (const json::out_of_range&) {
    fail(ErrorCode::invalid_argument, "the body has a number that is too large");
  }
  require(object.is_object(), ErrorCode::invalid_argument, "the body must be a JSON object (got {})",
          object.type_name());
  return object;
}

}  // namespace

JsonFields::JsonFields(std::string_view text) : object_(parse_object(text)) {}

const json* JsonFields::find(std::string_view field) {
  known_.emplace(field);
  const auto found = object_.find(std::string(field));
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

std::optional<std::string> JsonFields::string(std::string_view field) {
  const json* value = find(field);
  if (!value) return std::nullopt;
  require(value->is_string(), ErrorCode::invalid_argument, "{} must be a string (got {})", field, type_of(*value));
  return value->get<std::string>();
}

std::optional<bool> JsonFields::boolean(std::string_view field) {
  const json* value = find(field);
  if (!value) return std::nullopt;
  require(value->is_boolean(), ErrorCode::invalid_argument, "{} must be true or false (got {})", field,
          type_of(*value));
  return value->get<bool>();
}

std::optional<int64_t> JsonFields::integer(std::string_view field, int64_t least, int64_t most) {
  const json* given = find(field);
  if (!given) return std::nullopt;
  const json value = as_integer(*given);
  require(value.is_number_integer(), ErrorCode::invalid_argument, "{} must be an integer from {} to {} (got {})", field,
          least, most, type_of(value));
  const bool too_great = value.is_number_unsigned() && value.get<uint64_t>() > static_cast<uint64_t>(INT64_MAX);
  require(!too_great && value.get<int64_t>() >= least && value.get<int64_t>() <= most, ErrorCode::invalid_argument,
          "{} must be an integer from {} to {} (got {})", field, least, most, value.dump());
  return value.get<int64_t>();
}

std::optional<double> JsonFields::number(std::string_view field, double least, double most) {
  const json* value = find(field);
  if (!value) return std::nullopt;
  require(value->is_number(), ErrorCode::invalid_argument, "{} must be a number from {} to {} (got {})", field, least,
          most, value->type_name());
  const auto number = value->get<double>();
  require(std::isfinite(number) && number >= least && number <= most, ErrorCode::invalid_argument,
          "{} must be a number from {} to {} (got {})", field, least, most, value->dump());
  return number;
}

std::optional<int64_t> JsonFields::integer(const OptionField& field) {
  return integer(field.name, static_cast<int64_t>(field.least), static_cast<int64_t>(field.most));
}

std::optional<double> JsonFields::number(const OptionField& field) {
  return number(field.name, field.least, field.most);
}

bool is_minus_one(const json& value) { return !value.is_number_unsigned() && value == -1; }

std::optional<uint64_t> JsonFields::seed() {
  const json* given = find("seed");
  if (!given) return std::nullopt;
  const json value = as_integer(*given);  // the parser makes a float of what has more than 64 bits
  require(value.is_number_unsigned(), ErrorCode::invalid_argument, "seed must be {} (got {})", generation::kSeedRange,
          value.is_number() ? value.dump() : type_of(value));
  return value.get<uint64_t>();
}

uint64_t JsonFields::seed_or_random() {
  const json* given = find("seed");
  const json value = given ? as_integer(*given) : json(-1);
  if (is_minus_one(value)) return generation::random_seed();
  require(value.is_number_unsigned(), ErrorCode::invalid_argument, "seed must be {}, or -1 for a random one (got {})",
          generation::kSeedRange, value.is_number() ? value.dump() : type_of(value));
  return value.get<uint64_t>();
}

std::optional<std::vector<std::string>> JsonFields::strings(std::string_view field, std::size_t most) {
  const json* value = find(field);
  if (!value) return std::nullopt;
  require(value->is_array(), ErrorCode::invalid_argument, "{} must be a list of strings (got {})", field,
          type_of(*value));
  require(value->size() <= most, ErrorCode::invalid_argument, "{} can have at most {} entries (got {})", field, most,
          value->size());
  std::vector<std::string> all;
  for (const json& each : *value) {
    require(each.is_string(), ErrorCode::invalid_argument, "{}[{}] must be a string (got {})", field, all.size(),
            type_of(each));
    all.push_back(each.get<std::string>());
  }
  return all;
}

std::optional<std::vector<double>> JsonFields::numbers(std::string_view field, std::size_t most) {
  const json* value = find(field);
  if (!value) return std::nullopt;
  require(value->is_array(), ErrorCode::invalid_argument, "{} must be a list of numbers (got {})", field,
          type_of(*value));
  require(value->size() <= most, ErrorCode::invalid_argument, "{} can have at most {} entries (got {})", field, most,
          value->size());
  std::vector<double> all;
  for (const json& each : *value) {
    require(each.is_number(), ErrorCode::invalid_argument, "{}[{}] must be a number (got {})", field, all.size(),
            type_of(each));
    all.push_back(each.get<double>());
  }
  return all;
}

std::optional<OptionValue> JsonFields::option(std::string_view field) {
  const json* value = find(field);
  if (!value) return std::nullopt;
  if (value->is_boolean()) return OptionValue(value->get<bool>());
  if (value->is_string()) return OptionValue(value->get<std::string>());
  if (value->is_number_unsigned() && value->get<uint64_t>() > static_cast<uint64_t>(INT64_MAX))
    return OptionValue(value->get<double>());
  if (value->is_number_integer()) return OptionValue(value->get<int64_t>());
  if (value->is_number()) return OptionValue(value->get<double>());
  require(value->is_array(), ErrorCode::invalid_argument, "{} must be a value or a list of numbers (got {})", field,
          type_of(*value));
  return OptionValue(*numbers(field, kMostNumbers));
}

std::optional<OptionValue> JsonFields::option(const OptionField& field, std::string_view name) {
  const json* value = find(name);
  if (value && field.json && !value->is_string()) return OptionValue(value->dump());
  return option(name);
}

std::vector<std::string> JsonFields::names() const {
  std::vector<std::string> names;
  for (const auto& [key, value] : object_.items()) names.push_back(key);
  return names;
}

void JsonFields::require_all_known() const {
  std::vector<std::string> unknown;
  for (const auto& [key, value] : object_.items())
    if (!known_.contains(key) && unknown.size() < 5) unknown.push_back(shortened(key));
  require(unknown.empty(), ErrorCode::invalid_argument, "unknown field {}; the known fields are: {}",
          fmt::join(unknown, ", "), fmt::join(known_, ", "));
}

Options named_options(JsonFields fields, std::span<const OptionField> known) {
  Options given;
  for (const std::string& name : fields.names()) {
    const OptionField* field = find_field(known, name);
    if (!field)
      given.set(name, false);  // whoever checks them says what there is
    else if (auto value = fields.option(*field, name))
      given.set(name, std::move(*value));
  }
  return given;
}

nlohmann::ordered_json option_value_json(const OptionValue& value) {
  return std::visit(
      [](const auto& of) {
        if constexpr (std::is_same_v<std::decay_t<decltype(of)>, std::monostate>)
          return nlohmann::ordered_json(nullptr);
        else
          return nlohmann::ordered_json(of);
      },
      value);
}

}  // namespace rushes::server
