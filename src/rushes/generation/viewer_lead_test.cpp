#include "rushes/generation/viewer_lead.h"

#include <gtest/gtest.h>

namespace rushes::generation {
namespace {

using namespace std::chrono_literals;

TEST(ViewerLead, is_unknown_before_the_first_block) { EXPECT_FALSE(ViewerLead().at(5s)); }

TEST(ViewerLead, grows_with_blocks_and_falls_with_time) {
  ViewerLead lead;
  lead.add(1s, 0.75);
  EXPECT_DOUBLE_EQ(*lead.at(1s), 0.75);
  EXPECT_DOUBLE_EQ(*lead.at(1500ms), 0.25);
  lead.add(1500ms, 0.75);
  EXPECT_DOUBLE_EQ(*lead.at(1500ms), 1.0);
}

TEST(ViewerLead, of_a_viewer_that_stalled_begins_anew) {
  ViewerLead lead;
  lead.add(0s, 1.0);
  EXPECT_DOUBLE_EQ(*lead.at(60s), -59.0);
  lead.add(60s, 1.0);
  EXPECT_DOUBLE_EQ(*lead.at(60s), 1.0);
}

}  // namespace
}  // namespace rushes::generation
