#include "rushes/generation/wan/block_layout.h"

#include <gtest/gtest.h>

namespace rushes::generation {
namespace {

using Sizes = std::vector<int64_t>;

TEST(BlockLayout, blocks_end_where_they_always_end) {
  const struct {
    const char* name;
    BlockLayout layout;
    int64_t given, total;
    Sizes wanted;
  } rows[] = {
      {"whole segment", {3, false}, 0, 9, {3, 3, 3}},
      {"after an overlap", {3, false}, 3, 9, {3, 3}},
      {"after an image", {3, false}, 1, 9, {2, 3, 3}},
      {"first frame alone", {3, true}, 0, 7, {1, 3, 3}},
      {"first frame alone, after an image", {3, true}, 1, 7, {3, 3}},
      {"first frame alone, after an overlap", {3, true}, 4, 7, {3}},
      {"frame by frame", {1, false}, 1, 4, {1, 1, 1}},
      {"given only", {3, false}, 3, 3, {}},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.name);
    EXPECT_EQ(row.layout.blocks(row.given, row.total), row.wanted);
  }
}

TEST(BlockLayout, names_the_nearest_lengths_that_fit) {
  EXPECT_EQ((BlockLayout{3, false}.nearest(20)), (Sizes{18, 21}));
  EXPECT_EQ((BlockLayout{3, false}.nearest(2)), (Sizes{3}));
  EXPECT_EQ((BlockLayout{3, true}.nearest(21)), (Sizes{19, 22}));
  EXPECT_TRUE((BlockLayout{3, true}.at_border(19)));
  EXPECT_FALSE((BlockLayout{3, true}.at_border(0)));
}

}  // namespace
}  // namespace rushes::generation
