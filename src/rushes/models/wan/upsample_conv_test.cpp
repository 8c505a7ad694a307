#include "rushes/models/wan/upsample_conv.h"

#include <gtest/gtest.h>

#include "rushes/tensor/kernels/cpu/channel_norm.h"
#include "rushes/tensor/ops.h"

namespace rushes::wan {
namespace {

TEST(UpsampleConv, equals_doubling_and_then_convolving) {
  at::manual_seed(1);
  for (const int64_t channels : {3, 8, 20}) {
    SCOPED_TRACE(channels);
    const at::Tensor x = at::randn({2, channels, 5, 7}).contiguous(at::MemoryFormat::ChannelsLast);
    const at::Tensor weight = at::randn({6, channels, 3, 3}), bias = at::randn({6});
    const at::Tensor wanted = at::conv2d(at::upsample_nearest2d(x, {10, 14}), weight, bias, 1, 1);
    EXPECT_TRUE(at::allclose(UpsampleConv(weight, bias).forward(x), wanted, 1e-4, 1e-4));
  }
}

TEST(UpsampleConv, frames_that_a_picture_grows_into_follow_each_other_in_time) {
  at::manual_seed(2);
  const int64_t times = 3, batch = 2, frames = 2, out = 5;
  const at::Tensor x = at::randn({times * batch, 4, 3, 6}).contiguous(at::MemoryFormat::ChannelsLast);
  const at::Tensor weight = at::randn({frames * out, 4, 3, 3});
  const at::Tensor both = at::conv2d(at::upsample_nearest2d(x, {6, 12}), weight, {}, 1, 1);
  const at::Tensor wanted =
      both.view({times, batch, frames, out, 6, 12}).transpose(1, 2).reshape({times * frames * batch, out, 6, 12});
  EXPECT_TRUE(at::allclose(UpsampleConv(weight, {}, frames).forward(x, batch), wanted, 1e-4, 1e-4));
}

TEST(ChannelNorm, kernel_equals_the_formula_at_any_width) {
  using tensor::kernels::AfterNorm;
  at::manual_seed(3);
  for (const int64_t channels : {1, 7, 8, 24, 96, 100}) {
    SCOPED_TRACE(channels);
    const at::Tensor x = at::randn({50, channels}) * 3, gamma = at::randn({channels});
    x[4].zero_();  // a row without length must stay zero
    x[5].fill_(200);
    const at::Tensor norm = x / at::linalg_vector_norm(x, 2, at::IntArrayRef{1}, true).clamp_min(1e-12) *
                            std::sqrt(static_cast<double>(channels)) * gamma;
    at::Tensor out = at::empty_like(x);
    tensor::kernels::channel_norm(50, channels, x.const_data_ptr<float>(), gamma.const_data_ptr<float>(),
                                  AfterNorm::nothing, out.mutable_data_ptr<float>());
    EXPECT_TRUE(at::allclose(out, norm, 1e-5, 1e-6));
    tensor::kernels::channel_norm(50, channels, x.const_data_ptr<float>(), gamma.const_data_ptr<float>(),
                                  AfterNorm::silu, out.mutable_data_ptr<float>());
    EXPECT_TRUE(at::allclose(out, at::silu(norm), 1e-5, 1e-6));
    const at::Tensor half = x.to(at::kBFloat16);
    at::Tensor half_out = at::empty_like(half);
    tensor::kernels::channel_norm(50, channels, static_cast<const tensor::kernels::Bf16*>(half.const_data_ptr()),
                                  gamma.const_data_ptr<float>(), AfterNorm::silu,
                                  static_cast<tensor::kernels::Bf16*>(half_out.mutable_data_ptr()));
    EXPECT_TRUE(at::allclose(half_out.to(at::kFloat), at::silu(norm), 2e-2, 2e-2));
  }
}

}  // namespace
}  // namespace rushes::wan
