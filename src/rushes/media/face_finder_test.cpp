#include "rushes/media/face_finder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

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
  const auto faces = find_faces(astronaut());
  ASSERT_EQ(faces.size(), 1u);
  const auto* face = &faces[0];
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
  const auto faces = find_faces(large);
  ASSERT_EQ(faces.size(), 1u);
  const auto* face = &faces[0];
  EXPECT_NEAR((face->x1 + face->x2) / 2 / kTimes, 109, 8);
  EXPECT_NEAR((face->y1 + face->y2) / 2 / kTimes, 76, 8);
}

TEST_F(FaceFinder, finds_none_where_there_is_none) {
  EXPECT_TRUE(find_faces(plain(200, 100)).empty());
  EXPECT_TRUE(find_faces(plain(1, 1)).empty());
  EXPECT_TRUE(find_faces(plain(4000, 1)).empty());
}

TEST_F(FaceFinder, a_picture_without_a_face_that_cannot_be_taken_as_it_is_is_refused_with_advice) {
  try {
    faces_of_portrait(plain(200, 100), 128, Crop::yes);
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
    EXPECT_THAT(error.what(), testing::AllOf(testing::HasSubstr("200x100"), testing::HasSubstr("crop=false")));
  }
  EXPECT_TRUE(faces_of_portrait(plain(200, 100), 128, Crop::no).empty());
  EXPECT_TRUE(faces_of_portrait(plain(200, 200), 128, Crop::yes).empty());
  EXPECT_TRUE(faces_of_portrait(plain(128, 128), 128, Crop::yes).empty());
  EXPECT_EQ(faces_of_portrait(astronaut(), 128, Crop::yes).size(), 1u);
}

/// The astronaut in the whole picture and once more, half as large, beside her.
Image two_people() {
  const Image one = astronaut();
  const int64_t width = one.width + one.width / 2;
  const auto pixels =
      std::make_shared<std::vector<uint8_t>>(static_cast<std::size_t>(3 * width * one.height), uint8_t{90});
  const auto pixel = [&](int64_t x, int64_t y) { return pixels->data() + 3 * (y * width + x); };
  for (int64_t y = 0; y < one.height; ++y)
    for (int64_t x = 0; x < one.width; ++x) {
      std::copy_n(one.rgb.get() + 3 * (y * one.width + x), 3, pixel(x, y));
      if (x < one.width / 2 && y < one.height / 2)
        std::copy_n(one.rgb.get() + 3 * (2 * y * one.width + 2 * x), 3, pixel(one.width + x, y));
    }
  return {.rgb = {pixels, pixels->data()}, .height = one.height, .width = width};
}

TEST_F(FaceFinder, finds_everybody_in_a_picture) {
  const Image picture = two_people();
  auto faces = find_faces(picture);
  std::sort(faces.begin(), faces.end(), [](const auto& a, const auto& b) { return a.x1 < b.x1; });
  ASSERT_EQ(faces.size(), 2u);
  EXPECT_NEAR((faces[0].x1 + faces[0].x2) / 2, 109, 8);
  EXPECT_NEAR((faces[1].x1 + faces[1].x2) / 2, static_cast<double>(astronaut().width) + 109.0 / 2, 8);
}

}  // namespace
}  // namespace rushes::media
