#include "rushes/models/omniavatar/tiled_vae.h"

#include <gtest/gtest.h>

#include "rushes/base/error.h"
#include "rushes/tensor/ops.h"

namespace rushes::omniavatar {
namespace {

const wan::VaeConfig kSmall{.dim = 4, .num_res_blocks = 1};

tensor::WeightMap random_weights() {
  tensor::WeightMap weights;
  for (const auto& [key, shape] : wan::parameter_shapes(kSmall))
    weights.set(key, at::randn(shape, at::TensorOptions(at::kFloat)) * 0.2);
  return weights;
}

TEST(TileOrigins, tiles_cover_an_axis_and_none_is_superfluous) {
  EXPECT_EQ(tile_origins(50, 30, 15), (std::vector<int64_t>{0, 15, 30}));  // rows of 400 pixels, decoded
  EXPECT_EQ(tile_origins(90, 52, 26), (std::vector<int64_t>{0, 26, 52}));  // columns of 720
  EXPECT_EQ(tile_origins(50, 34, 18), (std::vector<int64_t>{0, 18}));      // the same, encoded
  EXPECT_EQ(tile_origins(90, 34, 16), (std::vector<int64_t>{0, 16, 32, 48, 64}));
  EXPECT_EQ(tile_origins(30, 30, 15), (std::vector<int64_t>{0}));
  EXPECT_EQ(tile_origins(31, 30, 15), (std::vector<int64_t>{0, 15}));
}

TEST(BlendRamp, rises_and_falls_where_it_does_not_touch_the_border) {
  const auto ramp = [](bool begin, bool end) { return blend_ramp(5, 3, begin, end) * 3; };
  EXPECT_TRUE(at::equal(ramp(true, true), at::tensor({3.f, 3.f, 3.f, 3.f, 3.f})));
  EXPECT_TRUE(at::equal(ramp(false, true), at::tensor({1.f, 2.f, 3.f, 3.f, 3.f})));
  EXPECT_TRUE(at::equal(ramp(false, false), at::tensor({1.f, 2.f, 3.f, 2.f, 1.f})));
}

TEST(BlendRamp, the_falling_end_is_kept_where_both_meet) {
  EXPECT_TRUE(at::equal(blend_ramp(5, 4, false, false) * 4, at::tensor({1.f, 4.f, 3.f, 2.f, 1.f})));
}

TEST(TiledVae, one_tile_is_the_whole) {
  const tensor::WeightMap weights = random_weights();
  const wan::VaeDecoder decoder(kSmall, weights);
  const wan::VaeEncoder encoder(kSmall, weights);
  const at::Tensor latents = at::randn({1, 16, 2, 3, 4}, at::kFloat), video = at::rand({1, 3, 5, 24, 32}, at::kFloat);
  wan::VaeState decoded, encoded;
  EXPECT_TRUE(at::allclose(decode_tiled(decoder, latents), decoder.forward(latents, decoded).clamp(-1, 1), 1e-5, 1e-6));
  EXPECT_TRUE(at::allclose(encode_tiled(encoder, video), encoder.forward(video, encoded), 1e-5, 1e-6));
}

TEST(TiledVae, tiles_do_not_see_each_other) {
  const wan::VaeDecoder decoder(kSmall, random_weights());
  const Tiling tiling{{2, 2}, {2, 2}};  // no overlap: every tile alone
  at::Tensor latents = at::randn({1, 16, 2, 4, 4}, at::kFloat);
  const at::Tensor before = decode_tiled(decoder, latents, tiling);
  latents.narrow(3, 0, 2).narrow(4, 0, 2).add_(1);
  const at::Tensor after = decode_tiled(decoder, latents, tiling);
  EXPECT_FALSE(at::equal(after.narrow(3, 0, 16).narrow(4, 0, 16), before.narrow(3, 0, 16).narrow(4, 0, 16)));
  EXPECT_TRUE(at::equal(after.narrow(3, 16, 16), before.narrow(3, 16, 16)));
}

TEST(TiledVae, shapes_and_tilings_that_do_not_fit_are_refused) {
  const tensor::WeightMap weights = random_weights();
  const wan::VaeDecoder decoder(kSmall, weights);
  const wan::VaeEncoder encoder(kSmall, weights);
  const at::Tensor latents = at::zeros({1, 16, 1, 2, 2});
  EXPECT_THROW(decode_tiled(decoder, latents, {{2, 2}, {0, 2}}), Error);
  EXPECT_THROW(decode_tiled(decoder, latents, {{2, 2}, {2, 3}}), Error);
  EXPECT_THROW(decode_tiled(decoder, latents.narrow(1, 0, 3)), Error);
  EXPECT_THROW(encode_tiled(encoder, at::zeros({1, 3, 5, 24, 30})), Error);
  EXPECT_THROW(encode_tiled(encoder, at::zeros({1, 3, 4, 24, 32})), Error);
}

}  // namespace
}  // namespace rushes::omniavatar
