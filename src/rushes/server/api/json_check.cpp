#include "rushes/server/api/json_check.h"

#include <charconv>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "rushes/base/error.h"

namespace rushes::server {
namespace {

constexpr int kMostValues = 1 << 16;     // of all depths
constexpr std::size_t kMostDepth = 100;  // copying and writing call themselves for each

/// The library's own callback is not used for this: at each object's end it goes through all that came before it.
class Check final : public nlohmann::json_sax<nlohmann::json> {
 public:
  Check(EqualNames equal_names, std::size_t most_names) : equal_names_(equal_names), most_names_(most_names) {}

  bool null() override { return count(); }
  bool boolean(bool) override { return count(); }
  bool number_integer(number_integer_t) override { return count(); }
  bool number_unsigned(number_unsigned_t) override { return count(); }
  bool number_float(number_float_t, const string_t&) override { return count(); }
  bool string(string_t&) override { return count(); }
  bool binary(binary_t&) override { return count(); }
  bool start_array(std::size_t) override { return deeper(); }
  bool end_array() override {
    --depth_;
    return true;
  }
  bool start_object(std::size_t) override {
    names_.emplace_back();
    return deeper();
  }
  bool end_object() override {
    names_.pop_back();
    --depth_;
    return true;
  }
  bool key(string_t& name) override {
    const bool is_new = names_.back().insert(name).second;
    require(is_new || equal_names_ == EqualNames::allowed, ErrorCode::invalid_argument,
            "the body has the field '{}' twice", name.size() <= 64 ? name : name.substr(0, 64) + "...");
    require(names_.back().size() <= most_names_, ErrorCode::too_large, "a JSON object has more than {} fields",
            most_names_);
    return true;
  }
  bool parse_error(std::size_t, const std::string&, const nlohmann::json::exception&) override { return false; }

 private:
  bool count() {
    require(++values_ <= kMostValues, ErrorCode::too_large, "the JSON has more than {} values", kMostValues);
    return true;
  }

  bool deeper() {
    require(++depth_ <= kMostDepth, ErrorCode::invalid_argument, "the JSON is nested more than {} times", kMostDepth);
    return count();
  }

  const EqualNames equal_names_;
  const std::size_t most_names_;
  int values_ = 0;
  std::size_t depth_ = 0;
  std::vector<std::set<std::string>> names_;  // of the objects that are open
};

constexpr std::size_t kEscapeBytes = 6;  // \uXXXX

/// What the escape at the beginning of `text` stands for; nothing: there is no such escape.
std::optional<uint32_t> escaped_unit(std::string_view text) {
  if (text.size() < kEscapeBytes || !text.starts_with("\\u")) return std::nullopt;
  uint32_t unit = 0;
  const auto read = std::from_chars(text.data() + 2, text.data() + kEscapeBytes, unit, 16);
  return read.ptr == text.data() + kEscapeBytes ? std::optional(unit) : std::nullopt;
}

constexpr bool is_first_half(uint32_t unit) { return unit >= 0xd800 && unit < 0xdc00; }
constexpr bool is_second_half(uint32_t unit) { return unit >= 0xdc00 && unit < 0xe000; }

}  // namespace

std::string_view whole_characters(std::string_view text, std::string& kept) {
  bool is_changed = false;
  for (std::size_t at = text.find('\\'); at != std::string_view::npos && at < text.size(); at = text.find('\\', at)) {
    const auto unit = escaped_unit(text.substr(at));
    if (!unit) {  // another escape, or none
      at += 2;
      continue;
    }
    at += kEscapeBytes;
    if (!is_first_half(*unit) && !is_second_half(*unit)) continue;
    const auto next = is_first_half(*unit) ? escaped_unit(text.substr(at)) : std::nullopt;
    if (next && is_second_half(*next)) {
      at += kEscapeBytes;
      continue;
    }
    if (!std::exchange(is_changed, true)) kept = text;
    kept.replace(at - kEscapeBytes, kEscapeBytes, "\\ufffd");
  }
  return is_changed ? std::string_view(kept) : text;
}

void check_json(std::string_view text, EqualNames equal_names, std::size_t most_names) {
  Check check(equal_names, most_names);
  nlohmann::json::sax_parse(text, &check);
}

}  // namespace rushes::server
