// How the one logger writes its lines: for people, or as JSON for programs that collect them, with the values of a line
// as members of their own.
#pragma once
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <variant>

#include "rushes/base/log.h"

namespace rushes::log {

enum class Format {
  text,  // 2026-01-31T12:00:00.123 info session 0123...: created
  json,  // {"time":"2026-01-31T12:00:00.123+00:00","level":"info","message":"session 0123...: created",...}
};

/// Throws Error(invalid_argument) for a word that is none of text, json.
Format parse_format(std::string_view word);
/// Before there is a second thread.
void set_format(Format format);

struct Field {
  std::string_view name;
  std::variant<std::string_view, int64_t, double> value;
};

/// A line whose values are members of their own in JSON; as text it is `line` alone.
void write(Level level, const std::string& line, std::initializer_list<Field> fields);

}  // namespace rushes::log
