// Golden cases of the transformer: embeddings, one block, the causal model with its caches, the bidirectional models.
#include "rushes/models/wan/transformer.h"

#include "rushes/models/wan/checkpoint.h"
#include "rushes/nn/attention.h"
#include "rushes/tensor/ops.h"
#include "rushes/verify/runners.h"
#include "rushes/verify/wan/configs.h"

namespace rushes::verify {
namespace {

using nlohmann::json;

Produced time_embedding(const Case& c) {
  const wan::TransformerConfig config = transformer_config(c.hyper);
  tensor::Shapes shapes = wan::parameter_shapes(config);
  std::erase_if(shapes, [](const auto& entry) { return !entry.first.starts_with("time_"); });
  const wan::TimeEmbedder embedder(config, c.completed(c.weights, shapes));
  const auto [e, e0] = embedder.forward(c.recorded.at("t"));
  return {{{"e", e}, {"e0", e0}}, {}};
}

Produced rope3d(const Case& c) {
  const int64_t head_size = c.hyper.at("head_dim"), start = c.hyper.at("start_frame");
  nn::TokenGrid grid{c.hyper.at("f"), c.hyper.at("h"), c.hyper.at("w"), 0};
  const at::Tensor& q = c.input("q");
  Produced produced;
  produced.tensors["rope_start0"] = nn::rotate(q, nn::rope_table(grid, head_size, q.device()));
  grid.start_frame = start;
  produced.tensors["rope_start_n"] = nn::rotate(q, nn::rope_table(grid, head_size, q.device()));
  const auto split = nn::rope_split(head_size);
  // The reference's table: the angles of the three parts side by side, as arguments of complex numbers, in (-pi, pi].
  const auto wrapped = [](const at::Tensor& angle) { return at::atan2(at::sin(angle), at::cos(angle)); };
  const auto positions = [](int64_t from, int64_t n) {
    return at::arange(from, from + n, at::TensorOptions(at::kDouble));
  };
  std::vector<at::Tensor> parts;
  for (const int64_t pairs : split) parts.push_back(nn::rope_angles(positions(0, 4), pairs));
  produced.tensors["freqs_angle_first4"] = wrapped(at::cat(parts, 1));
  produced.tensors["freqs_angle_start"] = wrapped(nn::rope_angles(positions(start, grid.latent_frames), split[0]));
  return produced;
}

Produced causal_block(const Case& c) {
  const wan::TransformerConfig config = transformer_config(c.hyper);
  const wan::Block block(config, c.completed(c.weights, wan::parameter_shapes(config), "blocks.0."));
  const int64_t frames = c.hyper.at("frames_per_block"), height = c.hyper.at("h"), width = c.hyper.at("w");
  int64_t blocks = 0;
  while (c.has_input("x" + std::to_string(blocks))) ++blocks;
  nn::KvCache cache({.layers = 1,
                     .heads = config.num_heads,
                     .head_size = config.head_size(),
                     .tokens_per_frame = height * width,
                     .capacity_tokens = blocks * frames * height * width,
                     .batch = c.input("x0").size(0)},
                    c.input("x0").options());
  const nn::KeyValue text = block.cross_text(c.input("context"));
  Produced produced;
  for (int64_t i = 0; i < blocks; ++i) {
    const at::Tensor& x = c.input("x" + std::to_string(i));
    const nn::TokenGrid grid{frames, height, width, cache.position_latent_frames()};
    const auto attend = [&](const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
      const nn::KeyValue seen = cache.write(0, k, v);
      return nn::attention(q, seen.k, seen.v);
    };
    produced.tensors["y" + std::to_string(i)] =
        block.forward(x, c.input("e" + std::to_string(i)), text, nullptr,
                      nn::rope_table(grid, config.head_size(), x.device()), attend);
    cache.commit();
  }
  const nn::KeyValue held = cache.in_time_order(0);
  produced.tensors["k_cache"] = held.k;
  produced.tensors["v_cache"] = held.v;
  return produced;
}

Produced causal_model(const Case& c) {
  const wan::TransformerConfig config = transformer_config(c.hyper);
  const wan::CausalTransformer model(config, c.completed(c.weights, wan::parameter_shapes(config)));
  const std::vector<double> times = c.hyper.at("timesteps");
  const int64_t height = c.hyper.at("latent_hw").at(0), width = c.hyper.at("latent_hw").at(1);
  const int64_t per_frame = config.tokens_per_frame(height, width);
  const wan::TextContext text = model.context(c.input("context"));
  nn::KvCache cache = model.make_cache({.height = height,
                                        .width = width,
                                        .capacity_latent_frames = c.hyper.at("cache_tokens").get<int64_t>() / per_frame,
                                        .batch = c.input("clean_b0").size(0)});
  Produced produced;
  std::vector<int64_t> ends;
  for (int64_t b = 0; b < c.hyper.at("num_blocks").get<int64_t>(); ++b) {
    for (size_t call = 0; call < times.size(); ++call) {
      const bool clean = call + 1 == times.size();
      const std::string block = "_b" + std::to_string(b), step = clean ? "" : "_s" + std::to_string(call);
      const at::Tensor& x = c.input((clean ? "clean" : "x") + block + step);
      // Times stay float32: bfloat16 would round 833.3 to 832.
      const at::Tensor t = at::full({x.size(0), x.size(2)}, times[call], x.options().dtype(at::kFloat));
      produced.tensors["flow" + block + (clean ? "_clean" : step)] = model.forward(x, t, text, cache);
      ends.insert(ends.end(), {cache.global_end(), cache.local_end()});
    }
    cache.commit();
  }
  produced.tensors["k_cache_layer0"] = cache.in_time_order(0).k;
  produced.tensors["v_cache_last_layer"] = cache.in_time_order(config.num_layers - 1).v;
  produced.tensors["end_indices"] = at::tensor(ends, at::TensorOptions(at::kLong)).view({-1, 2});
  return produced;
}

/// wan_t2v and wan_i2v: prompts of different lengths, one per sample.
Produced bidirectional(const Case& c) {
  const wan::TransformerConfig config = transformer_config(c.hyper);
  const wan::Transformer model(config, c.completed(c.weights, wan::parameter_shapes(config)));
  std::vector<at::Tensor> texts;
  for (int64_t i = 0; c.has_input("context" + std::to_string(i)); ++i) {
    const at::Tensor& rows = c.input("context" + std::to_string(i));
    texts.push_back(at::constant_pad_nd(rows, {0, 0, 0, config.text_len - rows.size(0)}, 0));
  }
  const auto optional = [&](const char* name) { return c.has_input(name) ? c.input(name) : at::Tensor(); };
  const wan::TextContext text = model.context(at::stack(texts), optional("clip_fea"));
  return {{{"out", model.forward(c.input("x"), c.recorded.at("t"), text, optional("y"), c.hyper.at("seq_len"))}}, {}};
}

Produced i2v_condition(const Case& c) { return {{{"y", wan::i2v_condition(c.input("image_latent"))}}, {}}; }

}  // namespace

void add_wan_transformer(Registry& registry) {
  registry[{"wan", "time_embedding"}] = time_embedding;
  registry[{"wan", "rope3d"}] = rope3d;
  registry[{"wan", "causal_block"}] = causal_block;
  registry[{"wan", "causal_model"}] = causal_model;
  registry[{"wan", "wan_t2v"}] = bidirectional;
  registry[{"wan", "wan_i2v"}] = bidirectional;
  registry[{"wan", "i2v_condition"}] = i2v_condition;
}

}  // namespace rushes::verify
