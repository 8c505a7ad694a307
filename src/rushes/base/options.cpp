#include "rushes/base/options.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "rushes/base/error.h"

namespace rushes {
namespace {

constexpr ErrorCode kBad = ErrorCode::invalid_argument;
constexpr std::size_t kShown = 64;  // bytes of a value that a message repeats

std::string_view trim(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r\n");
  return first == std::string_view::npos ? std::string_view{}
                                         : text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

template <typename T>
std::optional<T> number_of(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// A whole number is a number too, and a number a list of one where such a list can be.
OptionValue widened(const OptionField& field, const OptionValue& value) {
  const auto* whole = std::get_if<int64_t>(&value);
  const auto* number = std::get_if<double>(&value);
  if (whole && field.type == OptionType::number) return static_cast<double>(*whole);
  if (field.type == OptionType::numbers && field.least_count == 1 && (whole || number))
    return std::vector<double>{whole ? static_cast<double>(*whole) : *number};
  return value;
}

bool has_type(const OptionField& field, const OptionValue& value) {
  switch (field.type) {
    case OptionType::boolean: return std::holds_alternative<bool>(value);
    case OptionType::integer: return std::holds_alternative<int64_t>(value);
    case OptionType::number: return std::holds_alternative<double>(value);
    case OptionType::text:
    case OptionType::choice: return std::holds_alternative<std::string>(value);
    case OptionType::numbers: return std::holds_alternative<std::vector<double>>(value);
  }
  return false;
}

bool in_range(const OptionField& field, const OptionValue& value) {
  const auto inside = [&](double number) {
    return std::isfinite(number) && number >= field.least && number <= field.most;
  };
  if (const auto* whole = std::get_if<int64_t>(&value)) return inside(static_cast<double>(*whole));
  if (const auto* number = std::get_if<double>(&value)) return inside(*number);
  if (const auto* list = std::get_if<std::vector<double>>(&value))
    return list->size() >= field.least_count && list->size() <= field.most_count &&
           std::all_of(list->begin(), list->end(), inside);
  if (const auto* text = std::get_if<std::string>(&value); text && field.type == OptionType::choice)
    return std::find(field.choices.begin(), field.choices.end(), *text) != field.choices.end();
  return true;
}

}  // namespace

std::string_view name(OptionType type) {
  switch (type) {
    case OptionType::boolean: return "boolean";
    case OptionType::integer: return "integer";
    case OptionType::number: return "number";
    case OptionType::text: return "text";
    case OptionType::choice: return "choice";
    case OptionType::numbers: return "numbers";
  }
  return "?";
}

std::string OptionField::allowed() const {
  switch (type) {
    case OptionType::boolean: return "true or false";
    case OptionType::integer: return fmt::format("an integer from {:.0f} to {:.0f}", least, most);
    case OptionType::number: return fmt::format("a number from {:g} to {:g}", least, most);
    case OptionType::text: return fmt::format("a string of at most {:.0f} bytes", most);
    case OptionType::choice: return fmt::format("one of {}", fmt::join(choices, ", "));
    case OptionType::numbers:
      return least_count == most_count
                 ? fmt::format("{} numbers from {:g} to {:g}", least_count, least, most)
                 : fmt::format("a list of {} to {} numbers from {:g} to {:g}", least_count, most_count, least, most);
  }
  return {};
}

std::string to_text(const OptionValue& value) {
  struct Writer {
    std::string operator()(std::monostate) const { return "nothing"; }
    std::string operator()(bool flag) const { return flag ? "true" : "false"; }
    std::string operator()(int64_t number) const { return std::to_string(number); }
    std::string operator()(double number) const { return fmt::format("{}", number); }
    std::string operator()(const std::string& text) const {
      return text.size() <= kShown ? text : text.substr(0, kShown) + "...";
    }
    std::string operator()(const std::vector<double>& list) const {
      const auto end = list.begin() + static_cast<std::ptrdiff_t>(std::min<std::size_t>(list.size(), 16));
      return fmt::format("[{}{}]", fmt::join(list.begin(), end, ", "), end == list.end() ? "" : ", ...");
    }
  };
  return std::visit(Writer{}, value);
}

const OptionField* find_field(std::span<const OptionField> fields, std::string_view name) {
  for (const OptionField& field : fields)
    if (field.name == name || std::find(field.aliases.begin(), field.aliases.end(), name) != field.aliases.end())
      return &field;
  return nullptr;
}

Options checked(const Options& given, std::span<const OptionField> fields) {
  Options result;
  for (const auto& [name, raw] : given.values()) {
    if (std::holds_alternative<std::monostate>(raw)) continue;
    const OptionField* field = find_field(fields, name);
    if (!field) {
      std::vector<std::string_view> names;
      for (const OptionField& known : fields) names.push_back(known.name);
      fail(kBad, "{} is not an option of this model; it has: {}", name.substr(0, kShown),
           names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", ")));
    }
    require(!result.has(field->name), kBad, "{} is given twice, also as {}", field->name, name);
    OptionValue value = widened(*field, raw);
    if (const auto* text = std::get_if<std::string>(&value); text && field->type == OptionType::text)
      require(static_cast<double>(text->size()) <= field->most, ErrorCode::too_large,
              "{} has {} bytes; the limit is {:.0f}", name, text->size(), field->most);
    const bool text_for_other = std::holds_alternative<std::string>(value) && !has_type(*field, value);
    require(has_type(*field, value) && in_range(*field, value), kBad, "{} must be {} (got {}{})", name,
            field->allowed(), text_for_other ? "the text " : "", to_text(value));
    result.set(field->name, std::move(value));
  }
  return result;
}

Options checked_live(const Options& given, std::span<const OptionField> fields) {
  std::vector<OptionField> live;
  std::vector<std::string_view> names;
  for (const OptionField& field : fields)
    if (field.live) live.push_back(field);
  for (const OptionField& field : live) names.push_back(field.name);
  for (const auto& [name, value] : given.values())
    require(find_field(live, name), kBad, "{} cannot be changed while a session runs; with this model {}",
            name.substr(0, kShown),
            names.empty() ? "nothing can" : fmt::format("these can: {}", fmt::join(names, ", ")));
  return checked(given, live);
}

OptionValue parse_option(const OptionField& field, std::string_view text) {
  const auto wrong = [&] {
    fail(kBad, "{} must be {} (got '{}')", field.name, field.allowed(), text.substr(0, kShown));
  };
  switch (field.type) {
    case OptionType::boolean:
      if (text == "true" || text == "1") return true;
      if (text == "false" || text == "0") return false;
      break;
    case OptionType::integer:
      if (const auto value = number_of<int64_t>(trim(text))) return *value;
      break;
    case OptionType::number:
      if (const auto value = number_of<double>(trim(text))) return *value;
      break;
    case OptionType::text:
    case OptionType::choice: return std::string(text);
    case OptionType::numbers: {
      std::vector<double> list;
      if (text.starts_with('[') && text.ends_with(']')) text = text.substr(1, text.size() - 2);
      for (std::string_view rest = text;;) {
        const std::size_t end = rest.find(',');
        const auto value = number_of<double>(trim(rest.substr(0, end)));
        if (!value) wrong();
        list.push_back(*value);
        if (end == std::string_view::npos) return list;
        rest.remove_prefix(end + 1);
      }
    }
  }
  wrong();
  return {};
}

}  // namespace rushes
