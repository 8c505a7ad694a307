#include "rushes/generation/first_image.h"

#include <gtest/gtest.h>

#include "rushes/base/error.h"
#include "rushes/models/ltx/pixels.h"
#include "rushes/models/wan/pixels.h"
#include "rushes/tensor/ops.h"

namespace rushes::generation {
namespace {

/// A white disc that fills the shorter side, in the middle of black.
at::Tensor disc(int64_t height, int64_t width) {
  const at::TensorOptions number(at::kFloat);
  const at::Tensor y = (at::arange(height, number) - static_cast<double>(height - 1) / 2).unsqueeze(1),
                   x = (at::arange(width, number) - static_cast<double>(width - 1) / 2).unsqueeze(0);
  const double radius = 0.4 * static_cast<double>(std::min(height, width));
  return ((x * x + y * y).lt(radius * radius).to(at::kByte) * 255).unsqueeze(2).expand({height, width, 3}).contiguous();
}

/// Width to height of what is white.
double proportions(const at::Tensor& frame) {
  const at::Tensor white = frame[0][0][0].gt(0);
  return static_cast<double>(white.any(0).sum().item<int64_t>()) /
         static_cast<double>(white.any(1).sum().item<int64_t>());
}

class FirstImageOf : public testing::TestWithParam<ResizeImage> {};

at::Tensor wan_resize(const at::Tensor& image, int64_t height, int64_t width) {
  return wan::image_to_frame(image, height, width);
}
INSTANTIATE_TEST_SUITE_P(Families, FirstImageOf, testing::Values(wan_resize, ltx::first_frame));

TEST_P(FirstImageOf, what_is_round_stays_round_unless_it_is_stretched) {
  const ResizeImage resize = GetParam();
  const std::pair<int64_t, int64_t> sizes[] = {{96, 96}, {480, 832}, {96, 192}, {200, 64}};
  for (const auto& [image_height, image_width] : sizes)
    for (const auto& [height, width] : sizes) {
      SCOPED_TRACE(testing::Message() << image_width << "x" << image_height << " in " << width << "x" << height);
      const at::Tensor image = disc(image_height, image_width);
      for (const Fit fit : {Fit::crop, Fit::pad}) {
        const at::Tensor frame = first_frame(image, height, width, fit, resize);
        ASSERT_EQ(frame.sizes(), (std::vector<int64_t>{1, 3, 1, height, width}));
        const ShownPart part = shown_part(image_height, image_width, height, width, fit);
        const double scale = std::min(static_cast<double>(height) / static_cast<double>(image_height),
                                      static_cast<double>(width) / static_cast<double>(image_width));
        // Where a crop cuts into the disc, or padding makes it tiny, its box says nothing.
        const double diameter = 0.8 * static_cast<double>(std::min(image_height, image_width));
        const bool whole =
            static_cast<double>(std::min(part.x2 - part.x1, part.y2 - part.y1)) > diameter && scale * diameter > 15;
        if (whole) {
          EXPECT_NEAR(proportions(frame), 1, 0.15) << name(fit);
        }
      }
      const double wanted = static_cast<double>(width) / static_cast<double>(height) *
                            static_cast<double>(image_height) / static_cast<double>(image_width);
      EXPECT_NEAR(proportions(first_frame(image, height, width, Fit::stretch, resize)) / wanted, 1, 0.15);
    }
}

TEST(FirstImage, crop_shows_the_middle_and_pad_all_of_it_between_black_bars) {
  const ShownPart part = shown_part(96, 192, 96, 96, Fit::crop);
  EXPECT_EQ(part.x1, 48);
  EXPECT_EQ(part.x2, 144);
  EXPECT_EQ(part.y2 - part.y1, 96);
  const at::Tensor padded = first_frame(at::full({96, 192, 3}, 255, at::TensorOptions(at::kByte)), 96, 96, Fit::pad,
                                        ltx::first_frame)[0][0][0];
  EXPECT_EQ(padded[0][48].item<float>(), -1);
  EXPECT_EQ(padded[95][48].item<float>(), -1);
  EXPECT_GT(padded[48][0].item<float>(), 0.99f);
  EXPECT_GT(padded[48][95].item<float>(), 0.99f);
}

TEST(FirstImage, lines_of_one_pixel_are_taken) {
  for (const Fit fit : {Fit::crop, Fit::pad, Fit::stretch})
    for (const auto& [height, width] : {std::pair<int64_t, int64_t>{1, 5000}, {5000, 1}, {1, 1}})
      EXPECT_EQ(first_frame(disc(height, width), 64, 96, fit, ltx::first_frame).size(4), 96);
  EXPECT_THROW(fit_named("egg"), Error);
}

}  // namespace
}  // namespace rushes::generation
