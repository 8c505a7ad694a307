#include "rushes/media/face_finder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rushes/base/error.h"
#include "rushes/media/test_video.h"

namespace rushes::media {
namespace {

Image astronaut() { return read_image(RUSHES_SOURCE_DIR "/tests/pictures/astronaut.jpg"); }

Image plain(int64_t width, int64_t height) {
  const auto pixels = std::make_shared<std::vector<uint8_t>>(static_cast<std::size_t>(3 * width * height), uint8_t{90});
  return {.rgb = {pixels, pixels->data()}, .height = height, .width = width};
}

class FaceFinder : public testing::Test {
 protected:
  void SetUp() override {
    if (!can_find_faces()) GTEST_SKIP() << "built without OpenCV, or opencv-data is not installed";
  }
};

TEST_F(FaceFinder, finds_the_face_of_a_photograph) {
  const auto face = find_face(astronaut());
  ASSERT_TRUE(face.has_value());
  EXPECT_NEAR((face->x1 + face->x2) / 2, 109, 8);
  EXPECT_NEAR((face->y1 + face->y2) / 2, 76, 8);
  EXPECT_NEAR(face->x2 - face->x1, 65, 15);
}

TEST_F(FaceFinder, finds_the_same_face_in_a_larger_picture) {
  const Image small = astronaut();
  constexpr int64_t kTimes = 5;
  const auto pixels = std::make_shared<std::vector<uint8_t>>();
  for (int64_t y = 0; y < kTimes * small.height; ++y)
    for (int64_t x = 0; x < kTimes * small.width; ++x) {
      const uint8_t* from = small.rgb.get() + 3 * (y / kTimes * small.width + x / kTimes);
      pixels->insert(pixels->end(), from, from + 3);
    }
  const Image large{.rgb = {pixels, pixels->data()}, .height = kTimes * small.height, .width = kTimes * small.width};
  const auto face = find_face(large);
  ASSERT_TRUE(face.has_value());
  EXPECT_NEAR((face->x1 + face->x2) / 2 / kTimes, 109, 8);
  EXPECT_NEAR((face->y1 + face->y2) / 2 / kTimes, 76, 8);
}

TEST_F(FaceFinder, finds_none_where_there_is_none) {
  EXPECT_FALSE(find_face(plain(200, 100)).has_value());
  EXPECT_FALSE(find_face(plain(1, 1)).has_value());
  EXPECT_FALSE(find_face(plain(4000, 1)).has_value());
}

TEST_F(FaceFinder, a_picture_without_a_face_that_cannot_be_taken_as_it_is_is_refused_with_advice) {
  try {
    face_of_portrait(plain(200, 100), 128, Crop::yes);
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
    EXPECT_THAT(error.what(), testing::AllOf(testing::HasSubstr("200x100"), testing::HasSubstr("crop=false")));
  }
  EXPECT_FALSE(face_of_portrait(plain(200, 100), 128, Crop::no).has_value());
  EXPECT_FALSE(face_of_portrait(plain(200, 200), 128, Crop::yes).has_value());
  EXPECT_FALSE(face_of_portrait(plain(128, 128), 128, Crop::yes).has_value());
  EXPECT_TRUE(face_of_portrait(astronaut(), 128, Crop::yes).has_value());
}

}  // namespace
}  // namespace rushes::media
