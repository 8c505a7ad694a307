// Golden cases of LTX-Video's networks: rotary tables, one block, the transformer, both halves of the autoencoder.
#include <fmt/format.h>

#include "rushes/base/error.h"
#include "rushes/models/ltx/block.h"
#include "rushes/models/ltx/config_json.h"
#include "rushes/models/ltx/fused_blocks.h"
#include "rushes/models/ltx/transformer.h"
#include "rushes/models/ltx/vae.h"
#include "rushes/tensor/ops.h"
#include "rushes/verify/foresight/ltx_cases.h"
#include "rushes/verify/runners.h"

namespace rushes::verify {

ltx::SpatialNoise recorded_maps(const Case& c) {
  return [&c, next = 0](int64_t height, int64_t width) mutable {
    const std::string name = fmt::format("noise_{:02}", next++);
    const at::Tensor& map = c.exact_input(name);
    require(map.size(0) == height && map.size(1) == width, ErrorCode::corrupt_data,
            "'{}': {} is {}x{}, a resnet of {}x{} asks for it", c.name, name, map.size(0), map.size(1), height, width);
    return map;
  };
}

ltx::Tiling recorded_tiling(const nlohmann::json& hyper) {
  ltx::Tiling tiling;
  const nlohmann::json given = hyper.value("tiling", nlohmann::json::object());
  tiling.spatial = given.value("spatial", false);
  tiling.framewise = given.value("framewise", false);
  const auto read = [&](const char* key, int64_t& value) { value = given.value(key, value); };
  read("tile_sample_min_height", tiling.tile_sample_min_height);
  read("tile_sample_min_width", tiling.tile_sample_min_width);
  read("tile_sample_stride_height", tiling.tile_sample_stride_height);
  read("tile_sample_stride_width", tiling.tile_sample_stride_width);
  read("tile_sample_min_num_frames", tiling.tile_sample_min_num_frames);
  read("tile_sample_stride_num_frames", tiling.tile_sample_stride_num_frames);
  return tiling;
}

namespace {

std::array<double, 3> rope_scale_of(const nlohmann::json& hyper) {
  return hyper.at("rope_interpolation_scale").get<std::array<double, 3>>();
}

Produced ltx_rope(const Case& c) {
  ltx::TransformerConfig config;
  config.num_attention_heads = 1;
  config.attention_head_dim = c.hyper.at("inner_dim");
  config.rope_theta = c.hyper.value("theta", config.rope_theta);
  if (const auto base = c.hyper.find("base"); base != c.hyper.end()) {
    config.base_num_frames = base->at(0);
    config.base_height = base->at(1);
    config.base_width = base->at(2);
  }
  const ltx::LatentGrid grid{c.hyper.at("latent_frames"), c.hyper.at("latent_height"), c.hyper.at("latent_width")};
  const ltx::RopeTable table = ltx::rope_table(config, grid, rope_scale_of(c.hyper), c.target.device);
  return {{{"out_cos", table.cos.unsqueeze(0)}, {"out_sin", table.sin.unsqueeze(0)}}, {}};
}

Produced ltx_block(const Case& c) {
  ltx::TransformerConfig config;
  config.num_attention_heads = c.hyper.at("heads");
  config.attention_head_dim = c.hyper.at("head_dim");
  config.norm_eps = c.hyper.value("eps_block_norm", config.norm_eps);
  config.qk_norm_eps = c.hyper.value("eps_qk_norm", config.qk_norm_eps);
  const std::vector<ltx::Block> blocks{ltx::Block(config, c.weights)};
  const at::Tensor &x = c.input("hidden"), &words = c.input("encoder_hidden");
  const int64_t C = config.dim();
  const auto table = [&](const char* name) { return c.exact_input(name)[0]; };
  ltx::RopeTable rope{table("rope_cos"), table("rope_sin"), {}};
  rope.signed_sin = rope.sin * at::tensor({-1.0f, 1.0f}).to(c.target.device).repeat({C / 2});
  ltx::TextContext text;
  for (int64_t b = 0; b < x.size(0); ++b) {
    at::Tensor own = words[b];
    if (c.has_input("encoder_attention_bias")) {
      const at::Tensor kept = c.exact_input("encoder_attention_bias")[b].flatten() > -5000;
      if (kept.any().item<bool>()) own = own.index({kept});
    }
    text.prompts.push_back({blocks.front().text_keys(own.unsqueeze(0))});
  }
  const at::Tensor modulation = c.input("temb").unflatten(-1, {6, C});
  const at::Tensor out = blocks.front().forward(x, modulation, text.layer(0), rope);
  Produced produced{{{"out", out}}, {}};
  if (!x.is_cpu()) return produced;
  // The passes that inference takes leave the block's output in place of its input; a head follows them.
  const ltx::FusedBlocks fused(config, blocks, at::zeros({2, C}, x.options()));
  const at::Tensor own = x.clone();
  fused.forward(own, at::zeros({x.size(0), x.size(1), C}, x.options()), modulation, text, rope);
  produced.tensors["out"] = own;
  const double apart = (own - out).abs().max().item<double>(), size = out.abs().max().item<double>();
  produced.checks.push_back({"fused passes compute the block",
                             apart < (x.scalar_type() == at::kFloat ? 1e-5 : 3e-2) * size,
                             fmt::format("largest difference {:.3g} of {:.3g}", apart, size)});
  return produced;
}

Produced ltx_transformer(const Case& c) {
  const ltx::TransformerConfig config = ltx::transformer_config(c.hyper, c.name);
  const ltx::Transformer model(config, c.weights);
  const auto& grid = c.hyper.at("latent_grid");
  const ltx::RopeTable rope =
      ltx::rope_table(config, {grid.at(0), grid.at(1), grid.at(2)}, rope_scale_of(c.hyper), c.target.device);
  const at::Tensor mask = c.has_input("encoder_attention_mask") ? c.input("encoder_attention_mask") : at::Tensor();
  at::Tensor timestep = c.exact_input("timestep");
  if (timestep.dim() == 1) timestep = timestep.unsqueeze(1);
  return {{{"out", model.forward(c.input("hidden_states"), timestep,
                                 model.context(c.input("encoder_hidden_states"), mask), rope)}},
          {}};
}

Produced ltx_vae_encode(const Case& c) {
  const ltx::Vae vae(ltx::vae_config(c.hyper, c.name), c.weights);
  const ltx::Posterior posterior = vae.encode(c.input("video"), recorded_tiling(c.hyper));
  Produced produced{{{"out_mean", posterior.mean}, {"out_logvar", posterior.logvar}}, {}};
  if (!c.has_input("posterior_noise")) return produced;
  const at::Tensor sample = posterior.sample(c.exact_input("posterior_noise"));
  produced.tensors["out_sample"] = sample;
  produced.tensors["out_normalized"] = vae.normalise(sample);
  return produced;
}

Produced ltx_vae_decode(const Case& c) {
  const ltx::Vae vae(ltx::vae_config(c.hyper, c.name), c.weights);
  const ltx::Tiling tiling = recorded_tiling(c.hyper);
  const at::Tensor& latents = c.input("latents");
  const auto decoded = [&](const at::Tensor& z) {
    ltx::DecodeCondition condition;
    if (c.has_input("decode_timestep"))
      condition.timestep = c.exact_input("decode_timestep").flatten()[0].item<double>();
    else if (const auto given = c.hyper.find("decode_timestep"); given != c.hyper.end() && given->is_number())
      condition.timestep = given->get<double>();
    if (c.has_input("noise_00")) condition.noise = recorded_maps(c);
    return vae.decode(z, tiling, condition);
  };
  Produced produced;
  for (const auto& [name, expected] : c.expected) {
    constexpr std::string_view kPrefix = "out_prefix_";
    const bool is_prefix = name.starts_with(kPrefix);
    const int64_t latent_frames = is_prefix ? std::stoll(name.substr(kPrefix.size())) : latents.size(2);
    if (is_prefix || name.starts_with("out_video"))
      produced.tensors[is_prefix ? name : "out_video"] = decoded(latents.narrow(2, 0, latent_frames));
  }
  return produced;
}

}  // namespace

void add_foresight_ltx_networks(Registry& registry) {
  registry[{"foresight", "ltx_rope"}] = ltx_rope;
  registry[{"foresight", "ltx_block"}] = ltx_block;
  registry[{"foresight", "ltx_transformer"}] = ltx_transformer;
  registry[{"foresight", "ltx_vae_encode"}] = ltx_vae_encode;
  registry[{"foresight", "ltx_vae_decode"}] = ltx_vae_decode;
}

}  // namespace rushes::verify
