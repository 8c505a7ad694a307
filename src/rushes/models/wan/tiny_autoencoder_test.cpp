#include "rushes/models/wan/tiny_autoencoder.h"

#include <gtest/gtest.h>

#include "rushes/base/error.h"
#include "rushes/tensor/ops.h"
#include "rushes/tensor/peak_memory.h"

namespace rushes::wan {
namespace {

TinyAutoencoderConfig small_config() {
  TinyAutoencoderConfig config;
  config.decoder_widths = {12, 10, 8, 6};
  config.encoder_width = 6;
  config.latent_channels = 5;
  return config;
}

tensor::WeightMap random_weights(const TinyAutoencoderConfig& config) {
  at::manual_seed(7);
  tensor::WeightMap weights;
  for (const auto& [key, shape] : parameter_shapes(config)) {
    int64_t fan_in = 1;
    for (std::size_t i = 1; i < shape.size(); ++i) fan_in *= shape[i];
    weights.set(key, at::randn(shape) / std::sqrt(static_cast<double>(fan_in)));
  }
  return weights;
}

/// Decodes pieces of the given latent frame counts one after the other.
at::Tensor in_pieces(StreamDecoder& decoder, const at::Tensor& latents, const std::vector<int64_t>& pieces) {
  std::vector<at::Tensor> video;
  int64_t first = 0;
  for (const int64_t count : pieces) {
    video.push_back(decoder.decode(latents.narrow(0, first, count)));
    first += count;
  }
  return at::cat(video, 0);
}

TEST(TinyAutoencoder, pieces_joined_equal_the_whole_decode) {
  const TinyAutoencoder model(small_config(), random_weights(small_config()));
  const at::Tensor latents = at::randn({7, 5, 4, 6});
  const at::Tensor whole = model.decoder()->decode(latents);
  EXPECT_EQ(whole.sizes(), (std::vector<int64_t>{25, 3, 32, 48}));
  for (const std::vector<int64_t>& pieces : {std::vector<int64_t>{1, 1, 1, 1, 1, 1, 1}, {3, 3, 1}, {2, 4, 1}}) {
    const auto decoder = model.decoder();
    EXPECT_TRUE(at::allclose(in_pieces(*decoder, latents, pieces), whole, 1e-4, 1e-5));
  }
}

TEST(TinyAutoencoder, decoding_takes_about_the_memory_that_is_told) {
  for (const auto& [widths, side] :
       {std::pair(std::vector<int64_t>{64, 48, 32, 16}, 128), std::pair(std::vector<int64_t>{64, 48, 32, 16}, 256),
        std::pair(std::vector<int64_t>{128, 64, 64, 64}, 128)}) {
    SCOPED_TRACE(testing::Message() << widths.back() << ' ' << side);
    TinyAutoencoderConfig config = small_config();
    config.decoder_widths = widths;
    const TinyAutoencoder model(config, random_weights(config));
    const int64_t told = model.decoding_bytes(3, side, side);
    const int64_t taken = tensor::peak_memory([&] {
      const c10::InferenceMode inference;
      const auto decoder = model.decoder();
      for (int block = 0; block < 2; ++block) decoder->decode(at::randn({3, 5, side / 8, side / 8}));
    });
    EXPECT_GT(told, taken * 4 / 5);
    EXPECT_LT(told, taken * 3);
  }
}

TEST(TinyAutoencoder, a_fork_of_a_stream_goes_on_independently) {
  const TinyAutoencoder model(small_config(), random_weights(small_config()));
  const at::Tensor latents = at::randn({5, 5, 4, 6}), other = at::randn({2, 5, 4, 6});
  const at::Tensor whole = model.decoder()->decode(latents);
  const auto decoder = model.decoder();
  decoder->decode(latents.narrow(0, 0, 3));
  const auto fork = decoder->clone();
  fork->decode(other);
  EXPECT_TRUE(at::allclose(decoder->decode(latents.narrow(0, 3, 2)), whole.narrow(0, 9, 8), 1e-4, 1e-5));
}

TEST(TinyAutoencoder, frames_fed_to_the_encoder_one_by_one_give_the_latents_of_all_at_once) {
  const TinyAutoencoderConfig config = small_config();
  const TinyEncoder encoder(config, random_weights(config).under("encoder."));
  const at::Tensor video = at::rand({1, 12, 3, 16, 24});
  TinyState all, single;
  const at::Tensor whole = encoder.forward(video, all);
  std::vector<at::Tensor> latents;
  for (int64_t t = 0; t < 12; ++t) latents.push_back(encoder.forward(video.narrow(1, t, 1), single));
  EXPECT_EQ(latents[0].size(1), 0);
  EXPECT_TRUE(at::allclose(at::cat(latents, 1), whole, 1e-4, 1e-5));
}

TEST(TinyAutoencoder, a_grow_weight_with_too_many_channels_gives_its_last_ones) {
  TinyAutoencoderConfig config = small_config();
  const tensor::WeightMap weights = random_weights(config);
  tensor::WeightMap wider = weights;
  const at::Tensor grow = weights.at("decoder.7.conv.weight");
  wider.set("decoder.7.conv.weight", at::cat({at::randn_like(grow), grow}, 0));
  const at::Tensor latents = at::randn({2, 5, 4, 6});
  EXPECT_TRUE(at::equal(TinyAutoencoder(config, weights).decoder()->decode(latents),
                        TinyAutoencoder(config, wider).decoder()->decode(latents)));
}

TEST(TinyAutoencoder, gradients_reach_every_weight_and_training_equals_inference) {
  const TinyAutoencoderConfig config = small_config();
  tensor::WeightMap weights = random_weights(config), trained;
  for (const auto& [key, value] : weights.tensors()) trained.set(key, value.clone().set_requires_grad(true));
  trained.set_trainable(true);
  const TinyEncoder encoder(config, trained.under("encoder."));
  const TinyDecoder decoder(config, trained.under("decoder."));
  const at::Tensor video = at::rand({2, 5, 3, 16, 24});
  TinyState state;
  const at::Tensor latents = encoder.encode(video);
  const at::Tensor rgb = decoder.forward_trimmed(latents, state);
  EXPECT_EQ(rgb.sizes(), video.sizes());
  rgb.square().sum().backward();
  for (const auto& [key, value] : trained.tensors())
    EXPECT_TRUE(value.grad().defined() && value.grad().abs().sum().item<double>() > 0) << key;
  const c10::InferenceMode inference;
  TinyState fresh;
  EXPECT_TRUE(at::allclose(TinyDecoder(config, weights.under("decoder.")).forward_trimmed(latents.detach(), fresh),
                           rgb.detach(), 1e-4, 1e-5));
}

TEST(TinyAutoencoder, a_wrong_shape_is_refused_and_the_stream_stays_as_it_was) {
  const TinyAutoencoder model(small_config(), random_weights(small_config()));
  const auto decoder = model.decoder();
  EXPECT_THROW(decoder->decode(at::randn({1, 4, 4, 6})), Error);
  EXPECT_EQ(decoder->decode(at::randn({1, 5, 4, 6})).size(0), 1);
  EXPECT_THROW(model.encode(at::rand({1, 3, 4, 16, 16})), Error);
}

}  // namespace
}  // namespace rushes::wan
