#include "rushes/models/ltx/vae.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "rushes/base/error.h"
#include "rushes/models/ltx/random_weights.h"
#include "rushes/nn/measure.h"
#include "rushes/nn/stock_operators.h"
#include "rushes/tensor/ops.h"

namespace rushes::ltx {
namespace {

VaeConfig config_090() {
  VaeConfig config;
  config.latent_channels = 6;
  config.block_out_channels = config.decoder_block_out_channels = {5, 7, 9, 9};
  config.layers_per_block = config.decoder_layers_per_block = {1, 2, 1, 1, 1};
  return config;
}

VaeConfig config_095() {
  VaeConfig config;
  config.latent_channels = 6;
  config.block_out_channels = {4, 8, 8, 16, 16};
  config.layers_per_block = {1, 1, 1, 1, 1};
  config.spatio_temporal_scaling = {true, true, true, true};
  config.downsample_type = {Downsample::spatial, Downsample::temporal, Downsample::spatiotemporal,
                            Downsample::spatiotemporal};
  config.decoder_block_out_channels = {8, 16, 32};
  config.decoder_layers_per_block = {1, 2, 1, 1};
  config.decoder_spatio_temporal_scaling = {true, true, true};
  config.decoder_inject_noise = {true, false, true, true};
  config.upsample_residual = {true, true, true};
  config.upsample_factor = {2, 2, 2};
  config.timestep_conditioning = true;
  config.spatial_compression_ratio = 32;
  config.temporal_compression_ratio = 8;
  return config;
}

/// Noise maps that are the same for every decode.
SpatialNoise maps(std::vector<std::array<int64_t, 2>>* asked = nullptr) {
  return [asked, next = 0](int64_t height, int64_t width) mutable {
    if (asked != nullptr) asked->push_back({height, width});
    return at::sin(at::arange(height * width, at::kFloat) + ++next).view({height, width});
  };
}

struct Seeded : testing::Test {
  Seeded() { at::manual_seed(5); }
};
using VaeTest = Seeded;

/// Biases, tables and strengths of noise that are not zero.
tensor::WeightMap stirred(const VaeConfig& config) {
  tensor::WeightMap weights = random_vae_weights(config);
  for (const auto& [key, tensor] : weights.tensors())
    if (tensor.dim() > 0 && key != "latents_std") tensor.add_(at::randn_like(tensor), 0.05);
  return weights;
}

TEST_F(VaeTest, own_kernels_compute_what_the_operators_say) {
  const c10::InferenceMode inference;
  for (const VaeConfig& config : {config_090(), config_095()}) {
    const tensor::WeightMap weights = stirred(config);
    const at::Tensor video = at::rand({2, 3, 9, 64, 32}) * 2 - 1, latents = at::randn({2, 6, 3, 2, 1});
    for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
      const Vae own(config, weights.to(dtype));
      const nn::StockOperators guard;
      const Vae stock(config, weights.to(dtype));
      const double bound = dtype == at::kFloat ? 1e-5 : 5e-2;
      const auto apart = [](const at::Tensor& a, const at::Tensor& b) {
        return nn::relative_error(a.to(at::kFloat), b.to(at::kFloat));
      };
      EXPECT_LT(apart(own.encode(video).mean, stock.encode(video).mean), bound);
      EXPECT_LT(apart(own.decode(latents, {0.05, maps()}), stock.decode(latents, {0.05, maps()})), bound);
    }
  }
}

TEST_F(VaeTest, sizes_are_those_of_the_strides) {
  const c10::InferenceMode inference;
  for (const VaeConfig& config : {config_090(), config_095()}) {
    const Vae vae(config, stirred(config));
    for (const int64_t frames : {1, 9, 17}) {
      const Posterior posterior = vae.encode(at::zeros({1, 3, frames, 64, 96}));
      EXPECT_EQ(posterior.mean.sizes(), at::IntArrayRef({1, 6, (frames - 1) / 8 + 1, 2, 3}));
      EXPECT_EQ(vae.decode(posterior.mean).sizes(), at::IntArrayRef({1, 3, frames, 64, 96}));
    }
  }
}

TEST_F(VaeTest, the_encoder_does_not_look_ahead) {
  const c10::InferenceMode inference;
  for (const VaeConfig& config : {config_090(), config_095()}) {
    const Vae vae(config, stirred(config));
    const at::Tensor video = at::rand({1, 3, 17, 32, 32}) * 2 - 1;
    const at::Tensor whole = vae.encode(video).mean, part = vae.encode(video.narrow(2, 0, 9)).mean;
    EXPECT_LT(nn::relative_error(whole.narrow(2, 0, 2), part), 1e-5);
  }
}

TEST_F(VaeTest, only_a_causal_decoder_decodes_a_beginning_as_it_stays) {
  const c10::InferenceMode inference;
  VaeConfig config = config_090();
  const tensor::WeightMap weights = stirred(config);
  const at::Tensor latents = at::randn({1, 6, 4, 1, 1});
  for (const bool is_causal : {true, false}) {
    config.decoder_causal = is_causal;
    const Vae vae(config, weights);
    const double apart = nn::relative_error(vae.decode(latents).narrow(2, 0, 9), vae.decode(latents.narrow(2, 0, 2)));
    EXPECT_EQ(apart < 1e-5, is_causal) << apart;
  }
}

TEST_F(VaeTest, noise_is_drawn_resnet_by_resnet_at_their_sizes) {
  const c10::InferenceMode inference;
  const Vae vae(config_095(), stirred(config_095()));
  std::vector<std::array<int64_t, 2>> asked;
  const at::Tensor latents = at::randn({1, 6, 2, 1, 2});
  const at::Tensor noisy = vae.decode(latents, {0.05, maps(&asked)}), plain = vae.decode(latents, {0.05, nullptr});
  // The list is of the encoder's order: the middle (last entry), the first and the last of three blocks have noise.
  const std::vector<std::array<int64_t, 2>> wanted{{1, 2}, {1, 2}, {2, 4}, {2, 4}, {8, 16}, {8, 16}};
  EXPECT_EQ(asked, wanted);
  EXPECT_GT(nn::relative_error(noisy, plain), 1e-3);
  EXPECT_GT(nn::relative_error(vae.decode(latents, {0.5, nullptr}), plain), 1e-4);  // it is told the time
}

TEST_F(VaeTest, one_tile_that_holds_everything_is_the_whole_decode) {
  const c10::InferenceMode inference;
  const Vae vae(config_090(), stirred(config_090()));
  const at::Tensor latents = at::randn({1, 6, 2, 2, 2}), video = at::rand({1, 3, 9, 64, 64});
  const Tiling large{.spatial = true, .framewise = true};
  EXPECT_TRUE(at::equal(vae.decode(latents, large), vae.decode(latents)));
  EXPECT_TRUE(at::equal(vae.encode(video, large).mean, vae.encode(video).mean));
}

TEST_F(VaeTest, tiled_results_have_the_sizes_of_whole_ones) {
  const c10::InferenceMode inference;
  const Vae vae(config_090(), stirred(config_090()));
  const Tiling small{.spatial = true,
                     .tile_sample_min_height = 64,
                     .tile_sample_min_width = 96,
                     .tile_sample_stride_height = 32,
                     .tile_sample_stride_width = 64,
                     .framewise = true};
  for (const int64_t latent_frames : {1, 3}) {
    const at::Tensor video = vae.decode(at::randn({1, 6, latent_frames, 3, 4}), small);
    EXPECT_EQ(video.sizes(), at::IntArrayRef({1, 3, 8 * (latent_frames - 1) + 1, 96, 128}));
    EXPECT_EQ(vae.encode(video, small).mean.sizes(), at::IntArrayRef({1, 6, latent_frames, 3, 4}));
  }
}

TEST_F(VaeTest, tiles_come_one_by_one_and_make_the_tiled_decode) {
  const c10::InferenceMode inference;
  const Vae vae(config_090(), stirred(config_090()));
  const at::Tensor latents = at::randn({1, 6, 5, 1, 1});
  const Tiling tiling{.framewise = true};
  TemporalTiles tiles(vae, latents, tiling);
  std::vector<at::Tensor> all;
  std::vector<int64_t> lengths;
  while (!tiles.is_finished()) {
    all.push_back(tiles.next());
    lengths.push_back(all.back().size(2));
  }
  EXPECT_EQ(lengths, (std::vector<int64_t>{9, 8, 8, 8}));
  EXPECT_FALSE(tiles.next().defined());
  EXPECT_TRUE(at::equal(at::cat(all, 2), vae.decode(latents, tiling)));
}

/// Tiles in time as the published code makes them: all decoded first, then each faded with the one before.
at::Tensor tiled_by_the_book(const Vae& vae, const at::Tensor& z, int64_t size, int64_t stride) {
  const int64_t latents = z.size(2), blend = size - stride;
  std::vector<at::Tensor> row, result;
  for (int64_t i = 0; i < latents; i += stride / 8) {
    const at::Tensor decoded = vae.decode(z.slice(2, i, i + size / 8 + 1));
    row.push_back((i > 0 ? decoded.slice(2, 0, decoded.size(2) - 1) : decoded).clone());
  }
  for (std::size_t i = 0; i < row.size(); ++i) {
    at::Tensor& tile = row[i];
    const int64_t extent = i > 0 ? std::min({row[i - 1].size(2), tile.size(2), blend}) : 0;
    for (int64_t x = 0; x < extent; ++x) {
      const double share = static_cast<double>(x) / static_cast<double>(extent);
      const at::Tensor before = row[i - 1].select(2, row[i - 1].size(2) - extent + x);
      tile.select(2, x).copy_(before * (1 - share) + tile.select(2, x) * share);
    }
    result.push_back(tile.slice(2, 0, i > 0 ? stride : stride + 1));
  }
  return at::cat(result, 2).slice(2, 0, (latents - 1) * 8 + 1);
}

TEST_F(VaeTest, tiles_in_time_are_those_of_the_published_loop) {
  const c10::InferenceMode inference;
  const Vae vae(config_090(), stirred(config_090()));
  for (const auto& [size, stride] : {std::pair(16, 8), std::pair(24, 16), std::pair(16, 16), std::pair(32, 8)})
    for (const int64_t latents : {5, 6}) {
      SCOPED_TRACE(fmt::format("{} frames at {}, {} latents", size, stride, latents));
      const at::Tensor z = at::randn({1, 6, latents, 1, 1});
      const Tiling tiling{
          .framewise = true, .tile_sample_min_num_frames = size, .tile_sample_stride_num_frames = stride};
      const at::Tensor wanted = tiled_by_the_book(vae, z, size, stride), found = vae.decode(z, tiling);
      ASSERT_EQ(found.sizes(), wanted.sizes());
      EXPECT_TRUE(at::allclose(found, wanted, 1e-4, 1e-5));
    }
}

TEST_F(VaeTest, a_cross_fade_begins_with_the_old_and_goes_to_the_new) {
  const at::Tensor old = at::zeros({1, 1, 6}), fresh = at::ones({1, 1, 5});
  EXPECT_TRUE(at::allclose(cross_fade(old, fresh, 2, 4), at::tensor({0.0f, 0.25f, 0.5f, 0.75f, 1.0f}).view({1, 1, 5})));
  EXPECT_TRUE(at::equal(cross_fade(old, fresh, 2, 0), fresh));
  EXPECT_TRUE(at::allclose(cross_fade(old, fresh.narrow(2, 0, 2), 2, 4), at::tensor({0.0f, 0.5f}).view({1, 1, 2})));
}

TEST_F(VaeTest, patches_list_columns_before_rows) {
  // A picture of 4 x 4 whose value is 10 row + column: channel x * 4 + y has row y and column x.
  const at::Tensor rows = at::arange(4, at::kFloat).view({4, 1}), columns = at::arange(4, at::kFloat).view({1, 4});
  const at::Tensor picture = (rows * 10 + columns).view({1, 1, 1, 4, 4});
  const at::Tensor channels = patchify(picture, 4, 1);
  EXPECT_EQ(channels.flatten()[1].item<float>(), 10);  // next row
  EXPECT_EQ(channels.flatten()[4].item<float>(), 1);   // next column
  const at::Tensor video = at::randn({2, 3, 4, 8, 12});
  EXPECT_TRUE(at::equal(unpatchify(patchify(video, 4, 2), 4, 2), video));
}

TEST_F(VaeTest, normalising_is_undone_by_denormalising) {
  VaeConfig config = config_090();
  config.scaling_factor = 0.5;
  const Vae vae(config, stirred(config));
  const at::Tensor z = at::randn({1, 6, 2, 1, 1});
  EXPECT_TRUE(at::allclose(vae.denormalise(vae.normalise(z)), z, 1e-5, 1e-5));
}

TEST_F(VaeTest, trained_weights_get_gradients) {
  for (const VaeConfig& config : {config_090(), config_095()}) {
    tensor::WeightMap weights = stirred(config);
    for (const auto& [key, tensor] : weights.tensors()) tensor.set_requires_grad(true);
    weights.set_trainable(true);
    const Vae vae(config, weights);
    const Posterior posterior = vae.encode(at::rand({1, 3, 9, 32, 32}));
    const at::Tensor z = posterior.sample(at::randn_like(posterior.mean));
    (vae.decode(z, {0.05, maps()}).square().sum() + posterior.logvar.sum()).backward();
    for (const auto& [key, tensor] : weights.tensors()) {
      if (key.starts_with("latents_") || key.ends_with("timestep_scale_multiplier")) continue;
      ASSERT_TRUE(tensor.grad().defined()) << key;
      EXPECT_GT(tensor.grad().abs().max().item<double>(), 0) << key;
    }
  }
}

TEST_F(VaeTest, refuses_what_it_cannot_encode_or_decode) {
  const VaeConfig config = config_090();
  const tensor::WeightMap weights = stirred(config);
  const Vae vae(config, weights);
  const auto code_of = [](const auto& call) {
    try {
      call();
    } catch (const Error& error) {
      return error.code();
    }
    return ErrorCode::internal;
  };
  EXPECT_EQ(code_of([&] { vae.encode(at::zeros({1, 3, 8, 32, 32})); }), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of([&] { vae.encode(at::zeros({1, 3, 9, 32, 48})); }), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of([&] { vae.decode(at::zeros({1, 5, 1, 1, 1})); }), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of([&] {
              vae.decode(at::zeros({1, 6, 4, 1, 1}), {.framewise = true, .tile_sample_min_num_frames = 12});
            }),
            ErrorCode::invalid_argument);
  tensor::WeightMap half;
  for (const auto& [key, tensor] : weights.tensors())
    if (!key.starts_with("encoder.")) half.set(key, tensor);
  EXPECT_EQ(code_of([&] { Vae(config, half).encode(at::zeros({1, 3, 1, 32, 32})); }), ErrorCode::unsupported);
  EXPECT_EQ(code_of([&] { Vae(config, tensor::WeightMap()); }), ErrorCode::corrupt_data);
}

}  // namespace
}  // namespace rushes::ltx
