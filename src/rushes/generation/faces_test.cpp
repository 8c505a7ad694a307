#include "rushes/generation/faces.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rushes/base/error.h"

namespace rushes::generation {
namespace {

constexpr FaceBox kFront{100, 200, 500, 600}, kBehind{800, 200, 880, 280}, kMiddle{460, 300, 540, 380};

TEST(Faces, the_largest_comes_first_and_of_faces_alike_the_one_in_the_middle) {
  std::vector<FaceBox> faces{kBehind, kFront};
  put_subject_first(faces, 800, 1000);
  EXPECT_THAT(faces, testing::ElementsAre(kFront, kBehind));
  faces = {kBehind, kMiddle};
  put_subject_first(faces, 800, 1000);
  EXPECT_THAT(faces, testing::ElementsAre(kMiddle, kBehind));
}

TEST(Faces, one_is_chosen_by_its_index_or_its_box) {
  const std::vector<OptionField> fields{face_option()};
  const std::vector<FaceBox> faces{kFront, kBehind};
  const auto chosen = [&](OptionValue value) {
    return chosen_face(face_choice(checked({{"face", std::move(value)}}, fields), 800, 1000), faces);
  };
  EXPECT_EQ(chosen_face(face_choice({}, 800, 1000), faces), kFront);
  EXPECT_EQ(chosen(int64_t{0}), kFront);
  EXPECT_EQ(chosen(int64_t{1}), kBehind);
  EXPECT_EQ(chosen(std::vector<double>{1}), kBehind);
  EXPECT_EQ(chosen(std::vector<double>{1, 2, 3, 4}), (FaceBox{1, 2, 3, 4}));
  EXPECT_EQ(chosen_face(face_choice({}, 800, 1000), {}), std::nullopt);
  for (const OptionValue& wrong :
       {OptionValue(int64_t{2}), OptionValue(int64_t{-1}), OptionValue(0.5), OptionValue(std::vector<double>{1, 2}),
        OptionValue(std::vector<double>{3, 2, 1, 4}), OptionValue(std::string("left"))})
    EXPECT_THROW(chosen(wrong), Error) << to_text(wrong);
}

TEST(Faces, a_box_may_reach_over_the_edge_of_the_image_but_not_lie_beyond_it) {
  const auto refusal = [](std::vector<double> box) -> std::string {
    try {
      face_choice(checked({{"face", std::move(box)}}, std::vector<OptionField>{face_option()}), 800, 1000);
      return "taken";
    } catch (const Error& error) {
      return error.what();
    }
  };
  EXPECT_EQ(refusal({-50, -20, 60, 90}), "taken");
  EXPECT_EQ(refusal({900, 700, 1100, 900}), "taken");
  EXPECT_EQ(refusal({0, 0, 1, 1}), "taken");
  for (const std::vector<double>& outside :
       {std::vector<double>{1000, 0, 1100, 100}, std::vector<double>{0, 800, 100, 900},
        std::vector<double>{-300, 0, 0, 100}, std::vector<double>{0, -90, 100, 0}})
    EXPECT_THAT(refusal(outside), testing::HasSubstr("not in the image, which is 1000x800"))
        << testing::PrintToString(outside);
}

TEST(Faces, an_index_that_no_face_has_is_told_with_those_that_there_are) {
  try {
    chosen_face({.box = {}, .index = 3}, {kFront, kBehind});
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::AllOf(testing::HasSubstr("2 faces"), testing::HasSubstr("800")));
  }
}

}  // namespace
}  // namespace rushes::generation
