#include "rushes/base/config_fields.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "rushes/base/error.h"
#include "rushes/base/printable.h"

namespace rushes {
namespace {

using nlohmann::json;

/// One value, and what is said of it if it cannot be read.
struct Value {
  const json& given;
  const std::string& where;
  const char* key;

  void check(bool good, std::string_view wanted) const {
    require(good, ErrorCode::corrupt_data, "{}: {} is {}; it must be {}", where, key, printable(given.dump()), wanted);
  }
  int64_t integer(int64_t least, int64_t most) const {
    const bool fits = given.is_number_integer() && given >= least && given <= most;
    check(fits, fmt::format("a whole number from {} to {}", least, most));
    return given.get<int64_t>();
  }
  double real(double least, double most) const {
    const double number = given.is_number() ? given.get<double>() : NAN;
    const bool bounded = std::isfinite(least) || std::isfinite(most);
    check(std::isfinite(number) && number >= least && number <= most,
          bounded ? fmt::format("a number from {} to {}", least, most) : "a number");
    return number;
  }
  bool flag() const {
    check(given.is_boolean(), "true or false");
    return given.get<bool>();
  }
  std::string word() const {
    check(given.is_string(), "a word");
    return given.get<std::string>();
  }
};

}  // namespace

ConfigFields::ConfigFields(const json& object, std::string where) : object_(object), where_(std::move(where)) {
  require(object.is_object(), ErrorCode::corrupt_data, "{} is not a JSON object", where_);
}

const json* ConfigFields::find(const char* key) const {
  const auto found = object_.find(key);
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

void ConfigFields::integer(const char* key, int64_t& value, int64_t least, int64_t most) const {
  if (const json* given = find(key)) value = Value{*given, where_, key}.integer(least, most);
}

void ConfigFields::integer(const char* key, std::optional<int64_t>& value, int64_t least, int64_t most) const {
  if (const json* given = find(key)) value = Value{*given, where_, key}.integer(least, most);
}

void ConfigFields::real(const char* key, double& value, double least, double most) const {
  if (const json* given = find(key)) value = Value{*given, where_, key}.real(least, most);
}

void ConfigFields::flag(const char* key, bool& value) const {
  if (const json* given = find(key)) value = Value{*given, where_, key}.flag();
}

void ConfigFields::word(const char* key, std::string& value) const {
  if (const json* given = find(key)) value = Value{*given, where_, key}.word();
}

template <typename T, typename Read>
void ConfigFields::list(const char* key, std::vector<T>& values, const Read& read) const {
  const json* given = find(key);
  if (!given) return;
  Value{*given, where_, key}.check(given->is_array() && given->size() <= kMostEntries,
                                   fmt::format("a list of at most {} entries", kMostEntries));
  values.clear();
  for (const json& entry : *given) values.push_back(read(Value{entry, where_, key}));
}

void ConfigFields::integers(const char* key, std::vector<int64_t>& values, int64_t least, int64_t most) const {
  list(key, values, [&](const Value& entry) { return entry.integer(least, most); });
}

void ConfigFields::reals(const char* key, std::vector<double>& values) const {
  const std::size_t count = values.size();
  list(key, values, [](const Value& entry) { return entry.real(-kInfinity, kInfinity); });
  require(values.size() == count, ErrorCode::corrupt_data, "{}: {} has {} numbers; it must have {}", where_, key,
          values.size(), count);
}

void ConfigFields::flags(const char* key, std::vector<bool>& values) const {
  list(key, values, [](const Value& entry) { return entry.flag(); });
}

void ConfigFields::words(const char* key, std::vector<std::string>& values) const {
  list(key, values, [](const Value& entry) { return entry.word(); });
}

void ConfigFields::must_be(const char* key, const json& only) const {
  const json* given = find(key);
  require(!given || *given == only, ErrorCode::unsupported, "{}: {} is {}; only {} is supported", where_, key,
          given ? printable(given->dump()) : "", only.dump());
}

}  // namespace rushes
