#include "rushes/models/wan/vae.h"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "rushes/base/error.h"
#include "rushes/models/wan/vae_reference.h"
#include "rushes/tensor/ops.h"
#include "rushes/tensor/peak_memory.h"

namespace rushes::wan {
namespace {

VaeConfig small_config() {
  VaeConfig config;
  config.dim = 8;
  config.z_dim = 4;
  config.num_res_blocks = 1;
  config.mean = {0.1, -0.2, 0.3, 0.0};
  config.std = {1.5, 2.0, 0.7, 1.0};
  return config;
}

tensor::WeightMap random_weights(const VaeConfig& config) {
  at::manual_seed(3);
  tensor::WeightMap weights;
  for (const auto& [key, shape] : parameter_shapes(config)) {
    int64_t fan_in = 1;
    for (std::size_t i = 1; i < shape.size(); ++i) fan_in *= shape[i];
    const bool gamma = key.ends_with("gamma");
    weights.set(key, gamma ? at::ones(shape) + 0.1 * at::randn(shape)
                           : at::randn(shape) / std::sqrt(static_cast<double>(fan_in)));
  }
  return weights;
}

const Vae& small_vae() {
  static const Vae vae(small_config(), random_weights(small_config()));
  return vae;
}

at::Tensor in_pieces(StreamDecoder& decoder, const at::Tensor& latents, const std::vector<int64_t>& pieces) {
  std::vector<at::Tensor> video;
  int64_t first = 0;
  for (const int64_t count : pieces) {
    video.push_back(decoder.decode(latents.narrow(0, first, count)));
    first += count;
  }
  return at::cat(video, 0);
}

TEST(Vae, decoded_pieces_joined_equal_the_whole_decode) {
  const at::Tensor latents = at::randn({7, 4, 3, 5});
  const at::Tensor whole = small_vae().decoder()->decode(latents);
  EXPECT_EQ(whole.sizes(), (std::vector<int64_t>{25, 3, 24, 40}));
  EXPECT_EQ(whole.size(0), video_frames(7));
  for (const std::vector<int64_t>& pieces : {std::vector<int64_t>{1, 1, 1, 1, 1, 1, 1}, {3, 3, 1}, {2, 4, 1}}) {
    const auto decoder = small_vae().decoder();
    EXPECT_TRUE(at::allclose(in_pieces(*decoder, latents, pieces), whole, 1e-4, 1e-5));
  }
}

TEST(Vae, large_frames_that_pass_one_by_one_equal_the_sum_of_their_pieces) {
  const at::Tensor latents = at::randn({3, 4, 12, 22});  // beyond what is decoded several frames at once
  const auto whole = small_vae().decoder(), pieces = small_vae().decoder();
  EXPECT_TRUE(at::allclose(in_pieces(*pieces, latents, {2, 1}), whole->decode(latents), 1e-4, 1e-5));
}

TEST(Vae, a_fork_of_a_stream_goes_on_independently) {
  const at::Tensor latents = at::randn({5, 4, 3, 5}), other = at::randn({2, 4, 3, 5});
  const at::Tensor whole = small_vae().decoder()->decode(latents);
  const auto decoder = small_vae().decoder();
  decoder->decode(latents.narrow(0, 0, 3));
  const auto fork = decoder->clone();
  const at::Tensor elsewhere = fork->decode(other);
  const at::Tensor here = decoder->decode(latents.narrow(0, 3, 2));
  EXPECT_TRUE(at::allclose(here, whole.narrow(0, 9, 8), 1e-4, 1e-5));
  EXPECT_FALSE(at::allclose(elsewhere, here, 1e-2, 1e-2));
}

TEST(Vae, a_decoder_whose_caches_start_as_zeros_gives_four_frames_for_the_first_latent_too) {
  const auto weights = random_weights(small_config());
  VaeStreamDecoder decoder(std::make_shared<const VaeDecoder>(small_config(), weights), StreamStart::zero_caches);
  EXPECT_EQ(decoder.decode(at::randn({3, 4, 3, 5})).size(0), 12);
}

TEST(Vae, encoded_pieces_joined_equal_the_whole_encode) {
  const VaeEncoder encoder(small_config(), random_weights(small_config()));
  const at::Tensor video = at::rand({1, 3, 13, 24, 40}) * 2 - 1;
  VaeState whole_state, state;
  const at::Tensor whole = encoder.forward(video, whole_state);
  EXPECT_EQ(whole.sizes(), (std::vector<int64_t>{1, 4, 4, 3, 5}));
  std::vector<at::Tensor> pieces;
  int64_t first = 0;
  for (const int64_t count : {5, 4, 4}) {
    pieces.push_back(encoder.forward(video.narrow(2, first, count), state));
    first += count;
  }
  EXPECT_TRUE(at::allclose(at::cat(pieces, 2), whole, 1e-4, 1e-5));
}

TEST(Vae, equals_the_same_network_of_stock_operators) {
  const VaeConfig config = small_config();
  const auto weights = random_weights(config);
  const VaeDecoder decoder(config, weights);
  const ReferenceVaeDecoder reference(config, weights);
  const LatentScale scale(config, at::kCPU);
  const at::Tensor latents = at::randn({1, 4, 3, 4, 5}), z = latents / scale.inverse_std + scale.mean;
  VaeState state;
  std::vector<at::Tensor> caches, frames;
  for (int64_t f = 0; f < 3; ++f) frames.push_back(reference.decode_frame(z.narrow(2, f, 1), caches));
  EXPECT_TRUE(at::allclose(decoder.forward(latents, state), at::cat(frames, 2), 1e-4, 2e-5));
}

TEST(Vae, half_precision_weights_decode_close_to_float32) {
  const auto weights = random_weights(small_config());
  const at::Tensor latents = at::randn({1, 4, 2, 4, 5});
  VaeState exact_state, half_state;
  const at::Tensor exact = VaeDecoder(small_config(), weights).forward(latents, exact_state);
  const at::Tensor half =
      VaeDecoder(small_config(), weights.to(at::kBFloat16)).forward(latents.to(at::kBFloat16), half_state);
  EXPECT_EQ(half.scalar_type(), at::kBFloat16);
  EXPECT_LT(((half.to(at::kFloat) - exact).norm() / exact.norm()).item<double>(), 0.02);
}

TEST(Vae, the_state_does_not_grow_with_the_video) {
  const VaeDecoder decoder(small_config(), random_weights(small_config()));
  VaeState state;
  decoder.forward(at::randn({1, 4, 3, 3, 5}), state);
  const int64_t bytes = state.bytes();
  for (int i = 0; i < 3; ++i) decoder.forward(at::randn({1, 4, 3, 3, 5}), state);
  EXPECT_EQ(state.bytes(), bytes);
  for (const at::Tensor& cache : state.caches) EXPECT_EQ(cache.storage().nbytes(), cache.nbytes());
}

TEST(Vae, decoding_takes_about_the_memory_that_is_told) {
  constexpr int64_t kSide = 64;
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    SCOPED_TRACE(dtype);
    VaeConfig config = small_config();  // as wide as published: narrower layers run on other kernels
    config.dim = 96;
    config.num_res_blocks = 2;
    const Vae vae(config, random_weights(config).to(dtype));
    const int64_t told = vae.decoding_bytes(3, kSide, kSide);
    const int64_t taken = tensor::peak_memory([&] {
      const c10::InferenceMode inference;
      const auto decoder = vae.decoder();
      for (int block = 0; block < 2; ++block) decoder->decode(at::randn({3, 4, kSide / 8, kSide / 8}));
    });
    EXPECT_GT(told, taken * 4 / 5);
    EXPECT_LT(told, taken * 3);
  }
}

TEST(Vae, videos_of_a_batch_decode_as_each_alone) {
  const VaeDecoder decoder(small_config(), random_weights(small_config()));
  const at::Tensor latents = at::randn({2, 4, 3, 3, 5});
  VaeState both, second;
  const at::Tensor video = decoder.forward(latents, both);
  EXPECT_TRUE(at::allclose(video.narrow(0, 1, 1), decoder.forward(latents.narrow(0, 1, 1), second), 1e-4, 1e-5));
}

TEST(Vae, gradients_reach_every_weight_and_training_equals_inference) {
  const tensor::WeightMap weights = random_weights(small_config());
  tensor::WeightMap trained;
  for (const auto& [key, value] : weights.tensors()) trained.set(key, value.clone().set_requires_grad(true));
  trained.set_trainable(true);
  VaeState encoded, decoded;
  const at::Tensor latents = VaeEncoder(small_config(), trained).forward(at::rand({2, 3, 5, 16, 16}), encoded);
  const at::Tensor video = VaeDecoder(small_config(), trained).forward(latents, decoded);
  video.square().sum().backward();
  for (const auto& [key, value] : trained.tensors()) EXPECT_TRUE(value.grad().defined()) << key;
  VaeState fresh;
  const VaeDecoder inference(small_config(), weights);
  EXPECT_TRUE(at::allclose(inference.forward(latents.detach(), fresh), video.detach(), 1e-4, 1e-5));
}

TEST(Vae, parameters_are_those_of_the_published_checkpoint) {
  std::ifstream file(RUSHES_SOURCE_DIR "/tests/manifests/manifest_wan2.1_vae.json");
  const auto published = nlohmann::json::parse(file).at("tensors");
  const auto ours = parameter_shapes(VaeConfig{});
  EXPECT_EQ(ours.size(), published.size());
  for (const auto& [key, description] : published.items()) {
    std::vector<int64_t> shape;
    for (const auto& extent : description)
      if (extent.is_number()) shape.push_back(extent.get<int64_t>());
    ASSERT_TRUE(ours.contains(key)) << key;
    EXPECT_EQ(ours.at(key), shape) << key;
  }
}

TEST(Vae, bad_shapes_are_refused_with_what_was_allowed) {
  const auto decoder = small_vae().decoder();
  EXPECT_THROW(decoder->decode(at::randn({1, 5, 3, 5})), Error);
  EXPECT_EQ(decoder->decode(at::randn({1, 4, 3, 5})).size(0), 1);  // the stream is still at its start
  EXPECT_THROW(small_vae().encode(at::zeros({1, 3, 4, 16, 16})), Error);
  EXPECT_THROW(small_vae().encode(at::zeros({1, 3, 5, 20, 16})), Error);
  VaeConfig wider = small_config();
  wider.dim = 16;
  EXPECT_THROW(Vae(wider, random_weights(small_config())), Error);
}

}  // namespace
}  // namespace rushes::wan
