#include "rushes/generation/expected_wait.h"

#include <gtest/gtest.h>

namespace rushes::generation {
namespace {

TEST(ExpectedWait, is_until_the_first_place_is_free_for_each_in_turn) {
  const auto never = kUnknownTime;
  const struct {
    const char* name;
    std::vector<double> running, queued;
    std::vector<std::optional<double>> waits;
  } cases[] = {
      {"nobody waits", {5}, {}, {}},
      {"the next", {5, 3}, {10}, {3}},
      {"the second gets the other place", {5, 3}, {10, 10}, {3, 5}},
      {"the third follows the first", {5, 3}, {1, 10, 10}, {3, 4, 5}},
      {"one place is enough to wait for", {never, 3}, {2, 2}, {3, 5}},
      {"endless videos", {never}, {2, 2}, {std::nullopt, std::nullopt}},
      {"behind one without an end", {3}, {never, 2}, {3, std::nullopt}},
      {"no places", {}, {2}, {std::nullopt}},
  };
  for (const auto& c : cases) EXPECT_EQ(expected_waits(c.running, c.queued), c.waits) << c.name;
}

}  // namespace
}  // namespace rushes::generation
