#include "rushes/models/wan/checkpoint.h"

#include <fmt/ranges.h>

#include <set>

#include "rushes/base/error.h"
#include "rushes/base/log.h"
#include "rushes/models/wan/config_json.h"
#include "rushes/tensor/checkpoint.h"
#include "rushes/tensor/completeness.h"
#include "rushes/tensor/file_bytes.h"
#include "rushes/tensor/ops.h"

namespace rushes::wan {
namespace {

namespace fs = std::filesystem;
using Shapes = std::map<std::string, std::vector<int64_t>>;
using tensor::WeightMap;

std::string_view branch_of(const Component& component) {
  const std::string_view prefix = component.found.prefix;
  return prefix.substr(0, prefix.find('.'));
}

std::string describe(const std::vector<std::string>& keys) {
  const std::size_t shown = std::min<std::size_t>(keys.size(), 5);
  return fmt::format("{} tensors, including {}", keys.size(),
                     fmt::join(keys.begin(), keys.begin() + static_cast<std::ptrdiff_t>(shown), ", "));
}

// Of several transformers in one file the asked one, else its sibling; the critic of the training never.
const Component& choose_branch(const std::vector<Component>& components, Branch branch, const fs::path& file) {
  const std::string_view wanted = branch == Branch::generator ? "generator" : "generator_ema";
  const std::string_view fallback = branch == Branch::generator ? "generator_ema" : "generator";
  for (const std::string_view name : {wanted, fallback})
    for (const Component& component : components)
      if (branch_of(component) == name) {
        if (name == fallback)
          log::warning("'{}' has no '{}'; its '{}' is used instead", file.string(), wanted, fallback);
        return component;
      }
  std::vector<std::string> prefixes;
  for (const Component& component : components) prefixes.push_back("'" + component.found.prefix + "'");
  require(
      components.size() == 1 && branch_of(components.front()) != "critic", ErrorCode::unsupported,
      "'{}' has transformers under {}; rushes uses 'generator' or 'generator_ema', or the only transformer of a file",
      file.string(), fmt::join(prefixes, ", "));
  return components.front();
}

// WeightMap's own messages name keys; these say which file and part.
std::string where(const fs::path& file, Part part) { return fmt::format("'{}', {}", file.string(), name(part)); }

Component load_part(const fs::path& file, Part part, Branch branch) {
  const tensor::Checkpoint checkpoint = tensor::load_checkpoint(file);
  std::vector<Component> components, others = find_components(checkpoint.tensors);
  std::set<std::string> kinds;
  for (Component& component : others) {
    kinds.emplace(name(component.found.part));
    if (component.found.part == part) components.push_back(std::move(component));
  }
  require(!components.empty(), ErrorCode::not_found, "'{}' has no {} of a Wan model, but {}", file.string(), name(part),
          kinds.empty() ? describe(checkpoint.tensors.keys()) : fmt::format("a {}", fmt::join(kinds, " and a ")));
  if (part == Part::transformer) return choose_branch(components, branch, file);
  require(components.size() == 1, ErrorCode::unsupported, "'{}' has {} parts of kind {}; expected one", file.string(),
          components.size(), name(part));
  return std::move(components.front());
}

// Runs `infer`, whose errors name keys only, so that they name the file, too.
template <typename Infer>
auto inferred(const fs::path& file, Part part, Branch branch, Infer infer) {
  const Component component = load_part(file, part, branch);
  try {
    return infer(component.tensors);
  } catch (const Error& error) {
    throw Error(error.code(), fmt::format("{}: {}", where(file, part), error.what()));
  }
}

}  // namespace

std::vector<Component> find_components(const WeightMap& tensors) {
  const auto keys = tensors.keys();
  const auto parts = find_parts(keys);
  std::vector<Component> components;
  for (const FoundPart& part : parts) components.push_back({part, {}});
  std::vector<std::vector<std::string>> own_keys(parts.size());
  std::vector<std::vector<const at::Tensor*>> own_tensors(parts.size());
  for (const auto& [wrapped, tensor] : tensors.tensors()) {
    const std::string key = without_wrappers(wrapped);
    std::size_t longest = 0;  // a key belongs to the longest prefix that fits
    for (const FoundPart& part : parts)
      if (key.starts_with(part.prefix)) longest = std::max(longest, part.prefix.size());
    for (std::size_t i = 0; i < parts.size(); ++i)
      if (parts[i].prefix.size() == longest && key.starts_with(parts[i].prefix)) {
        own_keys[i].push_back(key.substr(longest));
        own_tensors[i].push_back(&tensor);
      }
  }
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const bool rename = parts[i].naming == Naming::transformers;
    const int residual_blocks = rename ? count_residual_blocks(own_keys[i]) : 0;
    WeightMap& own = components[i].tensors;
    for (std::size_t k = 0; k < own_keys[i].size(); ++k) {
      const auto name = rename ? original_name(parts[i].part, own_keys[i][k], residual_blocks) : own_keys[i][k];
      if (!name) continue;
      require(!own.contains(*name), ErrorCode::corrupt_data, "the tensor '{}{}' exists twice, both times as '{}'",
              parts[i].prefix, own_keys[i][k], *name);
      own.set(*name, *own_tensors[i][k]);
    }
    // Of tied parameters a file may hold any one: those that are left out have their values from the twin.
    for (std::size_t k = 0; k < own_keys[i].size(); ++k)
      if (const auto name = tied_name(parts[i].part, own_keys[i][k]); name && !own.contains(*name))
        own.set(*name, *own_tensors[i][k]);
  }
  return components;
}

WeightMap load_transformer(const fs::path& file, const TransformerConfig& config, Branch branch, Extra extra) {
  require(config.num_heads > 0 && config.dim % config.num_heads == 0, ErrorCode::invalid_argument,
          "{}: num_heads {} does not divide dim {}; the number of heads cannot be inferred from shapes, so set it in "
          "the model's manifest or config.json",
          where(file, Part::transformer), config.num_heads, config.dim);
  return take_complete(load_part(file, Part::transformer, branch).tensors, parameter_shapes(config),
                       where(file, Part::transformer), extra);
}

WeightMap load_text_encoder(const fs::path& file, const Umt5Config& config, Extra extra) {
  return take_complete(load_part(file, Part::text_encoder, Branch::generator).tensors, parameter_shapes(config),
                       where(file, Part::text_encoder), extra);
}

WeightMap load_vae(const fs::path& file, const VaeConfig& config, Extra extra) {
  return take_complete(load_part(file, Part::vae, Branch::generator).tensors, parameter_shapes(config),
                       where(file, Part::vae), extra);
}

WeightMap load_tiny_autoencoder(const fs::path& file, const TinyAutoencoderConfig& config, Extra extra) {
  Component component = load_part(file, Part::tiny_autoencoder, Branch::generator);
  // Growth layers were trained for other time factors, too: of too many output channels the last ones are meant.
  const Shapes expected = parameter_shapes(config);
  for (const char* key : {"decoder.7.conv.weight", "decoder.13.conv.weight", "decoder.19.conv.weight"}) {
    if (!component.tensors.contains(key) || expected.count(key) == 0) continue;
    const at::Tensor& weight = component.tensors.at(key);
    const int64_t wanted = expected.at(key)[0];
    if (weight.dim() == 4 && weight.size(0) > wanted && weight.size(0) % weight.size(1) == 0)
      component.tensors.set(key, weight.narrow(0, weight.size(0) - wanted, wanted));
  }
  return take_complete(component.tensors, expected, where(file, Part::tiny_autoencoder), extra);
}

std::optional<std::string> embedded_tokenizer(const fs::path& text_encoder) {
  const tensor::Checkpoint checkpoint = tensor::load_checkpoint(text_encoder);
  for (const auto& [key, tensor] : checkpoint.tensors.tensors())
    if ((key == kTokenizerKey || key.ends_with(fmt::format(".{}", kTokenizerKey))) &&
        tensor.scalar_type() == at::kByte && tensor.is_contiguous())
      return std::string(reinterpret_cast<const char*>(tensor.const_data_ptr<uint8_t>()), tensor.nbytes());
  return std::nullopt;
}

TransformerConfig read_transformer_config(const fs::path& file, Branch branch) {
  TransformerConfig config = inferred(file, Part::transformer, branch, infer_transformer);
  apply_config_json(file, config);
  return config;
}
Umt5Config read_umt5_config(const fs::path& file) {
  Umt5Config config = inferred(file, Part::text_encoder, Branch::generator, infer_umt5);
  apply_config_json(file, config);
  return config;
}
VaeConfig read_vae_config(const fs::path& file) {
  VaeConfig config = inferred(file, Part::vae, Branch::generator, infer_vae);
  apply_config_json(file, config);
  return config;
}
TinyAutoencoderConfig read_tiny_autoencoder_config(const fs::path& file) {
  return inferred(file, Part::tiny_autoencoder, Branch::generator, infer_tiny_autoencoder);
}

}  // namespace rushes::wan
