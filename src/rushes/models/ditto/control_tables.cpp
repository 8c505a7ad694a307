#include "rushes/models/ditto/control_tables.h"

#include <algorithm>

namespace rushes::ditto {

std::vector<int64_t> blink_rows(int64_t frames, int64_t blink, const BlinkRule& rule,
                                const std::function<int64_t()>& random) {
  std::vector<int64_t> rows(static_cast<std::size_t>(frames), 0);
  if (rule.never) return rows;
  std::size_t taken = 0;
  const auto open = [&] { return rule.open.empty() ? random() : rule.open[taken++ % rule.open.size()]; };
  int64_t last_open = open(), at = last_open;
  const int64_t longest = rule.open.empty() ? 100 : rule.open.back();
  const int64_t limit = frames - std::max(longest, blink);
  while (at < limit) {
    for (int64_t i = 0; i < blink; ++i) rows[static_cast<std::size_t>(at + i)] = i;
    at += blink + open();
  }
  return rows;
}

std::map<int64_t, double> fade_alphas(int64_t frames, int64_t fade_in, int64_t fade_out) {
  std::map<int64_t, double> alphas;
  for (int64_t i = 0; i < fade_in; ++i) alphas[i] = static_cast<double>(i) / static_cast<double>(fade_in);
  if (fade_out > 0) {
    const int64_t first = frames - fade_out - 1, last = frames - 1;
    for (int64_t i = first; i < frames; ++i)
      alphas[i] = std::max(static_cast<double>(last - i) / static_cast<double>(last - first), 0.0);
  }
  return alphas;
}

}  // namespace rushes::ditto
