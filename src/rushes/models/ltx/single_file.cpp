#include "rushes/models/ltx/single_file.h"

#include <fmt/ranges.h>

#include <cmath>
#include <map>
#include <optional>

#include "rushes/base/error.h"
#include "rushes/tensor/ops.h"

namespace rushes::ltx {
namespace {

using nlohmann::json;
using tensor::WeightMap;

constexpr std::string_view kTransformer = "model.diffusion_model.", kVae = "vae.";

/// Replaces each `from` that begins a part of a dotted name.
std::string renamed(std::string name, std::string_view from, std::string_view to) {
  for (std::size_t at = name.find(from); at != std::string::npos; at = name.find(from, at + to.size()))
    if (at == 0 || name[at - 1] == '.') name.replace(at, from.size(), to);
  return name;
}

/// "down_blocks.12.conv1.x" as 12 and "conv1.x", of `list` "down_blocks.".
struct Entry {
  int64_t index;
  std::string rest;
};
std::optional<Entry> entry_of(const std::string& name, std::string_view list) {
  if (!name.starts_with(list)) return std::nullopt;
  const std::size_t dot = name.find('.', list.size());
  const std::string number = name.substr(list.size(), dot - list.size());
  const bool is_number = dot != std::string::npos && !number.empty() && number.size() <= 4 &&
                         number.find_first_not_of("0123456789") == std::string::npos;
  require(is_number, ErrorCode::corrupt_data, "'{}': no block of a list", name);
  return Entry{std::stoll(number), name.substr(dot + 1)};
}

/// Where the entries of a flat list lie in blocks: a group of resnets each, and what changes sizes around it.
class FlatBlocks {
 public:
  /// encodes: resnets begin a block, the last group is the middle. Else the first one is, and resnets end a block.
  FlatBlocks(const WeightMap& half, std::string_view list, bool encodes) : list_(list), encodes_(encodes) {
    std::map<int64_t, bool> has_resnets;
    for (const auto& [name, tensor] : half.tensors())
      if (const auto entry = entry_of(name, list)) has_resnets[entry->index] |= entry->rest.starts_with("res_blocks.");
    int64_t groups = 0;
    for (const auto& [index, resnets] : has_resnets) {
      if (encodes) groups += resnets ? 1 : 0;
      group_[index] = encodes ? groups - 1 : groups;  // of a decoder: 0 is the middle
      if (!encodes) groups += resnets ? 1 : 0;
      if (resnets) last_ = group_[index];
    }
    require(!group_.empty() && group_.begin()->second == 0, ErrorCode::corrupt_data,
            "the VAE's list '{}' does not begin with resnets", list);
  }

  std::string operator()(const std::string& name) const {
    const auto entry = entry_of(name, list_);
    if (!entry) return renamed(name, "last_", "");
    const int64_t group = group_.at(entry->index);
    const bool is_middle = group == (encodes_ ? last_ : 0);
    const std::string block = is_middle ? "mid_block." : fmt::format("{}{}.", list_, encodes_ ? group : group - 1);
    std::string rest = renamed(entry->rest, "res_blocks.", "resnets.");
    if (rest.starts_with("conv.")) rest = (encodes_ ? "downsamplers.0." : "upsamplers.0.") + rest;
    const bool changes_channels = rest.starts_with("conv1.") || rest.starts_with("conv2.") ||
                                  rest.starts_with("norm3.") || rest.starts_with("conv_shortcut.");
    return block + (changes_channels ? (encodes_ ? "conv_out." : "conv_in.") : "") + rest;
  }

 private:
  std::string list_;
  bool encodes_;
  std::map<int64_t, int64_t> group_;  // of each entry
  int64_t last_ = 0;
};

json object_in(const json& config, const char* key) {
  const auto found = config.find(key);
  return found != config.end() && found->is_object() ? *found : json::object();
}

int64_t extent(const WeightMap& tensors, const std::string& key, int64_t axis) {
  const at::Tensor& tensor = tensors.at(key);
  require(tensor.dim() > axis, ErrorCode::corrupt_data, "'{}' has shape [{}]; it needs {} axes at least", key,
          fmt::join(tensor.sizes(), ", "), axis + 1);
  return tensor.size(axis);
}

int64_t count(const WeightMap& tensors, const std::string& before, const std::string& after) {
  int64_t found = 0;
  while (tensors.contains(fmt::format("{}{}{}", before, found, after))) ++found;
  return found;
}

/// A flag of one of the decoder's upsamplers, in the order of the decoder, where the file's configuration has a list.
std::optional<bool> upsampler_flag(const json& vae, std::size_t index, const char* key) {
  const auto blocks = vae.find("decoder_blocks");
  if (blocks == vae.end() || !blocks->is_array()) return std::nullopt;
  std::vector<bool> flags;  // the published list is of the encoder's order
  for (const json& block : *blocks)
    if (block.is_array() && block.size() == 2 && block[0].is_string() &&
        block[0].get<std::string>().starts_with("compress_"))
      flags.push_back(block[1].is_object() && block[1].value(key, false));
  if (index >= flags.size()) return std::nullopt;
  return flags[flags.size() - 1 - index];
}

}  // namespace

bool is_single_file(const WeightMap& tensors) {
  return tensors.contains("model.diffusion_model.patchify_proj.weight") ||
         tensors.contains("vae.per_channel_statistics.mean-of-means");
}

WeightMap transformer_of_single_file(const WeightMap& tensors) {
  WeightMap named;
  const WeightMap own = tensors.under(kTransformer);
  for (const auto& [key, tensor] : own.tensors()) {
    std::string name = key;
    for (const auto& [from, to] : {std::pair("patchify_proj", "proj_in"), std::pair("adaln_single", "time_embed"),
                                   std::pair("q_norm", "norm_q"), std::pair("k_norm", "norm_k")})
      name = renamed(name, from, to);
    named.set(name, tensor);
  }
  return named;
}

WeightMap vae_of_single_file(const WeightMap& tensors) {
  WeightMap named;
  const WeightMap vae = tensors.under(kVae);
  for (const bool encodes : {true, false}) {
    const std::string half = encodes ? "encoder." : "decoder.";
    const WeightMap own = vae.under(half);
    if (own.tensors().empty()) continue;
    const FlatBlocks blocks(own, encodes ? "down_blocks." : "up_blocks.", encodes);
    for (const auto& [key, tensor] : own.tensors()) {
      std::string name = renamed(blocks(key), "norm3.norm.", "norm3.");
      for (const char* leaf : {"conv_shortcut.weight", "conv_shortcut.bias"})
        if (name.ends_with(leaf)) name.insert(name.rfind('.'), ".conv");
      named.set(half + name, tensor);
    }
  }
  for (const auto& [from, to] :
       {std::pair("mean-of-means", "latents_mean"), std::pair("std-of-means", "latents_std")}) {
    const std::string key = std::string("per_channel_statistics.") + from;
    if (vae.contains(key)) named.set(to, vae.at(key));
  }
  return named;
}

TransformerConfig infer_transformer(const WeightMap& tensors, const json& file_config) {
  const json fields = object_in(file_config, "transformer");
  TransformerConfig config;
  const int64_t dim = extent(tensors, "proj_in.weight", 0);
  config.in_channels = extent(tensors, "proj_in.weight", 1);
  config.out_channels = extent(tensors, "proj_out.weight", 0);
  config.caption_channels = extent(tensors, "caption_projection.linear_1.weight", 1);
  config.num_layers = count(tensors, "transformer_blocks.", ".scale_shift_table");
  const auto head = fields.find("attention_head_dim");
  if (head != fields.end() && head->is_number_integer() && head->get<int64_t>() > 0)
    config.attention_head_dim = head->get<int64_t>();
  require(dim % config.attention_head_dim == 0, ErrorCode::corrupt_data,
          "a transformer of width {} with heads of {}; the file's configuration must say attention_head_dim", dim,
          config.attention_head_dim);
  config.num_attention_heads = dim / config.attention_head_dim;
  return config;
}

VaeConfig infer_vae(const WeightMap& tensors, const json& file_config) {
  const json fields = object_in(file_config, "vae");
  VaeConfig config;
  config.latent_channels = extent(tensors, "decoder.conv_in.conv.weight", 1);
  const int64_t pixels = extent(tensors, "encoder.conv_in.conv.weight", 1);
  config.patch_size = std::lround(std::sqrt(static_cast<double>(pixels) / static_cast<double>(config.in_channels)));
  const bool is_square = config.patch_size * config.patch_size * config.in_channels == pixels;
  require(is_square, ErrorCode::corrupt_data,
          "'encoder.conv_in.conv.weight' takes {} channels: no square patches of {}-channel pixels", pixels,
          config.in_channels);
  config.block_out_channels.clear();
  config.layers_per_block.clear();
  config.spatio_temporal_scaling.clear();
  config.downsample_type.clear();
  for (int64_t i = 0;; ++i) {
    const std::string block = fmt::format("encoder.down_blocks.{}.", i);
    if (!tensors.contains(block + "resnets.0.conv1.conv.weight")) break;
    require(!tensors.contains(block + "downsamplers.0.conv.conv.weight"), ErrorCode::unsupported,
            "this is the single file of LTX-Video 0.9.5 or later, whose VAE rushes reads from a diffusers folder only");
    config.block_out_channels.push_back(extent(tensors, block + "resnets.0.conv1.conv.weight", 1));
    config.layers_per_block.push_back(count(tensors, block + "resnets.", ".conv1.conv.weight"));
    config.spatio_temporal_scaling.push_back(tensors.contains(block + "downsamplers.0.conv.weight"));
    config.downsample_type.push_back(Downsample::conv);
  }
  config.layers_per_block.push_back(count(tensors, "encoder.mid_block.resnets.", ".conv1.conv.weight"));

  config.decoder_block_out_channels.clear();
  config.decoder_spatio_temporal_scaling.clear();
  config.upsample_residual.clear();
  config.upsample_factor.clear();
  config.decoder_layers_per_block = {count(tensors, "decoder.mid_block.resnets.", ".conv1.conv.weight")};
  config.decoder_inject_noise = {tensors.contains("decoder.mid_block.resnets.0.per_channel_scale1")};
  // Lists are published in the encoder's order.
  const auto prepend = [](auto& list, const auto& value) { list.insert(list.begin(), value); };
  std::size_t upsamplers = 0;
  for (int64_t i = 0;; ++i) {
    const std::string block = fmt::format("decoder.up_blocks.{}.", i), resnet = block + "resnets.0.";
    if (!tensors.contains(resnet + "conv1.conv.weight")) break;
    const std::string up = block + "upsamplers.0.conv.conv.weight";
    const int64_t channels = extent(tensors, resnet + "conv1.conv.weight", 0);
    const bool scales = tensors.contains(up);
    const int64_t factor = scales ? std::max<int64_t>(1, 8 * extent(tensors, up, 1) / extent(tensors, up, 0)) : 1;
    prepend(config.decoder_block_out_channels, channels * factor);
    prepend(config.decoder_layers_per_block, count(tensors, block + "resnets.", ".conv1.conv.weight"));
    prepend(config.decoder_spatio_temporal_scaling, scales);
    prepend(config.decoder_inject_noise, tensors.contains(resnet + "per_channel_scale1"));
    prepend(config.upsample_factor, factor);
    const std::optional<bool> said = scales ? upsampler_flag(fields, upsamplers++, "residual") : std::nullopt;
    prepend(config.upsample_residual, said.value_or(factor > 1));
  }
  config.timestep_conditioning = tensors.contains("decoder.scale_shift_table");
  config.decoder_causal = fields.value("causal_decoder", false);
  const auto factor = fields.find("scaling_factor");
  if (factor != fields.end() && factor->is_number() && factor->get<double>() > 0)
    config.scaling_factor = factor->get<double>();
  config.validate();
  return config;
}

SchedulerConfig infer_scheduler(const json& file_config) {
  const json fields = object_in(file_config, "scheduler");
  SchedulerConfig config;
  const auto terminal = fields.find("target_shift_terminal");
  if (terminal != fields.end() && terminal->is_number() && terminal->get<double>() > 0 && terminal->get<double>() < 1)
    config.shift_terminal = terminal->get<double>();
  return config;
}

}  // namespace rushes::ltx
