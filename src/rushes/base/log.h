// The one logger: lines to standard error, so that standard output stays free for frames and JSON.
#pragma once
#include <fmt/format.h>

#include <string>
#include <string_view>

namespace rushes::log {

enum class Level { debug, info, warning, error, off };

/// Throws Error(invalid_argument) for a word that is none of debug, info, warning, error, off.
Level parse_level(std::string_view word);
void set_level(Level level);
void write(Level level, const std::string& line);

template <typename... Args>
void debug(fmt::format_string<Args...> format, Args&&... args) {
  write(Level::debug, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void info(fmt::format_string<Args...> format, Args&&... args) {
  write(Level::info, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void warning(fmt::format_string<Args...> format, Args&&... args) {
  write(Level::warning, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void error(fmt::format_string<Args...> format, Args&&... args) {
  write(Level::error, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace rushes::log
