#include "rushes/models/ditto/checkpoint.h"

#include <fmt/format.h>

#include <algorithm>

#include "rushes/base/error.h"
#include "rushes/models/ditto/pose.h"
#include "rushes/tensor/checkpoint.h"

namespace rushes::ditto {
namespace {

using tensor::Shapes;
using tensor::WeightMap;
using Extents = std::vector<int64_t>;

void layer(Shapes& shapes, const std::string& key, const Extents& weight) {
  shapes[key + "weight"] = weight;
  shapes[key + "bias"] = {weight.front()};
}
void norm(Shapes& shapes, const std::string& key, int64_t width) { layer(shapes, key, {width}); }
void batch_norm(Shapes& shapes, const std::string& key, int64_t width) {
  norm(shapes, key, width);
  shapes[key + "running_mean"] = shapes[key + "running_var"] = {width};
}
void normed(Shapes& shapes, const std::string& key, const Extents& weight) {
  layer(shapes, key + "conv.", weight);
  batch_norm(shapes, key + "norm.", weight.front());
}

Shapes appearance_shapes(const Sizes& s) {
  Shapes shapes;
  normed(shapes, "first.", {s.appearance.front(), 3, 3, 3});
  for (std::size_t i = 0; i + 1 < s.appearance.size(); ++i)
    normed(shapes, fmt::format("down_blocks.{}.", i), {s.appearance[i + 1], s.appearance[i], 3, 3});
  layer(shapes, "second.", {s.volume * s.depth, s.appearance.back(), 1, 1});
  for (int64_t i = 0; i < s.volume_blocks; ++i)
    for (const char* half : {"1.", "2."}) {
      layer(shapes, fmt::format("resblocks_3d.3dr{}.conv{}", i, half), {s.volume, s.volume, 3, 3, 3});
      batch_norm(shapes, fmt::format("resblocks_3d.3dr{}.norm{}", i, half), s.volume);
    }
  return shapes;
}

Shapes extractor_shapes(const Sizes& s) {
  Shapes shapes;
  int64_t in = 3;
  for (std::size_t i = 0; i < s.extractor.size(); ++i) {
    const int64_t width = s.extractor[i];
    const std::string down = fmt::format("detector.downsample_layers.{}.", i);
    layer(shapes, down + (i == 0 ? "0." : "1."), i == 0 ? Extents{width, in, 4, 4} : Extents{width, in, 2, 2});
    norm(shapes, down + (i == 0 ? "1." : "0."), i == 0 ? width : in);
    for (int64_t b = 0; b < s.extractor_depths[i]; ++b) {
      const std::string block = fmt::format("detector.stages.{}.{}.", i, b);
      layer(shapes, block + "dwconv.", {width, 1, 7, 7});
      norm(shapes, block + "norm.", width);
      layer(shapes, block + "pwconv1.", {4 * width, width});
      shapes[block + "grn.gamma"] = shapes[block + "grn.beta"] = {1, 1, 1, 4 * width};
      layer(shapes, block + "pwconv2.", {width, 4 * width});
    }
    in = width;
  }
  norm(shapes, "detector.norm.", in);
  for (const auto& [name, out] : std::initializer_list<std::pair<const char*, int64_t>>{{"pitch", kBins},
                                                                                        {"yaw", kBins},
                                                                                        {"roll", kBins},
                                                                                        {"t", 3},
                                                                                        {"exp", kExpression},
                                                                                        {"scale", 1},
                                                                                        {"kp", kExpression}})
    layer(shapes, fmt::format("detector.fc_{}.", name), {out, in});
  return shapes;
}

Shapes warp_shapes(const Sizes& s) {
  Shapes shapes;
  const std::string motion = "dense_motion_network.";
  layer(shapes, motion + "compress.", {s.compressed, s.volume, 1, 1, 1});
  batch_norm(shapes, motion + "norm.", s.compressed);
  Extents inputs{(kKeypoints + 1) * (s.compressed + 1)};
  for (std::size_t i = 0; i < s.down.size(); ++i) {
    normed(shapes, fmt::format("{}hourglass.encoder.down_blocks.{}.", motion, i), {s.down[i], inputs.back(), 3, 3, 3});
    inputs.push_back(s.down[i]);
  }
  int64_t width = inputs.back();
  inputs.pop_back();
  for (std::size_t i = 0; i < s.up.size() && !inputs.empty(); ++i) {
    normed(shapes, fmt::format("{}hourglass.decoder.up_blocks.{}.", motion, i), {s.up[i], width, 3, 3, 3});
    width = s.up[i] + inputs.back();
    inputs.pop_back();
  }
  normed(shapes, motion + "hourglass.decoder.", {s.last, width, 3, 3, 3});
  layer(shapes, motion + "mask.", {kKeypoints + 1, s.last, s.mask_side, s.mask_side, s.mask_side});
  layer(shapes, motion + "occlusion.", {1, s.last * s.depth, 7, 7});
  normed(shapes, "third.", {s.bent, s.volume * s.depth, 3, 3});
  layer(shapes, "fourth.", {s.feature, s.bent, 1, 1});
  return shapes;
}

/// `orig` has a spectral norm.
void spectral(Shapes& shapes, const std::string& key, const Extents& weight) {
  int64_t columns = 1;
  for (std::size_t i = 1; i < weight.size(); ++i) columns *= weight[i];
  shapes[key + "weight_orig"] = weight;
  shapes[key + "weight_u"] = {weight.front()};
  shapes[key + "weight_v"] = {columns};
}

void spade(Shapes& shapes, const std::string& key, const Sizes& s, int64_t width) {
  layer(shapes, key + "mlp_shared.0.", {s.spade, s.feature, 3, 3});
  layer(shapes, key + "mlp_gamma.", {width, s.spade, 3, 3});
  layer(shapes, key + "mlp_beta.", {width, s.spade, 3, 3});
}

Shapes decoder_shapes(const Sizes& s) {
  Shapes shapes;
  const auto block = [&](const std::string& key, int64_t in, int64_t out) {
    const int64_t middle = std::min(in, out);
    spade(shapes, key + "norm_0.", s, in);
    spade(shapes, key + "norm_1.", s, middle);
    spectral(shapes, key + "conv_0.", {middle, in, 3, 3});
    spectral(shapes, key + "conv_1.", {out, middle, 3, 3});
    shapes[key + "conv_0.bias"] = {middle};
    shapes[key + "conv_1.bias"] = {out};
    if (in == out) return;
    spade(shapes, key + "norm_s.", s, in);
    spectral(shapes, key + "conv_s.", {out, in, 1, 1});
  };
  layer(shapes, "fc.", {s.middle, s.feature, 3, 3});
  for (int64_t i = 0; i < s.middle_blocks; ++i) block(fmt::format("G_middle_{}.", i), s.middle, s.middle);
  int64_t in = s.middle;
  for (std::size_t i = 0; i < s.decoder_up.size(); ++i) {
    block(fmt::format("up_{}.", i), in, s.decoder_up[i]);
    in = s.decoder_up[i];
  }
  layer(shapes, s.upscale > 1 ? "conv_img.0." : "conv_img.", {3 * s.upscale * s.upscale, in, 3, 3});
  return shapes;
}

Shapes stitch_shapes(const Sizes& s) {
  Shapes shapes;
  int64_t in = 2 * kExpression, i = 0;
  for (const int64_t width : s.stitch) {
    layer(shapes, fmt::format("mlp.{}.", i), {width, in});
    in = width;
    i += 2;
  }
  layer(shapes, fmt::format("mlp.{}.", i), {kExpression + 2, in});
  return shapes;
}

void attention(Shapes& shapes, const std::string& key, int64_t width) {
  shapes[key + "in_proj_weight"] = {3 * width, width};
  shapes[key + "in_proj_bias"] = {3 * width};
  layer(shapes, key + "out_proj.", {width, width});
}

Shapes lmdm_shapes(const Sizes& s) {
  Shapes shapes;
  const int64_t D = s.width;
  shapes["null_cond_embed"] = {1, s.frames, D};
  shapes["null_cond_hidden"] = {1, D};
  shapes["rotary.freqs"] = {D / 2};
  layer(shapes, "time_mlp.1.", {4 * D, D});
  layer(shapes, "to_time_cond.0.", {D, 4 * D});
  layer(shapes, "to_time_tokens.0.", {2 * D, 4 * D});
  norm(shapes, "norm_cond.", D);
  layer(shapes, "input_projection.", {D, 2 * kMotion});
  layer(shapes, "cond_projection.", {D, s.condition});
  norm(shapes, "non_attn_cond_projection.0.", D);
  layer(shapes, "non_attn_cond_projection.1.", {D, D});
  layer(shapes, "non_attn_cond_projection.3.", {D, D});
  const auto transformer = [&](const std::string& key, int norms) {
    attention(shapes, key + "self_attn.", D);
    layer(shapes, key + "linear1.", {s.wide, D});
    layer(shapes, key + "linear2.", {D, s.wide});
    for (int i = 1; i <= norms; ++i) norm(shapes, fmt::format("{}norm{}.", key, i), D);
  };
  for (int64_t i = 0; i < s.condition_layers; ++i) transformer(fmt::format("cond_encoder.{}.", i), 2);
  for (int64_t i = 0; i < s.layers; ++i) {
    const std::string key = fmt::format("seqTransDecoder.stack.{}.", i);
    transformer(key, 3);
    attention(shapes, key + "multihead_attn.", D);
    for (int film = 1; film <= 3; ++film) layer(shapes, fmt::format("{}film{}.block.1.", key, film), {2 * D, D});
  }
  layer(shapes, "final_layer.", {kMotion, D});
  return shapes;
}

/// Of a parameter that is there; else what stands for it, so that checking names it.
int64_t extent(const WeightMap& weights, const std::string& key, std::size_t axis, int64_t otherwise) {
  if (!weights.contains(key)) return otherwise;
  const auto sizes = weights.at(key).sizes();
  return axis < sizes.size() ? sizes[axis] : otherwise;
}

int64_t count(const WeightMap& weights, const char* pattern) {
  int64_t n = 0;
  while (weights.contains(fmt::format(fmt::runtime(pattern), n))) ++n;
  return n;
}

Extents widths(const WeightMap& weights, const char* pattern) {
  Extents found;
  for (int64_t i = 0; i < count(weights, pattern); ++i)
    found.push_back(weights.at(fmt::format(fmt::runtime(pattern), i)).size(0));
  return found;
}

/// Without what has no effect: counts of batches, copies of the rotary frequencies.
bool is_ignored(const std::string& key) {
  return key.ends_with("num_batches_tracked") || (key.ends_with("rotary.freqs") && key != "rotary.freqs");
}

WeightMap stripped(const WeightMap& all, const std::string& part) {
  const char* const wrapper = part == "lmdm"             ? "model_state_dict."
                              : part == "stitch_network" ? "retarget_shoulder."
                                                         : "";
  const bool is_wrapped = *wrapper && std::any_of(all.tensors().begin(), all.tensors().end(),
                                                  [&](const auto& each) { return each.first.starts_with(wrapper); });
  const WeightMap own = is_wrapped ? all.under(wrapper) : all;
  WeightMap weights;
  for (const std::string& key : own.keys()) {
    const std::string name = key.starts_with("module.") ? key.substr(7) : key;
    if (!is_ignored(name)) weights.set(name, own.at(key));
  }
  return weights;
}

}  // namespace

Shapes parameter_shapes(const std::string& part, const Sizes& sizes) {
  if (part == "appearance_extractor") return appearance_shapes(sizes);
  if (part == "motion_extractor") return extractor_shapes(sizes);
  if (part == "warp_network") return warp_shapes(sizes);
  if (part == "decoder") return decoder_shapes(sizes);
  if (part == "stitch_network") return stitch_shapes(sizes);
  if (part == "lmdm") return lmdm_shapes(sizes);
  fail(ErrorCode::not_found, "'{}' is not a part of a Ditto model", part);
}

Sizes sizes_of(const std::string& part, const WeightMap& w) {
  Sizes s;
  if (part == "appearance_extractor") {
    s.appearance = {extent(w, "first.conv.weight", 0, 64)};
    for (const int64_t width : widths(w, "down_blocks.{}.conv.weight")) s.appearance.push_back(width);
    s.volume = extent(w, "resblocks_3d.3dr0.conv1.weight", 0, s.volume);
    s.depth = extent(w, "second.weight", 0, s.volume * s.depth) / std::max<int64_t>(1, s.volume);
    s.volume_blocks = count(w, "resblocks_3d.3dr{}.conv1.weight");
  } else if (part == "motion_extractor") {
    s.extractor = widths(w, "detector.stages.{}.0.dwconv.weight");
    s.extractor_depths.clear();
    for (std::size_t i = 0; i < s.extractor.size(); ++i)
      s.extractor_depths.push_back(count(w, fmt::format("detector.stages.{}.{{}}.dwconv.weight", i).c_str()));
  } else if (part == "warp_network") {
    s.compressed = extent(w, "dense_motion_network.compress.weight", 0, s.compressed);
    s.volume = extent(w, "dense_motion_network.compress.weight", 1, s.volume);
    s.down = widths(w, "dense_motion_network.hourglass.encoder.down_blocks.{}.conv.weight");
    s.up = widths(w, "dense_motion_network.hourglass.decoder.up_blocks.{}.conv.weight");
    s.last = extent(w, "dense_motion_network.mask.weight", 1, s.last);
    s.mask_side = extent(w, "dense_motion_network.mask.weight", 2, s.mask_side);
    s.depth = extent(w, "dense_motion_network.occlusion.weight", 1, s.last * s.depth) / std::max<int64_t>(1, s.last);
    s.bent = extent(w, "third.conv.weight", 0, s.bent);
    s.feature = extent(w, "fourth.weight", 0, s.feature);
  } else if (part == "decoder") {
    s.middle = extent(w, "fc.weight", 0, s.middle);
    s.feature = extent(w, "fc.weight", 1, s.feature);
    s.middle_blocks = count(w, "G_middle_{}.conv_0.weight_orig");
    s.spade = extent(w, "G_middle_0.norm_0.mlp_shared.0.weight", 0, s.spade);
    s.decoder_up = widths(w, "up_{}.conv_1.weight_orig");
    s.upscale = w.contains("conv_img.weight") ? 1 : 2;
  } else if (part == "stitch_network") {
    s.stitch.clear();
    for (int64_t i = 0; w.contains(fmt::format("mlp.{}.weight", i + 2)); i += 2)
      s.stitch.push_back(w.at(fmt::format("mlp.{}.weight", i)).size(0));
  } else if (part == "lmdm") {
    s.frames = extent(w, "null_cond_embed", 1, s.frames);
    s.width = extent(w, "null_cond_embed", 2, s.width);
    s.wide = extent(w, "seqTransDecoder.stack.0.linear1.weight", 0, s.wide);
    s.condition = extent(w, "cond_projection.weight", 1, s.condition);
    s.condition_layers = count(w, "cond_encoder.{}.norm1.weight");
    s.layers = count(w, "seqTransDecoder.stack.{}.norm1.weight");
  }
  return s;
}

WeightMap load(const std::string& part, const std::filesystem::path& file, tensor::Extra extra) {
  const WeightMap own = stripped(tensor::load_checkpoint(file).tensors, part);
  return tensor::take_complete(own, parameter_shapes(part, sizes_of(part, own)),
                               fmt::format("'{}', {}", file.string(), part), extra);
}

}  // namespace rushes::ditto
