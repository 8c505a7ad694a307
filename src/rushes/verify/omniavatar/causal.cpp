// Golden cases of OmniAvatar's causal transformer: one block, and all of it with speech, over caches that evict.
#include <fmt/format.h>

#include "rushes/models/omniavatar/avatar_transformer.h"
#include "rushes/models/omniavatar/checkpoint.h"
#include "rushes/models/wan/checkpoint.h"
#include "rushes/nn/attention.h"
#include "rushes/tensor/ops.h"
#include "rushes/verify/omniavatar/configs.h"
#include "rushes/verify/runners.h"
#include "rushes/verify/wan/configs.h"

namespace rushes::verify {
namespace {

at::Tensor ends_of(const nn::KvCache& cache) {
  return at::tensor(std::vector<int64_t>{cache.global_end(), cache.local_end()}, at::kLong);
}

/// Of a cache as published: heads side by side.
at::Tensor rows(const at::Tensor& by_head) { return by_head.flatten(2); }

Produced causal_block(const Case& c) {
  const wan::TransformerConfig config = transformer_config(c.hyper);
  const wan::Block block(config, c.completed(c.weights, wan::parameter_shapes(config), "blocks.0."));
  const auto starts = c.hyper.at("start_frame_of_each_call").get<std::vector<int64_t>>();
  const auto grid = c.hyper.at("grid").get<std::vector<int64_t>>();
  const int64_t per_frame = c.hyper.at("tokens_per_frame");
  nn::KvCache cache({.layers = 1,
                     .heads = config.num_heads,
                     .head_size = config.head_size(),
                     .tokens_per_frame = per_frame,
                     .capacity_tokens = c.hyper.at("cache_tokens"),
                     .sink_latent_frames = config.sink_size,
                     .evicts = config.local_attn_size > 0,
                     .batch = c.input("x_0").size(0)},
                    c.input("x_0").options());
  const nn::KeyValue text = block.cross_text(c.input("context"));
  const auto attend = [&](const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
    const nn::KeyValue seen = cache.write(0, k, v);
    return nn::attention(q, seen.k, seen.v);
  };
  Produced produced;
  for (std::size_t i = 0; i < starts.size(); ++i) {
    if (i > 0 && starts[i] != starts[i - 1]) cache.commit();
    const at::Tensor& x = c.input(fmt::format("x_{}", i));
    const nn::TokenGrid tokens{x.size(1) / per_frame, grid.at(1), grid.at(2), starts[i]};
    produced.tensors[fmt::format("out_{}", i)] = produced.tensors["output"] =
        block.forward(x, c.input(fmt::format("t_mod_{}", i)), text, nullptr,
                      nn::rope_table(tokens, config.head_size(), x.device()), attend);
    const nn::KeyValue held = cache.in_time_order(0);
    produced.tensors[fmt::format("cache_k_{}", i)] = rows(held.k);
    produced.tensors[fmt::format("cache_v_{}", i)] = rows(held.v);
    produced.tensors[fmt::format("index_{}", i)] = ends_of(cache);
  }
  return produced;
}

Produced causal_model(const Case& c) {
  const omniavatar::TransformerConfig config = avatar_config(c.hyper, c.weights, c.input("context").size(1));
  const omniavatar::CausalAvatarTransformer model(config, c.completed(c.weights, omniavatar::parameter_shapes(config)));
  const wan::TextContext text = model.context(c.input("context"));
  const wan::FrameAdditions speech =
      model.speech(omniavatar::with_first_group_filled(c.input("audio_emb"), config.speech.group));
  const at::Tensor& y = c.input("y");
  const at::Tensor& times = c.exact_input("timesteps");
  nn::KvCache cache = model.make_cache({.height = y.size(3),
                                        .width = y.size(4),
                                        .capacity_tokens = c.hyper.at("cache_tokens"),
                                        .sink_latent_frames = config.wan.sink_size,
                                        .evicts = config.wan.local_attn_size > 0,
                                        .batch = y.size(0)});
  Produced produced;
  int64_t begin = 0;
  for (int64_t b = 0; b < c.hyper.at("blocks").get<int64_t>(); ++b) {
    int64_t frames = 0;
    for (int64_t pass = 0; pass < times.size(0); ++pass) {
      const at::Tensor& x = c.input(fmt::format("x_{}_{}", b, pass));
      frames = x.size(2);
      const at::Tensor t = times[pass].expand({x.size(0), frames});
      const at::Tensor flow =
          model.forward(x, t, text, y.narrow(2, begin, frames), omniavatar::frames_of(speech, begin, frames), cache);
      produced.tensors[fmt::format("v_{}_{}", b, pass)] = flow;
      if (pass + 2 == times.size(0)) produced.tensors["output"] = flow;  // the last pass is of the clean block
    }
    cache.commit();
    begin += frames;
  }
  for (int64_t layer = 0; layer < config.wan.num_layers; ++layer) {
    const nn::KeyValue held = cache.in_time_order(layer);
    produced.tensors[fmt::format("cache_k_layer{}", layer)] = rows(held.k);
    produced.tensors[fmt::format("cache_v_layer{}", layer)] = rows(held.v);
  }
  produced.tensors["index"] = ends_of(cache);
  return produced;
}

}  // namespace

void add_omniavatar_causal(Registry& registry) {
  registry[{"omniavatar", "causal_block"}] = causal_block;
  registry[{"omniavatar", "causal_model"}] = causal_model;
}

}  // namespace rushes::verify
