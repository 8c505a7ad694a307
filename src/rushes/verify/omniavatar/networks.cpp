// Golden cases of OmniAvatar's networks: speech encoder, packing of speech, one block, the whole transformer from a
// base and an adapter, the tiled autoencoder.
#include <fmt/format.h>

#include "rushes/models/omniavatar/avatar_transformer.h"
#include "rushes/models/omniavatar/checkpoint.h"
#include "rushes/models/omniavatar/tiled_vae.h"
#include "rushes/models/wan/checkpoint.h"
#include "rushes/models/wav2vec/checkpoint.h"
#include "rushes/nn/attention.h"
#include "rushes/nn/rope.h"
#include "rushes/tensor/ops.h"
#include "rushes/verify/omniavatar/configs.h"
#include "rushes/verify/runners.h"
#include "rushes/verify/wan/configs.h"

namespace rushes::verify {
namespace {

/// Stays float32 whatever follows it, as published: only what comes out is rounded.
Produced wav2vec2_encoder(const Case& c) {
  const wav2vec::Config config = avatar_speech_config(c.hyper);
  const tensor::WeightMap weights = wav2vec::with_published_names(c.exact_weights);
  const wav2vec::Encoder encoder(config, c.completed(weights, wav2vec::parameter_shapes(config)));
  const at::Tensor wave =
      wav2vec::normalise(c.exact_input("waveform").reshape({1, -1}), c.hyper.value("norm_eps", 1e-7));
  const at::Tensor padded = at::constant_pad_nd(wave, {0, c.hyper.value("pad_samples", int64_t{0})}, 0);
  const auto frames = c.exact_input("seq_len").item<int64_t>();
  return {{{"audio_embeddings", omniavatar::speech_features(encoder, padded, frames).to(c.target.dtype)}}, {}};
}

Produced audio_pack(const Case& c) {
  omniavatar::TransformerConfig config;
  config.wan.num_layers = 2;  // none of which gets speech
  config.speech = {.feature_dim = c.hyper.at("in_channels"),
                   .hidden_size = c.hyper.at("dim"),
                   .group = c.hyper.at("patch_size").at(0)};
  const int64_t group = config.speech.group;
  const omniavatar::SpeechConditioner conditioner(config, c.weights);
  const at::Tensor& features = c.input("audio_emb");
  const at::Tensor packed =
      conditioner.pack(features.size(1) % group == 0 ? features : omniavatar::with_first_group_filled(features, group));
  return {{{"output", packed.unsqueeze(2).unsqueeze(2)}}, {}};
}

Produced dit_block(const Case& c) {
  const wan::TransformerConfig config = transformer_config(c.hyper);
  const wan::Block block(config, c.completed(c.weights, wan::parameter_shapes(config), "blocks.0."));
  const auto grid = c.hyper.at("grid").get<std::vector<int64_t>>();
  const at::Tensor own = nn::rope_table({grid.at(0), grid.at(1), grid.at(2)}, config.head_size(), c.target.device);
  const auto attend = [](const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
    return nn::attention(q, k, v);
  };
  Produced produced;
  at::Tensor rope = own;
  if (c.has_input("freqs_cos")) {
    rope = at::complex(c.recorded.at("freqs_cos").to(at::kDouble), c.recorded.at("freqs_sin").to(at::kDouble));
    const double difference = at::abs(rope - own).max().item<double>();
    produced.checks.push_back({"the rotary table is the recorded one", difference < 1e-6,
                               fmt::format("largest difference {:.3g}", difference)});
  }
  produced.tensors["output"] = block.forward(c.input("x"), c.input("t_mod").unsqueeze(1),
                                             block.cross_text(c.input("context")), nullptr, rope, attend);
  return produced;
}

at::Tensor flow_of(const Case& c, const tensor::WeightMap& weights) {
  const omniavatar::TransformerConfig config = avatar_config(c.hyper, weights, c.input("context").size(1));
  const omniavatar::AvatarTransformer model(config, c.completed(weights, omniavatar::parameter_shapes(config)));
  const at::Tensor features = omniavatar::with_first_group_filled(c.input("audio_emb"), config.speech.group);
  return model.forward(c.input("x"), c.exact_input("timestep"), model.context(c.input("context")), c.input("y"),
                       model.speech(features));
}

Produced dit_full(const Case& c) { return {{{"output", flow_of(c, c.weights)}}, {}}; }

Produced lora_load(const Case& c) {
  wan::TransformerConfig narrow = transformer_config(c.hyper);
  narrow.in_dim = narrow.out_dim;
  const tensor::WeightMap base = c.completed(omniavatar::with_published_names(c.exact_weights.under("base.")),
                                             wan::parameter_shapes(narrow)),
                          adapter = omniavatar::with_published_names(c.exact_weights.under("ckpt."));
  const omniavatar::Lora lora{.alpha = c.hyper.at("lora_alpha"), .rank = c.hyper.at("lora_rank")};
  const tensor::WeightMap merged = omniavatar::merge_adapter(base, adapter, lora, c.target.dtype);
  Produced produced;
  for (const auto& [key, tensor] : merged.tensors()) produced.tensors["merged." + key] = tensor;
  if (c.wants("output")) produced.tensors["output"] = flow_of(c, merged);
  return produced;
}

omniavatar::Tiling tiling_of(const Case& c, const std::string& direction) {
  return {.size = c.hyper.at(direction + "_tile_size_latent"), .stride = c.hyper.at(direction + "_tile_stride_latent")};
}

Produced vae_tiled(const Case& c) {
  const wan::VaeConfig config = avatar_vae_config(c.hyper);
  const tensor::WeightMap weights = c.completed(module_weights(c.weights, "vae."), wan::parameter_shapes(config));
  Produced produced;
  if (c.wants("decoded_tiled")) {
    const wan::VaeDecoder decoder(config, weights);
    produced.tensors["decoded_tiled"] = omniavatar::decode_tiled(decoder, c.input("z"), tiling_of(c, "decode"));
  }
  if (c.wants("encoded_tiled") || c.wants("encoded_plain")) {
    const wan::VaeEncoder encoder(config, weights);
    wan::VaeState state;
    if (c.wants("encoded_tiled"))
      produced.tensors["encoded_tiled"] = omniavatar::encode_tiled(encoder, c.input("pixels"), tiling_of(c, "encode"));
    if (c.wants("encoded_plain")) produced.tensors["encoded_plain"] = encoder.forward(c.input("pixels"), state);
  }
  if (c.wants("mask_example")) {
    const omniavatar::Tiling tiling = tiling_of(c, "decode");
    const auto& borders = c.hyper.at("mask_example");
    const auto ramp = [&](std::size_t axis, const char* begin, const char* end) {
      const int64_t side = config.spatial_stride();
      return omniavatar::blend_ramp(tiling.size[axis] * side, (tiling.size[axis] - tiling.stride[axis]) * side,
                                    borders.at(begin), borders.at(end));
    };
    produced.tensors["mask_example"] = omniavatar::blend_mask(ramp(0, "top", "bottom"), ramp(1, "left", "right"));
  }
  return produced;
}

}  // namespace

void add_omniavatar_networks(Registry& registry) {
  registry[{"omniavatar", "wav2vec2_encoder"}] = wav2vec2_encoder;
  registry[{"omniavatar", "audio_pack"}] = audio_pack;
  registry[{"omniavatar", "dit_block"}] = dit_block;
  registry[{"omniavatar", "dit_full"}] = dit_full;
  registry[{"omniavatar", "lora_load"}] = lora_load;
  registry[{"omniavatar", "vae_tiled"}] = vae_tiled;
}

}  // namespace rushes::verify
