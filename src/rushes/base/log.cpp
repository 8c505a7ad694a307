#include "rushes/base/log.h"

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include "rushes/base/error.h"

namespace rushes::log {
namespace {

constexpr const char* kName = "rushes";

/// One logger, with one level, for the whole process. A process may hold this file several times (each native module
/// of the Python package has its own copy) while spdlog's registry is there once: who comes second takes what is there.
std::shared_ptr<spdlog::logger> find_or_create() {
  if (auto present = spdlog::get(kName)) return present;
  try {
    auto created = spdlog::stderr_color_mt(kName);
    created->set_pattern("%Y-%m-%dT%H:%M:%S.%e %^%l%$ %v");
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

}  // namespace

Level parse_level(std::string_view word) {
  if (word == "debug") return Level::debug;
  if (word == "info") return Level::info;
  if (word == "warning") return Level::warning;
  if (word == "error") return Level::error;
  if (word == "off") return Level::off;
  fail(ErrorCode::invalid_argument, "log level '{}' is not one of debug, info, warning, error, off", word);
}

void set_level(Level level) { logger().set_level(spdlog_level(level)); }
void write(Level level, const std::string& line) { logger().log(spdlog_level(level), "{}", line); }

}  // namespace rushes::log
