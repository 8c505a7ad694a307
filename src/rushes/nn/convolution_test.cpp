#include "rushes/nn/convolution.h"

#include <ATen/ops/upsample_nearest3d.h>
#include <gtest/gtest.h>

#include <cmath>

#include "rushes/nn/measure.h"
#include "rushes/tensor/ops.h"

namespace rushes::nn {
namespace {

struct Case {
  const char* name;
  std::vector<int64_t> x, weight;
  int64_t repeats;
  double error;  // of results about 1
};

// Sides that no tile divides, channels that no vector divides, more rows of tiles than are held at once.
const Case kCases[] = {
    {"pictures", {2, 40, 61, 50}, {22, 40, 3, 3}, 1, 2e-5},
    {"many channels", {1, 260, 45, 46}, {70, 260, 3, 3}, 1, 2e-5},
    {"volumes", {1, 35, 5, 26, 29}, {34, 35, 3, 3, 3}, 1, 2e-5},
    {"volumes, a kernel of one slice", {1, 35, 5, 26, 29}, {34, 35, 1, 3, 3}, 1, 2e-5},
    {"wide kernels", {1, 33, 50, 53}, {24, 33, 7, 7}, 1, 1e-4},
    {"wide kernels in volumes", {1, 33, 5, 21, 18}, {17, 33, 7, 7, 7}, 1, 1e-4},
    {"too few channels to pay", {1, 5, 40, 40}, {3, 5, 3, 3}, 1, 1e-5},
    {"doubled", {2, 40, 31, 26}, {70, 40, 3, 3}, 2, 1e-5},
    {"doubled volumes", {1, 64, 4, 11, 13}, {20, 64, 3, 3, 3}, 2, 1e-5},
    {"repeated four times", {1, 100, 21, 26}, {70, 100, 3, 3}, 4, 1e-5},
    {"repeated three times", {1, 40, 31, 26}, {70, 40, 3, 3}, 3, 2e-5},
};

at::Tensor scaled_weight(const std::vector<int64_t>& shape) {
  const at::Tensor weight = repeatable_randn(shape);
  return weight / std::sqrt(static_cast<double>(weight.numel() / shape[0]));
}

/// In float64.
at::Tensor exact(const at::Tensor& x, int64_t repeats, const at::Tensor& weight, const at::Tensor& bias) {
  const at::Tensor wide = x.to(at::kDouble);
  const int64_t padding = weight.size(-1) / 2;
  if (x.dim() == 4)
    return at::conv2d(at::upsample_nearest2d(wide, {x.size(2) * repeats, x.size(3) * repeats}), weight.to(at::kDouble),
                      bias.to(at::kDouble), 1, padding);
  return at::conv3d(at::upsample_nearest3d(wide, at::IntArrayRef{x.size(2), x.size(3) * repeats, x.size(4) * repeats}),
                    weight.to(at::kDouble), bias.to(at::kDouble), 1,
                    at::IntArrayRef{weight.size(2) / 2, padding, padding});
}

TEST(Convolution, is_that_of_float64_to_rounding_in_every_way_that_it_is_computed) {
  const c10::InferenceMode inference;
  for (const Case& each : kCases) {
    SCOPED_TRACE(each.name);
    const at::Tensor x = repeatable_randn(each.x), weight = scaled_weight(each.weight),
                     bias = repeatable_randn({each.weight[0]}), wanted = exact(x, each.repeats, weight, bias);
    const at::Tensor found = repeated_conv(x, each.repeats, weight, bias);
    ASSERT_EQ(found.sizes(), wanted.sizes());
    EXPECT_LT((found - wanted).abs().max().item<double>(), each.error);
    const at::Tensor plain = repeated_conv(x, each.repeats, weight);
    EXPECT_LT((plain - exact(x, each.repeats, weight, at::zeros_like(bias))).abs().max().item<double>(), each.error);
  }
}

TEST(Convolution, in_bfloat16_is_off_by_the_rounding_of_its_result) {
  const c10::InferenceMode inference;
  for (const Case& each : kCases) {
    SCOPED_TRACE(each.name);
    const at::Tensor x = repeatable_randn(each.x).to(at::kBFloat16),
                     weight = scaled_weight(each.weight).to(at::kBFloat16),
                     bias = repeatable_randn({each.weight[0]}).to(at::kBFloat16),
                     wanted = exact(x, each.repeats, weight, bias);
    const at::Tensor found = repeated_conv(x, each.repeats, weight, bias);
    ASSERT_EQ(found.scalar_type(), at::kBFloat16);
    EXPECT_LT(((found - wanted).abs() - 0.004 * wanted.abs()).max().item<double>(), 1e-3);
  }
}

TEST(Convolution, of_frames_repeats_the_ends_of_time) {
  const c10::InferenceMode inference;
  struct Clip {
    const char* name;
    std::vector<int64_t> x, weight;
  };
  const Clip clips[] = {{"several chunks", {2, 40, 3, 61, 50}, {70, 40, 3, 3, 3}},
                        {"one frame", {1, 35, 1, 46, 49}, {34, 35, 3, 3, 3}},
                        {"longer kernel", {1, 33, 4, 26, 29}, {17, 33, 5, 3, 3}},
                        {"one slice", {1, 35, 5, 26, 29}, {34, 35, 1, 3, 3}},
                        {"too few channels to pay", {2, 5, 3, 7, 9}, {3, 5, 3, 3, 3}},
                        {"of one pixel", {1, 40, 6, 5, 6}, {20, 40, 1, 1, 1}}};
  for (const Clip& clip : clips)
    for (const TimeView view : {TimeView::both_sides, TimeView::past}) {
      SCOPED_TRACE(clip.name);
      const at::Tensor x = repeatable_randn(clip.x), weight = scaled_weight(clip.weight),
                       bias = repeatable_randn({clip.weight[0]});
      const int64_t more = clip.weight[2] - 1, before = view == TimeView::past ? more : more / 2, T = clip.x[2];
      at::Tensor longer = x.to(at::kDouble);
      const at::Tensor first = longer.narrow(2, 0, 1), last = longer.narrow(2, T - 1, 1);
      for (int64_t i = 0; i < before; ++i) longer = at::cat({first, longer}, 2);
      for (int64_t i = before; i < more; ++i) longer = at::cat({longer, last}, 2);
      const int64_t side = clip.weight[3] / 2;
      const at::Tensor wanted =
          at::conv3d(longer, weight.to(at::kDouble), bias.to(at::kDouble), 1, at::IntArrayRef{0, side, side});
      const at::Tensor found = frames_conv(x, weight, bias, view);
      ASSERT_EQ(found.sizes(), wanted.sizes());
      EXPECT_LT((found - wanted).abs().max().item<double>(), 2e-5);
      const at::Tensor half = frames_conv(x.to(at::kBFloat16), weight.to(at::kBFloat16), bias.to(at::kBFloat16), view);
      EXPECT_LT(relative_error(half.to(at::kFloat), wanted.to(at::kFloat)), 1e-2);
    }
}

TEST(Convolution, of_a_picture_does_not_depend_on_those_beside_it) {
  const c10::InferenceMode inference;
  const at::Tensor x = repeatable_randn({3, 40, 61, 50}), weight = scaled_weight({22, 40, 3, 3}),
                   together = same_conv(x, weight);
  for (int64_t b = 0; b < 3; ++b)
    EXPECT_TRUE(at::equal(same_conv(x.narrow(0, b, 1), weight), together.narrow(0, b, 1)));
}

TEST(Convolution, takes_inputs_in_any_order_of_memory) {
  const c10::InferenceMode inference;
  const at::Tensor x = repeatable_randn({1, 40, 61, 50}), weight = scaled_weight({22, 40, 3, 3});
  EXPECT_TRUE(at::equal(same_conv(x, weight), same_conv(x.contiguous(at::MemoryFormat::ChannelsLast), weight)));
}

TEST(Convolution, of_many_channels_has_gradients) {
  const at::Tensor x = repeatable_randn({1, 40, 48, 48}), weight = scaled_weight({22, 40, 3, 3}).requires_grad_(true);
  repeated_conv(x, 2, weight).sum().backward();
  EXPECT_GT(weight.grad().abs().sum().item<double>(), 0);
}

}  // namespace
}  // namespace rushes::nn
