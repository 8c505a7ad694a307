#include "rushes/base/log.h"

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <nlohmann/json.hpp>

#include "rushes/base/error.h"
#include "rushes/base/log_format.h"
#include "rushes/base/log_tail.h"

namespace rushes::log {
namespace {

constexpr const char* kName = "rushes";
constexpr const char* kTextPattern = "%Y-%m-%dT%H:%M:%S.%e %^%l%$ %v";
constexpr const char* kJsonPattern = R"({"time":"%Y-%m-%dT%H:%M:%S.%e%z","level":"%l",%v})";

std::atomic<Format> chosen_format{Format::text};

/// One logger, with one level, for the whole process. A process may hold this file several times (each native module
/// of the Python package has its own copy) while spdlog's registry is there once: who comes second takes what is there.
std::shared_ptr<spdlog::logger> find_or_create() {
  if (auto present = spdlog::get(kName)) return present;
  try {
    auto created = spdlog::stderr_color_mt(kName);
    created->set_pattern(kTextPattern);
    return created;
  } catch (const spdlog::spdlog_ex&) {
    if (auto present = spdlog::get(kName)) return present;  // another thread was faster
    throw;
  }
}

spdlog::logger& logger() {
  static const std::shared_ptr<spdlog::logger> instance = find_or_create();
  return *instance;
}

spdlog::level::level_enum spdlog_level(Level level) {
  switch (level) {
    case Level::debug: return spdlog::level::debug;
    case Level::info: return spdlog::level::info;
    case Level::warning: return spdlog::level::warn;
    case Level::error: return spdlog::level::err;
    case Level::off: return spdlog::level::off;
  }
  return spdlog::level::info;
}

/// `"message":"...","session":"..."`, which the pattern completes.
std::string members(const std::string& line, std::initializer_list<Field> fields) {
  nlohmann::ordered_json json{{"message", line}};
  for (const Field& field : fields) std::visit([&](const auto& value) { json[field.name] = value; }, field.value);
  const std::string text = json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  return text.substr(1, text.size() - 2);
}

/// Lines about a session begin with it: "session 0123...: ...".
std::string_view session_of(std::string_view line) {
  constexpr std::string_view kBegin = "session ";
  constexpr size_t kDigits = 32;
  if (!line.starts_with(kBegin)) return {};
  line.remove_prefix(kBegin.size());
  return line.find_first_not_of("0123456789abcdef") == kDigits && line[kDigits] == ':' ? line.substr(0, kDigits)
                                                                                       : std::string_view();
}

}  // namespace

Format parse_format(std::string_view word) {
  if (word == "text") return Format::text;
  if (word == "json") return Format::json;
  fail(ErrorCode::invalid_argument, "log format '{}' is not one of text, json", word);
}

void set_format(Format format) {
  chosen_format = format;
  logger().set_pattern(format == Format::json ? kJsonPattern : kTextPattern);
}

Level parse_level(std::string_view word) {
  if (word == "debug") return Level::debug;
  if (word == "info") return Level::info;
  if (word == "warning") return Level::warning;
  if (word == "error") return Level::error;
  if (word == "off") return Level::off;
  fail(ErrorCode::invalid_argument, "log level '{}' is not one of debug, info, warning, error, off", word);
}

void set_level(Level level) { logger().set_level(spdlog_level(level)); }

void write(Level level, const std::string& line, std::initializer_list<Field> fields) {
  if (!logger().should_log(spdlog_level(level))) return;
  keep_line(level, line);
  logger().log(spdlog_level(level), "{}", chosen_format == Format::json ? members(line, fields) : line);
}

void write(Level level, const std::string& line) {
  const std::string_view session = session_of(line);
  if (session.empty()) return write(level, line, {});
  write(level, line, {{"session", session}});
}

}  // namespace rushes::log
