// From other spellings of a checkpoint's keys to the published Wan names, and the rules that tell which part of a model
// a set of keys belongs to. Text only: no tensors. docs of the names: the tables in parameter_shapes().
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rushes::wan {

enum class Part { transformer, text_encoder, vae, tiny_autoencoder };
std::string_view name(Part part) noexcept;

enum class Naming {
  original,      // the names that the Wan repository publishes
  transformers,  // those of diffusers (WanTransformer3DModel, AutoencoderKLWan) and transformers (UMT5EncoderModel)
};

/// Of a sentencepiece model as bytes, which ComfyUI's repackaged text encoders bring along.
inline constexpr std::string_view kTokenizerKey = "spiece_model";

/// One part found among the keys of a file: all its keys begin with `prefix` ("generator_ema.model.").
struct FoundPart {
  Part part;
  Naming naming;
  std::string prefix;
  bool operator==(const FoundPart&) const = default;
};

/// Parts whose characteristic keys occur, ordered by prefix. Several where a file holds several.
std::vector<FoundPart> find_parts(const std::vector<std::string>& keys);

/// `key` without what training wrappers put into names ("_fsdp_wrapped_module.", "_orig_mod.", ...).
std::string without_wrappers(std::string_view key);

/// The published name for a key (without prefix) of a transformers or diffusers checkpoint. Keys that no rule knows
/// come back as they are; nothing for keys that the part does not use (the decoder half of UMT5, a tokenizer that lies
/// among the weights) and for tied copies, see tied_name().
/// `vae_residual_blocks`: of a level of the VAE's decoder, from count_residual_blocks(); other parts ignore it.
std::optional<std::string> original_name(Part part, std::string_view key, int vae_residual_blocks);

/// The published name of the parameter that a key of a transformers checkpoint is tied to, whose values it shares: each
/// of them may be the one that the file holds. Nothing for all others.
std::optional<std::string> tied_name(Part part, std::string_view key);

/// How many residual blocks each level of the decoder has (num_res_blocks + 1), from diffusers' keys.
int count_residual_blocks(const std::vector<std::string>& keys);

}  // namespace rushes::wan
