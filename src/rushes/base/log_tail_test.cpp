#include "rushes/base/log_tail.h"

#include <gtest/gtest.h>

namespace rushes::log {
namespace {

int64_t newest() {
  const auto lines = lines_after(0);
  return lines.empty() ? 0 : lines.back().number;
}

TEST(LogTail, has_the_lines_that_were_written_and_not_those_below_the_level) {
  const int64_t before = newest();
  testing::internal::CaptureStderr();
  warning("a {} line", "first");
  debug("nobody asked for this");
  error("second");
  testing::internal::GetCapturedStderr();
  const auto lines = lines_after(before);
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0].text, "a first line");
  EXPECT_EQ(lines[0].number, before + 1);
  EXPECT_EQ(name(lines[0].level), "warning");
  EXPECT_EQ(name(lines[1].level), "error");
  EXPECT_LE(lines[0].at, lines[1].at);
  EXPECT_TRUE(lines_after(lines[1].number).empty());
}

TEST(LogTail, keeps_the_newest_lines_and_the_beginning_of_long_ones) {
  const int64_t before = newest();
  keep_line(Level::info, "the oldest");
  for (std::size_t i = 0; i < kTailLines; ++i) keep_line(Level::info, std::string(2 * kTailLineBytes, 'x'));
  const auto lines = lines_after(0);
  ASSERT_EQ(lines.size(), kTailLines);
  EXPECT_EQ(lines.front().number, before + 2);
  EXPECT_EQ(lines.front().text.size(), kTailLineBytes);
}

TEST(LogTail, names_levels_as_they_are_set) {
  for (const Level level : {Level::debug, Level::info, Level::warning, Level::error, Level::off})
    EXPECT_EQ(parse_level(name(level)), level);
}

}  // namespace
}  // namespace rushes::log
