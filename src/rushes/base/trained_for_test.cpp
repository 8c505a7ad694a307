#include "rushes/base/trained_for.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rushes {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(TrainedFor, warns_of_sizes_and_lengths_beyond_and_of_nothing_else) {
  const TrainedFor model{.sizes = {{96, 96}, {64, 128}}, .video_frames = 33};
  EXPECT_THAT(model.warnings({96, 96}, 33), IsEmpty());
  EXPECT_THAT(model.warnings({64, 128}, 1), IsEmpty());
  EXPECT_THAT(model.warnings({64, 128}, 0), IsEmpty());
  EXPECT_THAT(
      model.warnings({128, 64}, 34),
      ElementsAre("the model was trained for 96x96, 128x64, not for 64x128: the picture may be poor",
                  "the model was trained for at most 33 frames at once, not for 34: the later ones may be poor"));
}

TEST(TrainedFor, a_model_that_says_nothing_is_warned_of_nothing) {
  EXPECT_FALSE(TrainedFor{}.is_known());
  EXPECT_THAT(TrainedFor{}.warnings({768, 768}, 1000), IsEmpty());
  EXPECT_THAT((TrainedFor{.video_frames = 9}.warnings({768, 768}, 9)), IsEmpty());
  EXPECT_THAT((TrainedFor{.sizes = {{8, 8}}}.warnings({8, 8}, 1000)), IsEmpty());
}

}  // namespace
}  // namespace rushes
