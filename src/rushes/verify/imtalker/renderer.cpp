// Golden cases of the renderer: its layers, its modules and the whole.
#include <fmt/format.h>

#include "rushes/models/imtalker/checkpoint.h"
#include "rushes/models/imtalker/renderer.h"
#include "rushes/tensor/ops.h"
#include "rushes/verify/imtalker/configs.h"
#include "rushes/verify/runners.h"

namespace rushes::verify {
namespace {

using nlohmann::json;

/// The weights of a module of the renderer.
tensor::WeightMap module_weights(const Case& c, const std::string& prefix) {
  return c.completed(c.weights.under(prefix), imtalker::parameter_shapes(renderer_config(c.hyper)), prefix);
}

/// The part of the weights that the case names in `hyper.layer`.
tensor::WeightMap layer_weights(const Case& c) { return c.weights.under(c.hyper.at("layer").get<std::string>() + "."); }

Produced equal_linear(const Case& c) {
  return {{{"out.y", imtalker::EqualLinear(layer_weights(c))(c.input("in.x"))}}, {}};
}

Produced conv_layer_down(const Case& c) {
  return {{{"out.y", imtalker::ConvLayer(layer_weights(c), true)(c.input("in.x"))}}, {}};
}

Produced styled_conv(const Case& c) {
  const imtalker::StyledConv layer(layer_weights(c), c.hyper.at("upsample"));
  return {{{"out.y", layer(c.input("in.x"), c.input("in.style"))}}, {}};
}

Produced down_conv_res_block(const Case& c) {
  return {{{"out.y", imtalker::ConvResBlock(layer_weights(c), imtalker::Resize::down)(c.input("in.x"))}}, {}};
}

Produced up_conv_res_block(const Case& c) {
  const auto layers = c.hyper.at("layer").get<std::vector<std::string>>();
  const imtalker::ConvResBlock up(c.weights.under(layers.at(0) + "."), imtalker::Resize::up);
  const imtalker::ConvResBlock merge(c.weights.under(layers.at(1) + "."), imtalker::Resize::none);
  return {{{"out.y", merge(at::cat({up(c.input("in.x")), c.input("in.skip")}, 1))}}, {}};
}

/// transformer_block and swin_block_pair.
Produced self_attention(const Case& c) {
  const imtalker::SelfAttention attention(renderer_config(c.hyper), layer_weights(c), c.hyper.at("resolution"));
  return {{{"out.y", attention.forward(c.input("in.x"))}}, {}};
}

Produced identity_encoder(const Case& c) {
  const imtalker::AppearanceEncoder encoder(renderer_config(c.hyper), module_weights(c, "dense_feature_encoder."));
  const imtalker::Appearance appearance = encoder.forward(network_picture(c.input("in.image"), c.target));
  Produced produced{{{"out.id", appearance.identity}}, {}};
  for (std::size_t i = 0; i < appearance.maps.size(); ++i)
    produced.tensors[fmt::format("mid.feat_{}", i)] = appearance.maps[i];
  return produced;
}

Produced motion_encoder(const Case& c) {
  const imtalker::MotionEncoder encoder(renderer_config(c.hyper), module_weights(c, "latent_token_encoder."));
  return {{{"out.motion", encoder.forward(network_picture(c.input("in.image"), c.target))}}, {}};
}

Produced identity_adaptive(const Case& c) {
  const imtalker::IdentityAdaptation adapt(renderer_config(c.hyper), module_weights(c, "adapt."));
  return {{{"out.adapted", adapt.forward(c.input("in.motion"), c.input("in.id"))}}, {}};
}

Produced motion_decoder(const Case& c) {
  const imtalker::MotionDecoder decoder(renderer_config(c.hyper), module_weights(c, "latent_token_decoder."));
  const auto maps = decoder.forward(c.input("in.latent"));
  Produced produced;
  for (std::size_t i = 0; i < maps.size(); ++i) produced.tensors[fmt::format("out.map_{}", i)] = maps[i];
  return produced;
}

Produced imt_coarse(const Case& c) {
  const imtalker::CrossMotionAttention level(layer_weights(c).under("block_efc."), c.hyper.at("num_heads"));
  const auto source = level.source(c.input("in.B"), c.input("in.C"));
  const imtalker::Alignment found = level.align_with_best(c.input("in.A"), source);
  Produced produced{
      {{"out.aligned", found.aligned}, {"out.mean_attn_argmax", found.best}, {"out.mean_attn_max", found.best_weight}},
      {}};
  // The levels that need no best match go through flash attention: it must say the same.
  const double deviation = (level.align(c.input("in.A"), source) - found.aligned).abs().max().item<double>();
  const double allowed = c.target.dtype == at::kFloat ? 1e-5 : 5e-2;
  produced.checks.push_back(
      {"both implementations of attention agree", deviation <= allowed, fmt::format("they differ by {}", deviation)});
  return produced;
}

Produced imt_fine(const Case& c) {
  const at::Tensor best = at::argmax(c.input("in.mean_attn"), -1);
  const std::vector<int64_t> levels = c.hyper.at("levels"), ratios = c.hyper.at("ratios");
  Produced produced;
  for (std::size_t i = 0; i < levels.size(); ++i) {
    const std::string name = fmt::format("out.aligned_{}", levels[i]);
    const at::Tensor* recorded = c.wanted(name);
    if (recorded == nullptr) continue;
    const at::Tensor means = imtalker::block_means(c.input(fmt::format("in.C{}", levels[i])), ratios.at(i));
    const at::Tensor aligned = imtalker::gather_blocks(means, best, ratios[i]);
    produced.tensors[name] = aligned.narrow(1, 0, recorded->size(1));  // the first channels were recorded
  }
  return produced;
}

Produced synthesis_network(const Case& c) {
  const imtalker::RendererConfig config = renderer_config(c.hyper);
  const imtalker::FrameDecoder decoder(config, module_weights(c, "frame_decoder."));
  std::vector<at::Tensor> aligned;
  for (int64_t i = 0; i < config.levels(); ++i) aligned.push_back(c.input(fmt::format("in.F{}", i)));
  return {{{"out.frame", decoder.forward(aligned)}}, {}};
}

Produced renderer_forward(const Case& c) {
  const imtalker::Renderer renderer = renderer_of(c, c.hyper, c.weights);
  const at::Tensor motion = renderer.motion(network_picture(c.input("in.driving"), c.target));
  Produced produced{{{"out.t_c", motion}}, {}};
  if (!c.wants("out.frame")) return produced;
  const imtalker::Portrait portrait = renderer.portrait(network_picture(c.input("in.reference"), c.target));
  produced.tensors["out.frame"] = renderer.render(motion, portrait);
  return produced;
}

Produced renderer_512_layout(const Case& c) {
  const imtalker::Renderer renderer = renderer_of(c, c.hyper, c.weights);
  const int64_t repeat = c.hyper.at("reference_repeat");
  const std::vector<int64_t> patch = c.hyper.at("frame_patch_y0y1x0x1");
  const at::Tensor reference = c.input("in.reference").repeat_interleave(repeat, 0).repeat_interleave(repeat, 1);
  const at::Tensor driving = at::roll(reference, {c.hyper.at("driving_roll_x").get<int64_t>()}, {1});
  const imtalker::Portrait portrait = renderer.portrait(network_picture(reference, c.target));
  const at::Tensor frame = renderer.render(renderer.motion(network_picture(driving, c.target)), portrait);
  return {{{"out.frame", frame},
           {"out.frame_patch", frame.slice(2, patch.at(0), patch.at(1)).slice(3, patch.at(2), patch.at(3))}},
          {}};
}

}  // namespace

void add_imtalker_renderer(Registry& registry) {
  registry[{"imtalker", "equal_linear"}] = equal_linear;
  registry[{"imtalker", "conv_layer_down"}] = conv_layer_down;
  registry[{"imtalker", "styled_conv"}] = styled_conv;
  registry[{"imtalker", "down_conv_res_block"}] = down_conv_res_block;
  registry[{"imtalker", "up_conv_res_block"}] = up_conv_res_block;
  registry[{"imtalker", "transformer_block"}] = self_attention;
  registry[{"imtalker", "swin_block_pair"}] = self_attention;
  registry[{"imtalker", "identity_encoder"}] = identity_encoder;
  registry[{"imtalker", "motion_encoder"}] = motion_encoder;
  registry[{"imtalker", "identity_adaptive"}] = identity_adaptive;
  registry[{"imtalker", "motion_decoder"}] = motion_decoder;
  registry[{"imtalker", "imt_coarse"}] = imt_coarse;
  registry[{"imtalker", "imt_fine"}] = imt_fine;
  registry[{"imtalker", "synthesis_network"}] = synthesis_network;
  registry[{"imtalker", "renderer_forward"}] = renderer_forward;
  registry[{"imtalker", "renderer_512_layout"}] = renderer_512_layout;
}

}  // namespace rushes::verify
