#include "rushes/models/wan/checkpoint_names.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <set>
#include <span>
#include <tuple>

namespace rushes::wan {
namespace {

struct Rule {
  std::string_view from, to;  // of the beginning of a key, or of the rest of it
};

// Any of these shows the part: several, so that a file that lacks one still gets a list of what is missing.
struct Signature {
  Part part;
  Naming naming;
  std::string_view key;
};
constexpr Signature kSignatures[] = {
    {Part::transformer, Naming::original, "blocks.0.self_attn.q.weight"},
    {Part::transformer, Naming::original, "text_embedding.0.weight"},
    {Part::transformer, Naming::original, "head.head.weight"},
    {Part::transformer, Naming::transformers, "blocks.0.attn1.to_q.weight"},
    {Part::transformer, Naming::transformers, "condition_embedder.time_proj.weight"},
    {Part::text_encoder, Naming::original, "token_embedding.weight"},
    {Part::text_encoder, Naming::original, "blocks.0.pos_embedding.embedding.weight"},
    {Part::text_encoder, Naming::transformers, "shared.weight"},
    {Part::text_encoder, Naming::transformers, "encoder.block.0.layer.0.SelfAttention.q.weight"},
    {Part::vae, Naming::original, "encoder.downsamples.0.residual.2.weight"},
    {Part::vae, Naming::original, "decoder.upsamples.0.residual.2.weight"},
    {Part::vae, Naming::transformers, "encoder.down_blocks.0.conv1.weight"},
    {Part::vae, Naming::transformers, "decoder.up_blocks.0.resnets.0.conv1.weight"},
    {Part::tiny_autoencoder, Naming::original, "decoder.3.conv.0.weight"},
    {Part::tiny_autoencoder, Naming::original, "encoder.4.conv.0.weight"},
};

constexpr std::size_t kMaxParts = 64;  // a training checkpoint has three

constexpr std::string_view kWrappers[] = {"_fsdp_wrapped_module.", "_checkpoint_wrapped_module.", "_orig_mod."};

constexpr Rule kTransformerTop[] = {
    {"condition_embedder.text_embedder.linear_1.", "text_embedding.0."},
    {"condition_embedder.text_embedder.linear_2.", "text_embedding.2."},
    {"condition_embedder.time_embedder.linear_1.", "time_embedding.0."},
    {"condition_embedder.time_embedder.linear_2.", "time_embedding.2."},
    {"condition_embedder.time_proj.", "time_projection.1."},
    {"condition_embedder.image_embedder.norm1.", "img_emb.proj.0."},
    {"condition_embedder.image_embedder.ff.net.0.proj.", "img_emb.proj.1."},
    {"condition_embedder.image_embedder.ff.net.2.", "img_emb.proj.3."},
    {"condition_embedder.image_embedder.norm2.", "img_emb.proj.4."},
    {"scale_shift_table", "head.modulation"},
    {"proj_out.", "head.head."},
};
// Inside a block. The published norm3, the affine one before cross-attention, is diffusers' norm2.
constexpr Rule kTransformerBlock[] = {
    {"scale_shift_table", "modulation"}, {"norm2.", "norm3."},          {"attn1.", "self_attn."},
    {"attn2.", "cross_attn."},           {"ffn.net.0.proj.", "ffn.0."}, {"ffn.net.2.", "ffn.2."},
};
constexpr Rule kAttention[] = {
    {"to_q.", "q."},
    {"to_k.", "k."},
    {"to_v.", "v."},
    {"to_out.0.", "o."},
    {"add_k_proj.", "k_img."},
    {"add_v_proj.", "v_img."},
    {"norm_added_k.", "norm_k_img."},
};
constexpr Rule kUmt5Block[] = {
    {"layer.0.layer_norm.", "norm1."},
    {"layer.0.SelfAttention.relative_attention_bias.", "pos_embedding.embedding."},
    {"layer.0.SelfAttention.", "attn."},
    {"layer.1.layer_norm.", "norm2."},
    {"layer.1.DenseReluDense.wi_0.", "ffn.gate.0."},
    {"layer.1.DenseReluDense.wi_1.", "ffn.fc1."},
    {"layer.1.DenseReluDense.wo.", "ffn.fc2."},
};
constexpr Rule kVaeTop[] = {
    {"quant_conv.", "conv1."},
    {"post_quant_conv.", "conv2."},
};
constexpr Rule kVaeHalf[] = {
    {"conv_in.", "conv1."},
    {"norm_out.", "head.0."},
    {"conv_out.", "head.2."},
    {"mid_block.resnets.0.", "middle.0."},
    {"mid_block.attentions.0.", "middle.1."},
    {"mid_block.resnets.1.", "middle.2."},
};
constexpr Rule kVaeResidual[] = {
    {"norm1.", "residual.0."}, {"conv1.", "residual.2."},       {"norm2.", "residual.3."},
    {"conv2.", "residual.6."}, {"conv_shortcut.", "shortcut."},
};

// `key` with the first rule applied whose `from` it begins with.
std::string rewritten(std::string_view key, std::span<const Rule> rules) {
  for (const Rule& rule : rules)
    if (key.starts_with(rule.from)) return std::string(rule.to).append(key.substr(rule.from.size()));
  return std::string(key);
}

// Takes "<number>." off the front of `key`.
std::optional<int> take_index(std::string_view& key) {
  int index = 0;
  const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), index);
  if (error != std::errc() || end == key.data() + key.size() || *end != '.' || index < 0 || index > 100'000)
    return std::nullopt;
  key.remove_prefix(static_cast<std::size_t>(end - key.data()) + 1);
  return index;
}

bool take(std::string_view& key, std::string_view begin) {
  if (!key.starts_with(begin)) return false;
  key.remove_prefix(begin.size());
  return true;
}

std::string transformer_name(std::string_view key) {
  std::string_view rest = key;
  if (take(rest, "blocks."))
    if (const auto block = take_index(rest)) {
      std::string leaf = rewritten(rest, kTransformerBlock);
      for (const std::string_view attention : {"self_attn.", "cross_attn."})
        if (leaf.starts_with(attention))
          leaf = std::string(attention) + rewritten(std::string_view(leaf).substr(attention.size()), kAttention);
      return fmt::format("blocks.{}.{}", *block, leaf);
    }
  return rewritten(key, kTransformerTop);
}

std::optional<std::string> umt5_name(std::string_view key) {
  std::string_view rest = key;
  if (take(rest, "encoder.block."))
    if (const auto block = take_index(rest)) return fmt::format("blocks.{}.{}", *block, rewritten(rest, kUmt5Block));
  if (key == "shared.weight") return "token_embedding.weight";
  if (key == "encoder.final_layer_norm.weight") return "norm.weight";
  const bool is_of_decoder = key.starts_with("decoder.") || key == "lm_head.weight";
  if (is_of_decoder || key == kTokenizerKey || tied_name(Part::text_encoder, key)) return std::nullopt;
  return std::string(key);
}

std::string vae_half_name(std::string_view key, int residual_blocks) {
  std::string_view rest = key;
  if (take(rest, "down_blocks."))  // a flat list, as in the published names
    if (const auto index = take_index(rest))
      return fmt::format("downsamples.{}.{}", *index, rewritten(rest, kVaeResidual));
  rest = key;
  if (take(rest, "up_blocks."))  // a list of levels, each of residual blocks and one upsampler
    if (const auto level = take_index(rest)) {
      const int begin = *level * (residual_blocks + 1);
      if (take(rest, "upsamplers.0.")) return fmt::format("upsamples.{}.{}", begin + residual_blocks, rest);
      if (take(rest, "resnets."))
        if (const auto block = take_index(rest))
          return fmt::format("upsamples.{}.{}", begin + *block, rewritten(rest, kVaeResidual));
    }
  std::string renamed = rewritten(key, kVaeHalf);
  for (const std::string_view middle : {"middle.0.", "middle.2."})
    if (renamed.starts_with(middle))
      return std::string(middle) + rewritten(std::string_view(renamed).substr(middle.size()), kVaeResidual);
  return renamed;
}

std::string vae_name(std::string_view key, int residual_blocks) {
  for (const std::string_view half : {"encoder.", "decoder."})
    if (key.starts_with(half)) return std::string(half) + vae_half_name(key.substr(half.size()), residual_blocks);
  return rewritten(key, kVaeTop);
}

}  // namespace

std::string_view name(Part part) noexcept {
  switch (part) {
    case Part::transformer: return "transformer";
    case Part::text_encoder: return "text_encoder";
    case Part::vae: return "vae";
    case Part::tiny_autoencoder: return "tiny_autoencoder";
  }
  return "?";
}

std::vector<FoundPart> find_parts(const std::vector<std::string>& keys) {
  std::vector<FoundPart> found;
  for (const std::string& wrapped : keys) {
    const std::string key = without_wrappers(wrapped);
    for (const Signature& signature : kSignatures) {
      if (!key.ends_with(signature.key)) continue;
      const std::string prefix = key.substr(0, key.size() - signature.key.size());
      if (!prefix.empty() && prefix.back() != '.') continue;
      const FoundPart part{signature.part, signature.naming, prefix};
      if (found.size() < kMaxParts && std::find(found.begin(), found.end(), part) == found.end()) found.push_back(part);
    }
  }
  std::sort(found.begin(), found.end(), [](const FoundPart& a, const FoundPart& b) {
    return std::tie(a.prefix, a.part, a.naming) < std::tie(b.prefix, b.part, b.naming);
  });
  return found;
}

std::string without_wrappers(std::string_view key) {
  std::string plain(key);
  for (const std::string_view wrapper : kWrappers)
    for (std::size_t at = 0; (at = plain.find(wrapper, at)) != std::string::npos;) {
      if (at == 0 || plain[at - 1] == '.')
        plain.erase(at, wrapper.size());
      else
        ++at;
    }
  return plain;
}

std::optional<std::string> original_name(Part part, std::string_view key, int vae_residual_blocks) {
  switch (part) {
    case Part::transformer: return transformer_name(key);
    case Part::text_encoder: return umt5_name(key);
    case Part::vae: return vae_name(key, vae_residual_blocks);
    case Part::tiny_autoencoder: return std::string(key);
  }
  return std::string(key);
}

std::optional<std::string> tied_name(Part part, std::string_view key) {
  // T5 and UMT5 embed the tokens of both halves with one table.
  if (part == Part::text_encoder && (key == "encoder.embed_tokens.weight" || key == "decoder.embed_tokens.weight"))
    return "token_embedding.weight";
  return std::nullopt;
}

int count_residual_blocks(const std::vector<std::string>& keys) {
  int count = 0;
  for (const std::string& key : keys) {
    std::string_view rest = key;
    if (!take(rest, "decoder.up_blocks.0.resnets.")) continue;
    if (const auto block = take_index(rest)) count = std::max(count, *block + 1);
  }
  return count;
}

}  // namespace rushes::wan
