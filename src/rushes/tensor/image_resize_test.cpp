#include "rushes/tensor/image_resize.h"

#include <ATen/ops/_upsample_bicubic2d_aa.h>
#include <gtest/gtest.h>

#include "rushes/base/error.h"
#include "rushes/tensor/ops.h"

namespace rushes::tensor {
namespace {

TEST(ImageResize, with_16_bit_weights_is_what_libtorch_makes_of_8_bit_pictures) {
  const at::Tensor image = at::randint(0, 256, {41, 67, 3}, at::kByte);
  const at::Tensor planes = image.permute({2, 0, 1}).unsqueeze(0);
  for (const auto& [height, width] : {std::pair<int64_t, int64_t>{20, 30}, {64, 80}, {28, 112}, {84, 28}}) {
    const at::Tensor theirs = at::_upsample_bicubic2d_aa(planes, {height, width}, /*align_corners=*/false);
    EXPECT_TRUE(
        at::equal(resize(image, height, width, Resampling::bicubic, FixedPoint::torch), theirs[0].permute({1, 2, 0})))
        << height << "x" << width;
  }
}

TEST(ImageResize, a_plain_colour_and_the_own_size_are_kept) {
  for (const auto filter : {Resampling::bilinear, Resampling::bicubic, Resampling::lanczos}) {
    const at::Tensor plain = at::full({9, 14, 3}, 201, at::kByte);
    EXPECT_TRUE(at::equal(resize(plain, 5, 40, filter), at::full({5, 40, 3}, 201, at::kByte)));
    const at::Tensor noise = at::randint(256, {9, 14, 3}, at::kByte);
    EXPECT_TRUE(at::equal(resize(noise, 9, 14, filter), noise));
  }
}

TEST(ImageResize, halving_averages_with_the_triangle_filter) {
  const at::Tensor row = at::tensor({0, 0, 0, 0, 160, 160, 160, 160}, at::kByte).view({1, 8, 1});
  // Weights 1/8, 3/8, 3/8, 1/8 around each pair.
  EXPECT_TRUE(at::equal(resize(row, 1, 4, Resampling::bilinear).flatten(), at::tensor({0, 20, 140, 160}, at::kByte)));
}

TEST(ImageResize, a_height_that_shrinks_by_more_than_twice_the_width_is_made_lower_first) {
  struct Sizes {
    int64_t height, width;
    bool vertical_first;
  };
  const at::Tensor noise = at::randint(2, {45, 70, 3}, at::kByte) * 255;
  for (const Sizes& to : {Sizes{32, 64, true}, {33, 64, false}, {32, 60, false}, {40, 80, true}, {60, 80, false}}) {
    SCOPED_TRACE(testing::Message() << to.height << "x" << to.width);
    const at::Tensor low = resize(noise, to.height, 70, Resampling::bicubic),
                     wide = resize(noise, 45, to.width, Resampling::bicubic);
    const at::Tensor vertical = resize(low, to.height, to.width, Resampling::bicubic),
                     horizontal = resize(wide, to.height, to.width, Resampling::bicubic);
    ASSERT_FALSE(at::equal(vertical, horizontal));
    EXPECT_TRUE(
        at::equal(resize(noise, to.height, to.width, Resampling::bicubic), to.vertical_first ? vertical : horizontal));
  }
}

TEST(ImageResize, pictures_of_a_wrong_kind_are_refused) {
  EXPECT_THROW(resize(at::zeros({4, 4, 3}), 2, 2, Resampling::bilinear), Error);
  EXPECT_THROW(resize(at::zeros({4, 4, 3}, at::kByte), 0, 2, Resampling::bilinear), Error);
}

}  // namespace
}  // namespace rushes::tensor
