#include "rushes/base/log_tail.h"

#include <algorithm>
#include <deque>
#include <mutex>

namespace rushes::log {
namespace {

struct Tail {
  std::mutex mutex;
  std::deque<TailLine> lines;
  int64_t newest = 0;
};

Tail& tail() {
  static Tail instance;
  return instance;
}

}  // namespace

std::vector<TailLine> lines_after(int64_t number) {
  Tail& kept = tail();
  const std::scoped_lock lock(kept.mutex);
  const auto first = std::find_if(kept.lines.begin(), kept.lines.end(),
                                  [number](const TailLine& line) { return line.number > number; });
  return {first, kept.lines.end()};
}

std::string_view name(Level level) {
  switch (level) {
    case Level::debug: return "debug";
    case Level::info: return "info";
    case Level::warning: return "warning";
    case Level::error: return "error";
    case Level::off: return "off";
  }
  return "info";
}

void keep_line(Level level, std::string_view line) {
  Tail& kept = tail();
  const std::scoped_lock lock(kept.mutex);
  kept.lines.push_back(
      {++kept.newest, std::chrono::system_clock::now(), level, std::string(line.substr(0, kTailLineBytes))});
  if (kept.lines.size() > kTailLines) kept.lines.pop_front();
}

}  // namespace rushes::log
