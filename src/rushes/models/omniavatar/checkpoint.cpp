#include "rushes/models/omniavatar/checkpoint.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "rushes/base/error.h"
#include "rushes/models/wan/checkpoint.h"
#include "rushes/tensor/checkpoint.h"
#include "rushes/tensor/ops.h"

namespace rushes::omniavatar {
namespace {

namespace fs = std::filesystem;
using tensor::WeightMap;

constexpr const char* kPatchWeight = "patch_embedding.weight";
constexpr const char* kPackWeight = "audio_proj.proj.weight";
constexpr std::string_view kDown = ".lora_A.weight", kUp = ".lora_B.weight";

bool begins_with(const WeightMap& tensors, const std::string& begin) {
  const auto found = tensors.tensors().lower_bound(begin);
  return found != tensors.tensors().end() && found->first.starts_with(begin);
}

bool has_pairs(const WeightMap& tensors) {
  return std::any_of(tensors.tensors().begin(), tensors.tensors().end(),
                     [](const auto& each) { return each.first.find(".lora_") != std::string::npos; });
}

std::string where(const fs::path& file) { return fmt::format("'{}', avatar transformer", file.string()); }

WeightMap load_named(const fs::path& file) { return with_published_names(tensor::load_checkpoint(file).tensors); }

/// W + scale B A.
at::Tensor merged_weight(const WeightMap& base, const WeightMap& adapter, const std::string& layer, const Lora& lora) {
  const std::string key = layer + ".weight", a = layer + std::string(kDown), b = layer + std::string(kUp);
  require(base.contains(key), ErrorCode::corrupt_data, "the adapter has '{}', but the base has no '{}'", a, key);
  require(adapter.contains(a) && adapter.contains(b), ErrorCode::corrupt_data, "the adapter has '{}', but no '{}'",
          adapter.contains(a) ? a : b, adapter.contains(a) ? b : a);
  const at::Tensor &weight = base.at(key), &down = adapter.at(a), &up = adapter.at(b);
  const bool fits = weight.dim() == 2 && down.dim() == 2 && up.dim() == 2 && down.size(1) == weight.size(1) &&
                    up.size(0) == weight.size(0) && down.size(0) == up.size(1);
  require(fits, ErrorCode::corrupt_data, "'{}' [{}] and '{}' [{}] do not make an addition to '{}' [{}]", b,
          fmt::join(up.sizes(), ", "), a, fmt::join(down.sizes(), ", "), key, fmt::join(weight.sizes(), ", "));
  require(down.size(0) == lora.rank, ErrorCode::corrupt_data,
          "'{}' has rank {}, but lora_rank is {}; the strength of the adapter is lora_alpha / lora_rank", a,
          down.size(0), lora.rank);
  return at::addmm(weight.to(at::kFloat), up.to(at::kFloat), down.to(at::kFloat), 1, lora.scale());
}

}  // namespace

tensor::Shapes parameter_shapes(const TransformerConfig& config) {
  tensor::Shapes shapes = wan::parameter_shapes(config.wan);
  const auto [feature_dim, hidden_size, group] = config.speech;
  shapes[kPackWeight] = {hidden_size, group * feature_dim};
  for (const char* key : {"audio_proj.proj.bias", "audio_proj.norm_out.weight", "audio_proj.norm_out.bias"})
    shapes[key] = {hidden_size};
  for (int64_t j = 0; j < config.speech_layers(); ++j) {
    shapes[fmt::format("audio_cond_projs.{}.weight", j)] = {config.wan.dim, hidden_size};
    shapes[fmt::format("audio_cond_projs.{}.bias", j)] = {config.wan.dim};
  }
  return shapes;
}

WeightMap with_published_names(const WeightMap& tensors) {
  WeightMap published;
  for (const auto& [key, tensor] : tensors.tensors()) {
    std::string name = wan::without_wrappers(key);
    if (name.starts_with("model.")) name.erase(0, 6);
    for (const std::string_view adapter : {".lora_A.default.weight", ".lora_B.default.weight"})
      if (name.ends_with(adapter)) name.erase(name.size() - sizeof(".default.weight") + 1, sizeof(".default") - 1);
    require(!published.contains(name), ErrorCode::corrupt_data, "the tensor '{}' exists twice, both times as '{}'", key,
            name);
    published.set(name, tensor);
  }
  return published;
}

std::optional<CheckpointKind> kind_of(const WeightMap& tensors) {
  WeightMap named;
  try {
    named = with_published_names(tensors);
  } catch (const Error&) {
    return std::nullopt;
  }
  if (!begins_with(named, "audio_proj.") && !begins_with(named, "audio_cond_projs.")) return std::nullopt;
  if (has_pairs(named)) return CheckpointKind::adapter;
  return begins_with(named, "blocks.") || named.contains("head.head.weight") ? std::optional(CheckpointKind::merged)
                                                                             : std::nullopt;
}

TransformerConfig infer_transformer(const WeightMap& tensors, const wan::TransformerConfig& base) {
  TransformerConfig config{base, {}};
  if (tensors.contains(kPatchWeight)) {
    const at::Tensor& patch = tensors.at(kPatchWeight);
    require(patch.dim() == 5 && patch.size(0) == base.dim, ErrorCode::corrupt_data,
            "'{}' has shape [{}]; a transformer of width {} needs [{}, C, frames, rows, columns]", kPatchWeight,
            fmt::join(patch.sizes(), ", "), base.dim, base.dim);
    config.wan.in_dim = patch.size(1);
  }
  if (tensors.contains(kPackWeight)) {
    const at::Tensor& pack = tensors.at(kPackWeight);
    require(pack.dim() == 2 && pack.size(1) > 0 && pack.size(1) % config.speech.group == 0, ErrorCode::corrupt_data,
            "'{}' has shape [{}]; it needs columns for {} video frames", kPackWeight, fmt::join(pack.sizes(), ", "),
            config.speech.group);
    config.speech.hidden_size = pack.size(0);
    config.speech.feature_dim = pack.size(1) / config.speech.group;
  }
  return config;
}

WeightMap merge_adapter(const WeightMap& base, const WeightMap& adapter, const Lora& lora, at::ScalarType dtype) {
  require(lora.rank >= 1, ErrorCode::corrupt_data, "lora_rank is {}; it must be at least 1", lora.rank);
  require(adapter.contains(kPatchWeight), ErrorCode::corrupt_data,
          "the checkpoint has no '{}': the channels of the picture would have no weights, since the base's has none",
          kPatchWeight);
  const at::Tensor& patch = adapter.at(kPatchWeight);
  const bool is_wider = patch.dim() == 5 && (!base.contains(kPatchWeight) || base.at(kPatchWeight).dim() != 5 ||
                                             patch.size(1) > base.at(kPatchWeight).size(1));
  require(is_wider, ErrorCode::corrupt_data,
          "the checkpoint's '{}' has shape [{}]: no more input channels than the base, so none for the picture",
          kPatchWeight, fmt::join(patch.sizes(), ", "));
  WeightMap merged = base.to(dtype);
  for (const auto& [key, tensor] : adapter.tensors()) {
    const bool is_down = key.ends_with(kDown), is_up = key.ends_with(kUp);
    if (!is_down && !is_up) {
      require(key.find(".lora_") == std::string::npos, ErrorCode::unsupported,
              "'{}' is of a kind of adapter that rushes does not merge", key);
      merged.set(key, tensor.to(dtype));
      continue;
    }
    const std::string layer = key.substr(0, key.size() - (is_down ? kDown : kUp).size());
    if (is_down || !adapter.contains(layer + std::string(kDown)))  // of a pair once
      merged.set(layer + ".weight", merged_weight(base, adapter, layer, lora).to(dtype));
  }
  return merged;
}

WeightMap load_transformer(const TransformerPart& part, at::ScalarType dtype, tensor::Extra extra) {
  const tensor::Shapes shapes = parameter_shapes(part.config);
  if (part.adapter.empty()) return tensor::take_complete(load_named(part.file), shapes, where(part.file), extra);
  wan::TransformerConfig base = part.config.wan;
  base.in_dim = base.out_dim;
  try {
    const WeightMap merged =
        merge_adapter(wan::load_transformer(part.file, base), load_named(part.adapter), part.lora, dtype);
    return tensor::take_complete(merged, shapes, where(part.adapter), extra);
  } catch (const Error& error) {
    const std::string file = part.adapter.string();
    const bool is_named = std::string_view(error.what()).find(file) != std::string_view::npos ||
                          std::string_view(error.what()).find(part.file.string()) != std::string_view::npos;
    if (is_named) throw;
    throw Error(error.code(), fmt::format("'{}': {}", file, error.what()));
  }
}

}  // namespace rushes::omniavatar
