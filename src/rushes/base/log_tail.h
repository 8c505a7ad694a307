// The newest lines of the log, for those who look at a process from elsewhere.
#pragma once
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "rushes/base/log.h"

namespace rushes::log {

constexpr std::size_t kTailLines = 500;
constexpr std::size_t kTailLineBytes = 2048;  // of each; the rest is left out

struct TailLine {
  int64_t number;  // counted from 1
  std::chrono::system_clock::time_point at;
  Level level;
  std::string text;
};

/// Those after this number that are still there, oldest first. Any thread.
std::vector<TailLine> lines_after(int64_t number);

/// As parse_level() takes it.
std::string_view name(Level level);

/// The logger's side. Any thread.
void keep_line(Level level, std::string_view line);

}  // namespace rushes::log
